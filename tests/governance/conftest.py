"""Fixtures: a state directory of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiguard import boundary
from aiguard.governance.store import Actor, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANNA = Actor("anna", 1001)


@pytest.fixture(autouse=True)
def _declared() -> Iterator[None]:
    """No boundary but what a test declares: what others declare here is known to who halts."""
    before = boundary._REGISTRY.swap({})
    yield
    boundary._REGISTRY.swap(before)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where the processes and the commands would meet; nobody has made it yet."""
    return tmp_path / "state"


@pytest.fixture
def store(state: Path) -> Store:
    """The store in it, which nobody has made yet either."""
    return Store(state)
