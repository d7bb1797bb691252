"""Running the command in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner

from aiguard.cli.command import app

if TYPE_CHECKING:
    from typer.testing import Result


def run(*arguments: str) -> Result:
    """Run `aiguard` with these arguments; an exception that leaves it is a failure of the test."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False)
