"""A peer around the component that is measured, as something to time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.slices import Subject, asynchronous, synchronous
from benchmarks.workload import EXPECTED, AsyncComponent, answer, answer_async

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from benchmarks.peers.catalogue import Peer, Shape


def timed(
    peer: Peer,
    shape: Shape,
    runner: asyncio.Runner,
    *,
    component: AsyncComponent = answer_async,
    clock: Callable[[], float] = time.thread_time,
) -> Subject:
    """Return a peer around `component`, or around its sync twin; on the runner's loop where it is async."""
    if shape == "synchronous":
        return synchronous(peer.name, peer.label, peer.wrap(shape, answer), EXPECTED, clock=clock)

    async def wrapped() -> Any:
        return peer.wrap(shape, component)

    return asynchronous(runner, peer.name, peer.label, runner.run(wrapped()), EXPECTED, clock=clock)
