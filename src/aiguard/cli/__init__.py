"""The command line: `aiguard check`, `schema`, `export`, `explain`, `status`, `trace`, `top`."""

from aiguard.cli.start import main

__all__ = ["main"]
