"""Fixtures: a process that takes note of its calls, for one test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiguard.monitor.exposure import Exposure
from aiguard.monitor.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.testing import VirtualClock


@pytest.fixture
def watch(clock: VirtualClock) -> Iterator[Watch]:
    """Everything is taken note of, on virtual time."""
    del clock  # begun before: the watch reads it
    watch = Watch()
    watch.begin()
    yield watch
    watch.end()


@pytest.fixture
def state() -> Iterator[Path]:
    """A directory with a name that is short enough for a socket."""
    directory = Path(tempfile.mkdtemp(prefix="aiguard-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def exposure() -> Iterator[Exposure]:
    """A window of this process, shut again afterwards."""
    exposure = Exposure()
    yield exposure
    exposure.close()
