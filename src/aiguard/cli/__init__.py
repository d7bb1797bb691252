"""The command line: `aiguard check`, `aiguard schema`, `aiguard export`, `aiguard explain`."""

from aiguard.cli.start import main

__all__ = ["main"]
