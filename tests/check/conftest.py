"""Fixtures: a project of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.check.projects import Project, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project, in the current directory."""
    with opened(tmp_path, monkeypatch) as project:
        yield project
