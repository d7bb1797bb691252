"""
Change the code, one small mistake at a time, and see whether a test notices.

    python -m tests.mutants                     all of the modules: about a quarter of an hour
    python -m tests.mutants circuit window      some of them
    python -m tests.mutants --quick             ask no other tests about those that a module's own do not notice
    python -m tests.mutants --thorough          ask other tests about those that are explained, too

What no test notices has to be explained in `survivors.toml`, and what is explained there has to be so: else it fails.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.mutants.campaign import MODULES, Campaign, Tally
from tests.mutants.explained import KINDS

ROOT: Final = Path(__file__).resolve().parents[2]

SHORT: Final = {name.rpartition("/")[2]: name for name in MODULES}

COPIED: Final = ("src", "tests", "docs", "examples", "benchmarks", "pyproject.toml", "README.md")

HEAD: Final = (
    f"{'module':<14}{'mutants':>8}{'killed':>8}{'elsewhere':>10}{'endless':>8}{'explained':>10}{'unexplained':>12}"
)


def main() -> int:
    """Run what the command line asks for; return 1 if anything was not as explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Mutation testing.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"some of: {', '.join(SHORT)} (default: all)")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--quick", action="store_true", help="ask no other tests about those that survive")
    asked.add_argument("--thorough", action="store_true", help="ask other tests about those that are explained, too")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.modules) - set(SHORT))
    if unknown:
        parser.error(f"no such module: {', '.join(unknown)}")
    names = [SHORT[name] for name in chosen.modules or SHORT]
    return search(names, quick=chosen.quick, thorough=chosen.thorough) if chosen.here else in_a_copy()


def in_a_copy() -> int:
    """Do it in a copy of the tree: who goes on working here changes nothing there, and nothing there changes this."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / name, folder)
        command = [sys.executable, "-m", "tests.mutants", "--here", *sys.argv[1:]]
        own = {"PYTHONPATH": str(Path(folder, "src")), "PYTHONDONTWRITEBYTECODE": ""}
        return subprocess.run(command, cwd=folder, env=os.environ | own, check=False).returncode


def search(names: list[str], *, quick: bool, thorough: bool) -> int:
    """Try every mutant; return 1 if one was neither noticed nor explained, or an explanation does not hold."""
    campaign = Campaign(names, quick=quick, thorough=thorough, say=say)
    say(f"{HEAD}{'score':>8}")
    total = Tally()
    for name in names:
        tally = campaign.run(name)
        total += tally
        say(row(name.rpartition("/")[2], tally))
    say(row("all", total))
    say("explained: " + ", ".join(f"{total.explained[kind]} {kind}" for kind in KINDS if total.explained[kind]))
    say(f"{len(campaign.wrong)} to explain or to mend")
    return 1 if campaign.wrong else 0


def row(name: str, tally: Tally) -> str:
    """Return the row of a table."""
    return (
        f"{name:<14}{tally.mutants:>8,}{tally.killed:>8,}{tally.elsewhere:>10,}{tally.endless:>8,}"
        f"{tally.explained.total():>10,}{tally.unexplained:>12,}{tally.score:>8.1%}{tally.seconds:>6,.0f} s"
    )


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
