"""That a peer does what is said of it, before anybody believes how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.workload import ATTEMPTS, EXPECTED, TICKET, Triage, answer, fallback

if TYPE_CHECKING:
    import asyncio

    from benchmarks.peers.catalogue import Peer, Shape
    from benchmarks.workload import Component


class SetUpWronglyError(Exception):
    """A peer is not what its description says: its time would mean nothing."""


def lost(_ticket: str) -> str:
    """Fail as a component that cannot be reached does."""
    raise ConnectionError


def nonsense(_ticket: str) -> str:
    """Answer something outside the contract."""
    return "[]"


def call(peer: Peer, shape: Shape, component: Component, runner: asyncio.Runner) -> Triage:
    """Put the peer around a component, and call it once."""
    if shape != "asynchronous":
        answered: Triage = peer.wrap(shape, component)(TICKET)
        return answered

    async def awaited(ticket: str) -> str:
        return component(ticket)

    async def called() -> Triage:
        answered: Triage = await peer.wrap(shape, awaited)(TICKET)
        return answered

    return runner.run(called())


def prove(peer: Peer, shape: Shape, runner: asyncio.Runner) -> None:
    """
    Hold a peer to its description.

    It hands the answer over, falls back where the component fails and where its answer breaks the contract, and asks a
    failing component as often as it says: once, or `ATTEMPTS` times where it retries.

    Raises:
        SetUpWronglyError: Where one of these does not hold.
    """
    attempts = ATTEMPTS if "retry" in (peer.has(shape) or ()) else 1
    for component, expected, times in ((answer, EXPECTED, 1), (lost, fallback(), attempts), (nonsense, fallback(), 0)):
        asked: list[str] = []

        def counted(ticket: str, component: Component = component, asked: list[str] = asked) -> str:
            asked.append(ticket)
            return component(ticket)

        try:
            answered = call(peer, shape, counted, runner)
        except Exception as error:
            raise SetUpWronglyError(f"{peer.label}, {shape}: raised {error!r} on {component.__name__}()") from error
        if answered != expected:
            raise SetUpWronglyError(f"{peer.label}, {shape}: answered {answered!r} on {component.__name__}()")
        if set(asked) != {TICKET} or (times and len(asked) != times):
            raise SetUpWronglyError(
                f"{peer.label}, {shape}: asked {component.__name__}() {len(asked)} times instead of {times or 'some'}"
            )
