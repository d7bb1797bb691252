"""Faults that were found once, each by its name."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tenacity.asyncio import retry_if_exception

from aiguard import Boundary, BulkheadFullError, ComponentError, MisuseError, PolicyError, Retry, guard
from tests.shapes import HttpError

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock


def test_a_mass_outage_does_not_outrun_the_ladder(clock: VirtualClock) -> None:
    """Five hundred calls at once whose component is gone: each has its turn with the sync rung, in time."""

    def rule(ticket: str) -> str:
        clock.sleep(0.02)
        return f"rule {ticket}"

    @guard("outage", deadline=5.0, fallback=[rule])
    async def component(ticket: str) -> str:
        raise ConnectionError(ticket)

    async def main() -> list[Any]:
        return await asyncio.gather(*(component.outcome(str(number)) for number in range(500)))

    outcomes = clock.run(main())
    assert [outcome.value for outcome in outcomes] == [f"rule {number}" for number in range(500)]
    assert clock.elapsed < 5.0


def test_no_repr_holds_what_was_raised(clock: VirtualClock) -> None:
    """What an outcome or a failure prints as is safe to log."""

    @guard("repr", deadline=1.0, isolation="inline")
    def component() -> str:
        raise ConnectionError("SECRET-PROMPT")

    outcome = component.outcome()
    assert "SECRET-PROMPT" not in repr(outcome) + repr(outcome.failure)
    assert outcome.failure is not None
    assert isinstance(outcome.failure.exception, ConnectionError)
    assert clock.elapsed == 0.0


def test_a_class_is_no_retry_predicate() -> None:
    """Calling a class makes an instance, which is true: it would retry everything."""
    with pytest.raises(PolicyError, match="a class would retry everything"):
        Retry(on=ConnectionError)  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", ["wait", "stop", "on"])
def test_what_a_retry_asks_is_no_coroutine_function(setting: str) -> None:
    """Its answer would be a coroutine, which is true: everything would be tried again."""

    async def never(_: BaseException) -> bool:
        return False

    with pytest.raises(PolicyError, match=f"`Retry.{setting}`=.*: is a coroutine function"):
        Retry(**{setting: retry_if_exception(never)})  # type: ignore[arg-type]


def test_a_virtual_boundary_on_a_real_loop_says_so(clock: VirtualClock) -> None:
    """It would wait forever for a time that never comes."""

    @guard("wrong-loop", deadline=0.2, fallback=["late"])
    async def component() -> str:
        return "never"

    with pytest.raises(MisuseError, match=r"clock\.run"):
        asyncio.run(component())
    assert clock.run(component()) == "never"


def test_a_full_crew_says_how_many_and_what_to_do(clock: VirtualClock) -> None:
    """Nobody configured a bulkhead: the message names the number, and the setting that changes it."""
    boundary = Boundary("crew", deadline=5.0)
    boundary._state.workers.limit = 1
    entered, gate = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        gate.wait()

    holder = threading.Thread(target=lambda: boundary.call(hold))
    holder.start()
    entered.wait()
    with pytest.raises(BulkheadFullError, match=r"all 1 worker threads are busy.*`bulkhead`"):
        boundary.call(lambda: None)
    gate.set()
    holder.join()
    assert clock.elapsed == 0.0


def test_retries_without_a_wait_let_others_run(clock: VirtualClock) -> None:
    """An async component that fails at once, retried at once, never keeps the loop for itself."""
    turns = 0

    settings: Any = {"retry": Retry(attempts=50, wait=lambda _: 0.0), "retry_budget": None, "fallback": ["floor"]}

    @guard("at-once", deadline=5.0, **settings)
    async def component() -> str:
        raise ConnectionError

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def main() -> str:
        beside = asyncio.create_task(others())
        answer = await component()
        beside.cancel()
        return answer

    assert clock.run(main()) == "floor"
    assert turns >= 40


@pytest.mark.parametrize("isolation", ["inline", "thread", None])
def test_a_held_back_stream_that_has_begun_is_not_begun_again_where_that_would_hurt(
    clock: VirtualClock, isolation: Any
) -> None:
    """`idempotent=False`: an overload before the first item is a refusal to begin, one after it is not."""
    begun: list[int] = []

    def items(where: int) -> Any:
        begun.append(where)
        for item in range(3):
            if item == where:
                raise HttpError(503)
            yield item

    async def async_items(where: int) -> Any:
        for item in items(where):
            yield item

    settings: Any = {"deadline": 9.0, "stream": "buffer", "retry": Retry(attempts=2), "idempotent": False}
    if isolation is None:
        boundary = Boundary("once", shape="async_generator", **settings)
    else:
        boundary = Boundary("once", shape="generator", isolation=isolation, **settings)
    for where, attempts in ((0, 2), (1, 1)):
        begun.clear()
        stream: Any = boundary.stream(async_items if isolation is None else items, where)

        async def consume(stream: Any = stream) -> None:
            async for _ in stream:
                pass

        with pytest.raises(ComponentError):
            clock.run(consume()) if isolation is None else list(stream)
        assert len(begun) == attempts
