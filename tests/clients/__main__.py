"""
`python -m tests.clients`: prints the tables of `docs/clients.md`; `python -m tests.clients --write` puts them there.

What they say is what the tests hold: `make test-clients`.
"""

from __future__ import annotations

import argparse
import sys

from tests.clients import matrix

parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
parser.add_argument("--write", action="store_true", help="write them into docs/clients.md")

if parser.parse_args().write:
    matrix.PAGE.write_text(matrix.page(matrix.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
else:
    for table in (matrix.raising(), matrix.returned(), matrix.wrong(), matrix.versions()):
        sys.stdout.write(f"{table}\n")
