"""
One peer in a process of its own: it holds what is timed ready, and runs a slice when it is asked to.

`python -m benchmarks.worker PEER` is that process. It reads and writes a JSON object a line: the version that it
measures once it is ready, then the seconds of each slice. Beside the peer it times a guarded call, so that a ratio can
be taken between two slices of the same round, process and environment.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, get_args

from benchmarks.peers.catalogue import FRAMEWORKS, GUARD, LIBRARIES, Shape
from benchmarks.proof import prove
from benchmarks.subjects import timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmarks.peers.catalogue import Peer
    from benchmarks.slices import Spent, Subject

SETTLING = 0.002  # seconds: what the slice before left to other threads ends there, and in nobody's slice


def subjects(peer: Peer, stack: ExitStack) -> dict[tuple[str, str], Subject]:
    """Prove the peer, then return it and a guarded call in each shape that it has."""
    ready = {}
    for shape in get_args(Shape):
        if peer.has(shape) is None:
            continue
        for it in (peer, GUARD):
            # a loop for each: what a call leaves to its loop is done in the next slice of the same subject
            runner = stack.enter_context(asyncio.Runner())
            prove(it, shape, runner)
            # all threads of the process count: some peers leave a part of the work to one of their own
            ready[shape, it.name] = timed(it, shape, runner, clock=time.process_time)
    return ready


def run(subject: Subject, times: int) -> Spent:
    """Run a slice, without the collector; the process was idle, so one call first is not timed."""
    time.sleep(SETTLING)
    gc.collect()
    gc.disable()
    try:
        subject.run(1)
        return subject.run(times)
    finally:
        gc.enable()


def serve(peer: Peer, requests: Iterable[str], reply: Callable[[dict[str, Any]], None]) -> None:
    """Get ready, say so, and answer each request."""
    with ExitStack() as stack:
        answer(subjects(peer, stack), version(peer.package), requests, reply)


def answer(
    ready: Mapping[tuple[str, str], Subject], of: str, requests: Iterable[str], reply: Callable[[dict[str, Any]], None]
) -> None:
    """Say that all is ready, in which version, and run each slice that is asked for."""
    gc.freeze()  # what was imported need not be looked at before every slice
    reply({"version": of})
    for line in requests:
        asked = json.loads(line)
        reply(asdict(run(ready[asked["shape"], asked["subject"]], asked["times"])))


def main(arguments: list[str]) -> None:
    """Serve the peer that is named."""
    peers = {peer.name: peer for peer in (*LIBRARIES, *FRAMEWORKS)}
    piped(lambda requests, reply: serve(peers[arguments[0]], requests, reply))


def piped(serving: Callable[[Iterable[str], Callable[[dict[str, Any]], None]], None]) -> None:
    """Serve on this process's standard input and output; an error goes to whoever asked."""
    logging.getLogger().addHandler(logging.NullHandler())  # a proof makes peers fail, and some of them log that
    # libraries print what they like: only the lines of this protocol may reach its pipe
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as pipe:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def reply(answer: dict[str, Any]) -> None:
            pipe.write(json.dumps(answer) + "\n")
            pipe.flush()

        try:
            serving(sys.stdin, reply)
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})
            raise


if __name__ == "__main__":
    main(sys.argv[1:])
