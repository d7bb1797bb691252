"""Fixtures: one stream in each of the three ways of running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.streaming import KINDS, Streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.testing import VirtualClock


@pytest.fixture(params=KINDS)
def streams(request: pytest.FixtureRequest, clock: VirtualClock) -> Iterator[Streams]:
    """Streams of each kind in turn."""
    streams = Streams(request.param, clock)
    with streams.runner:
        yield streams


@pytest.fixture
def on_loop(clock: VirtualClock) -> Iterator[Streams]:
    """Async streams."""
    streams = Streams("async", clock)
    with streams.runner:
        yield streams


@pytest.fixture(params=["inline", "thread"])
def blocking(request: pytest.FixtureRequest, clock: VirtualClock) -> Streams:
    """Streams of the sync kinds."""
    return Streams(request.param, clock)
