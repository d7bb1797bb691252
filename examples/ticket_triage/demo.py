"""
A real model, hung, killed and talking nonsense while tickets keep coming: first without aiguard, then with it.

    make demo                                           installs what it needs, then runs both acts
    python examples/ticket_triage/demo.py --tickets 3   the short form, in an environment that has it all
    python examples/ticket_triage/demo.py halted        the second act: an operator halts it, and resumes
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

PACKAGE = "examples.ticket_triage"
SECOND_ACT = "halted"


def start() -> int:
    """Run the demo, or say what keeps it from running. Return the exit status."""
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # a script's own folder would make `rules` a top-level name
    problem = import_module(f"{PACKAGE}.preflight").problem()  # before anything is imported that may not be installed
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    arguments = sys.argv[1:]
    second = arguments[:1] == [SECOND_ACT]
    act = import_module(f"{PACKAGE}.{SECOND_ACT if second else 'main'}")
    return int(act.run(arguments[1:] if second else arguments))


if __name__ == "__main__":
    sys.exit(start())
