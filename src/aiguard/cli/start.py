"""Where the command begins; says what to install where that is missing."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    try:
        from aiguard.cli.command import app  # noqa: PLC0415 - typer may not be there
    except ModuleNotFoundError as missing:
        if missing.name not in {"rich", "typer"}:
            raise
        sys.stderr.write(f"aiguard: the command line needs {missing.name}: install `aiguard-boundary[cli]`\n")
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an old encoding must not end the report
    app()
