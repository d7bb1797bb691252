"""What is compared does the same: each way of writing it validates, contains, and falls back."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.workload import EXPECTED, TICKET, Triage, answer, answer_after_suspending, answer_async, fallback

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.workload import AsyncComponent

PEERS = ("floor", "composed", "guarded", "interlock_pipeline")
SHAPES = [(name, shape) for name in PEERS for shape in ("asynchronous", "synchronous")]
SHAPES += [(name, "threaded") for name in PEERS if name != "floor"]


def _peer(name: str) -> Any:
    if name == "interlock_pipeline":
        pytest.importorskip("interlock")
    return import_module(f"benchmarks.peers.{name}")


@pytest.fixture(params=SHAPES, ids="-".join)
def wrap(request: pytest.FixtureRequest) -> Callable[[Callable[[str], str]], Callable[[], Triage]]:
    """Put a peer around a function, in each of its shapes, and call it."""
    name, shape = request.param
    build = getattr(_peer(name), shape)

    def wrapped(component: Callable[[str], str]) -> Callable[[], Triage]:
        if shape != "asynchronous":
            guarded = build(component)
            return lambda: guarded(TICKET)

        async def awaited(ticket: str) -> str:
            return component(ticket)

        async_guarded = build(awaited)
        return lambda: asyncio.run(async_guarded(TICKET))

    return wrapped


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_seconds: float) -> None:
        """Return without waiting."""

    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr("asyncio.sleep", at_once)


def test_it_returns_the_validated_answer(wrap: Callable[[Callable[[str], str]], Callable[[], Triage]]) -> None:
    """The contract's own type, not the text."""
    assert wrap(answer)() == EXPECTED


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("component", [answer_async, answer_after_suspending])
def test_it_awaits_the_components_that_are_measured(name: str, component: AsyncComponent) -> None:
    """The one that suspends and the one that does not."""
    assert asyncio.run(_peer(name).asynchronous(component)(TICKET)) == EXPECTED


def test_it_falls_back_where_the_component_raises(wrap: Callable[[Callable[[str], str]], Callable[[], Triage]]) -> None:
    """Whatever it raises."""

    def down(_ticket: str) -> str:
        raise RuntimeError

    assert wrap(down)() == fallback()


@pytest.mark.usefixtures("_no_waiting")
def test_it_falls_back_where_the_answer_breaks_the_contract(
    wrap: Callable[[Callable[[str], str]], Callable[[], Triage]],
) -> None:
    """An answer outside the contract never reaches the caller."""
    asked: list[str] = []

    def nonsense(ticket: str) -> str:
        asked.append(ticket)
        return '{"category": "weather", "priority": "high", "summary": "", "confidence": 2.0}'

    assert wrap(nonsense)() == fallback()
    assert asked


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.parametrize("name", ["composed", "interlock_pipeline"])
def test_a_peer_with_retries_tries_a_lost_connection_three_times(name: str) -> None:
    """As the boundary does."""
    peer = _peer(name)
    asked: list[str] = []

    def lost(ticket: str) -> str:
        asked.append(ticket)
        raise ConnectionError

    assert peer.synchronous(lost)(TICKET) == fallback()
    assert len(asked) == 3


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.parametrize("name", ["composed", "interlock_pipeline"])
def test_a_peer_with_a_breaker_stops_asking_a_component_that_is_down(name: str) -> None:
    """But not one whose answers are merely invalid."""
    peer = _peer(name)
    asked: list[str] = []

    def down(ticket: str) -> str:
        asked.append(ticket)
        raise ConnectionError

    def nonsense(ticket: str) -> str:
        asked.append(ticket)
        return "[]"

    broken, invalid = peer.synchronous(down), peer.synchronous(nonsense)
    for _ in range(20):
        assert broken(TICKET) == fallback()
    assert len(asked) < 20
    asked.clear()
    for _ in range(20):
        assert invalid(TICKET) == fallback()
    assert len(asked) == 60


def test_the_fallback_differs_from_the_answer() -> None:
    """Else nobody could tell which of them was measured."""
    assert fallback() != EXPECTED
