"""A project to be checked: a folder that is the current directory, whose modules are imported afresh."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from aiguard.check import Report, check
from aiguard.testing.virtual import fresh_registry

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest

FILE = "aiguard.yaml"


class Project:
    """A folder with a file, and perhaps with code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> Path:
        """Write a file; return its path, from the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return Path(name)

    def check(self, text: str | None = None, *apps: str, **environ: str) -> Report:
        """Check a file of this text, and code."""
        return check(self.write(FILE, text) if text is not None else None, apps, environ)


@contextmanager
def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Project]:
    """Work in `folder`; afterwards no module and no boundary of it is known."""
    monkeypatch.chdir(folder)
    for variable in [name for name in os.environ if name.startswith("AIGUARD")]:
        monkeypatch.delenv(variable)
    before = set(sys.modules)
    with fresh_registry():
        try:
            yield Project(folder)
        finally:
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None) or ""
                if file.startswith(str(folder)):
                    del sys.modules[name]


def told(report: Report) -> list[str]:
    """Return every finding in short: where, which rule, about what."""
    return [
        f"{finding.problem.position or '-'} {finding.rule.id} {finding.problem.boundary}"
        + (f".{finding.problem.setting}" if finding.problem.setting else "")
        for finding in report.findings
    ]


def of(report: Report, rule: str) -> list[str]:
    """Return the messages of one rule."""
    return [finding.message for finding in report.findings if finding.rule.id == rule]
