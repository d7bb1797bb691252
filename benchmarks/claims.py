"""
Run each claim of docs/comparison.md against every library that is installed, and print what was observed.

    python benchmarks/claims.py [--json FILE]

One experiment a claim, the same for all; only how a library is set up differs, and each is set up as its own
documentation shows. Whether a circuit is open is never asked: what counts is whether a call reaches the component.
`–` means that a library has no such feature.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script sees only its own folder

from benchmarks.observed.component import Lab
from benchmarks.observed.contestants import LIBRARIES, Library
from benchmarks.observed.experiments import CLAIMS

if TYPE_CHECKING:
    from collections.abc import Iterable


def installed() -> tuple[list[Library], list[str]]:
    """Return the libraries that are here, and the names of those that are not."""
    found, missing = [], []
    for build in LIBRARIES:
        try:
            library = build()
        except ModuleNotFoundError as error:
            missing.append(str(error.name))
        else:
            found.append(library)
    return found, missing


def headed(library: Library) -> str:
    """Return the title of a library with the versions that ran."""
    title = library.title
    for package in library.packages:
        known = package if package in title else title
        try:
            title = title.replace(known, f"{known} {version(package)}", 1)
        except PackageNotFoundError:
            continue
    return title


def observe(libraries: Iterable[Library], lab: Lab) -> dict[str, dict[str, str]]:
    """Return what was observed: by claim, by library."""
    return {claim: {it.title: experiment(it, lab) for it in libraries} for claim, experiment in CLAIMS.items()}


def markdown(libraries: list[Library], observed: dict[str, dict[str, str]]) -> str:
    """Return the table."""
    rows = [["", *(headed(library) for library in libraries)], ["---"] * (len(libraries) + 1)]
    rows += [[claim, *(cells[library.title] for library in libraries)] for claim, cells in observed.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main(arguments: list[str] | None = None) -> int:
    """Run everything that is installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every cell to this file")
    options = parser.parse_args(arguments)

    logging.getLogger().addHandler(logging.NullHandler())  # what libraries log would stand in the table
    libraries, missing = installed()
    observed = observe(libraries, Lab())
    python = f"{platform.python_implementation()} {platform.python_version()}"
    sys.stdout.write(markdown(libraries, observed))
    sys.stdout.write(f"\n{python}, {platform.system()} {platform.machine()}.\n")
    if missing:
        sys.stdout.write(f"Not installed, and left out: {', '.join(missing)}.\n")
    if options.json:
        document = {"python": python, "libraries": {it.title: headed(it) for it in libraries}, "observed": observed}
        options.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
