"""From declared rungs to a ladder: who may stand on it, how they are asked, and that their values are fresh."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from aiguard import Failure, Rung, guard

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness


class Triage(BaseModel):
    """An answer with something mutable in it."""

    category: str
    tags: list[str] = []


def broken(*_: Any, **__: Any) -> Any:
    """Fail, as a component does."""
    raise ConnectionError


# --- values


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        (Triage(category="other"), {"output": Triage}),
        ({"category": "other", "tags": []}, {"output": Triage}),
        (Triage(category="other"), {}),
    ],
)
def test_a_value_is_fresh_for_each_caller(
    scenario: Callable[..., Harness], value: Any, settings: dict[str, Any]
) -> None:
    """No caller shares a mutable value with another one, nor with the policy."""
    harness = scenario(ConnectionError, ConnectionError, fallback=[value], **settings)
    first = harness()
    first.tags.append("spoiled")
    assert harness() == Triage(category="other")


def test_a_changed_policy_value_does_not_show(scenario: Callable[..., Harness]) -> None:
    """What is done to the declared value afterwards reaches no caller."""
    value = {"tags": ["a"]}
    harness = scenario(ConnectionError, fallback=[value], output=dict[str, list[str]])
    value["tags"].append("b")
    assert harness() == {"tags": ["a"]}


def test_a_changed_policy_value_does_not_show_without_a_contract(scenario: Callable[..., Harness]) -> None:
    """The same where no contract rebuilds it."""
    value = {"tags": ["a"]}
    harness = scenario(ConnectionError, fallback=[value])
    value["tags"].append("b")
    assert harness() == {"tags": ["a"]}


@pytest.mark.parametrize("value", [None, 0, "", False, (), b""], ids=repr)
def test_a_value_may_be_anything(clock: VirtualClock, value: Any) -> None:
    """Nothing is too small for a floor: `None` and `False` are values too."""
    del clock
    guarded = guard("t", deadline=1.0, isolation="inline", fallback=[value])(broken)
    outcome = guarded.outcome()
    assert outcome.ok
    assert outcome.value == value
    assert outcome.unwrap() == value


def test_a_value_that_cannot_be_copied_is_refused_or_shared_knowingly(clock: VirtualClock) -> None:
    """Where no copy of a value can be had, that shows at declaration, not at the first failure."""
    from threading import Lock  # noqa: PLC0415

    from aiguard import PolicyError  # noqa: PLC0415

    del clock
    lock: threading.Lock = Lock()
    with pytest.raises(PolicyError, match=r"fallback\[0\]"):
        guard("t", deadline=1.0, isolation="inline", fallback=[lock])(broken)


# --- callables


def one(ticket: str) -> str:
    """Take what the component takes."""
    return f"rung {ticket}"


def one_more(ticket: str, extra: int = 0) -> str:
    """Take more, but need no more."""
    return f"rung {ticket} {extra}"


def anything(*args: Any, **kwargs: Any) -> str:
    """Take anything."""
    return f"rung {args} {kwargs}"


def told(ticket: str, *, failure: Failure) -> str:
    """Ask why."""
    return f"{ticket} {failure.kind}"


class Rules:
    """A callable object."""

    def __call__(self, ticket: str) -> str:
        return f"rung {ticket}"

    def method(self, ticket: str) -> str:
        """Be a bound method."""
        return f"rung {ticket}"


@pytest.mark.parametrize(
    ("rung", "answer", "name"),
    [
        (one, "rung t", "one"),
        (one_more, "rung t 0", "one_more"),
        (anything, "rung ('t',) {}", "anything"),
        (told, "t connection", "told"),
        (Rules(), "rung t", "Rules"),
        (Rules().method, "rung t", "method"),
        (functools.partial(one_more, extra=3), "rung t 3", "partial"),
        (Rung(one), "rung t", "one"),
        (Rung(one, name="rules"), "rung t", "rules"),
        (Rung(told, inline=True), "t connection", "told"),
        (Rung(one, ai=True), "rung t", "one"),
    ],
)
@pytest.mark.parametrize("kind", ["inline", "thread", "async"])
def test_a_rung_is_asked_with_the_components_arguments(
    clock: VirtualClock, kind: Any, rung: Any, answer: str, name: str
) -> None:
    """Every kind of callable may be a rung; it may ask for the failure, and has a name."""

    def component(ticket: str) -> str:
        raise ConnectionError(ticket)

    async def acomponent(ticket: str) -> str:
        raise ConnectionError(ticket)

    guarded: Any
    if kind == "async":
        guarded = guard("t", deadline=1.0, fallback=[rung])(acomponent)
        outcome = clock.run(guarded.outcome("t"))
    else:
        guarded = guard("t", deadline=1.0, fallback=[rung], isolation=kind)(component)
        outcome = guarded.outcome("t")
    assert (outcome.value, outcome.rung) == (answer, name)


def test_keyword_arguments_reach_the_rung(clock: VirtualClock) -> None:
    """They arrive under the names that the caller used."""

    def component(ticket: str, *, tenant: str = "none") -> str:
        raise ConnectionError(ticket, tenant)

    def rung(ticket: str, *, tenant: str = "none") -> str:
        return f"{ticket} {tenant}"

    del clock
    guarded = guard("t", deadline=1.0, isolation="inline", fallback=[rung])(component)
    assert guarded(ticket="a", tenant="b") == "a b"


def test_a_components_own_failure_argument_is_its_own(clock: VirtualClock) -> None:
    """Where the component itself takes `failure`, the rung gets the caller's, not ours."""

    def component(*, failure: str) -> str:
        raise ConnectionError(failure)

    def rung(*, failure: str) -> str:
        return failure

    del clock
    assert guard("t", deadline=1.0, isolation="inline", fallback=[rung])(component)(failure="mine") == "mine"


def test_an_async_rung_answers_for_an_async_component(clock: VirtualClock) -> None:
    """It is awaited, within its share of the time."""
    import asyncio  # noqa: PLC0415

    async def component() -> str:
        raise ConnectionError

    async def slow() -> str:
        await asyncio.sleep(100.0)
        return "slow"

    async def quick() -> str:
        return "quick"

    guarded = guard("t", deadline=1.0, fallback=[slow, quick])(component)
    assert clock.run(guarded()) == "quick"
    assert clock.elapsed < 1.0


def test_a_sync_rung_of_an_async_component_blocks_no_loop(clock: VirtualClock) -> None:
    """A plain function that takes its time runs in a thread, so that it can be left; an inline one runs on the loop."""
    import threading  # noqa: PLC0415

    seen: list[bool] = []

    async def component() -> str:
        raise ConnectionError

    def rung() -> str:
        seen.append(threading.current_thread() is threading.main_thread())
        return "rung"

    offloaded = guard("offloaded", deadline=1.0, fallback=[rung])(component)
    inline = guard("inline", deadline=1.0, fallback=[Rung(rung, inline=True)])(component)
    assert clock.run(offloaded()) == clock.run(inline()) == "rung"
    assert seen == [False, True]


@pytest.mark.parametrize("stream", ["passthrough", "buffer"])
@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_a_rung_of_a_stream(clock: VirtualClock, stream: Any, isolation: Any) -> None:
    """A generator, a plain function and a list each answer for a generator, item by item."""
    del clock

    def component() -> Iterator[str]:
        raise ConnectionError
        yield

    def streaming() -> Iterator[str]:
        yield "a"
        yield "b"

    def listing() -> list[str]:
        return ["a", "b"]

    for number, rung in enumerate([streaming, listing, ["a", "b"]]):
        guarded = guard(f"t{number}", deadline=1.0, stream=stream, isolation=isolation, fallback=[rung])(component)
        items = guarded()
        assert list(items) == ["a", "b"]
        assert items.outcome is not None
        assert items.outcome.degraded


@pytest.mark.parametrize("stream", ["passthrough", "buffer"])
def test_a_rung_of_an_async_stream(clock: VirtualClock, stream: Any) -> None:
    """An async generator, a plain function and a list each answer for an async generator."""

    async def component() -> AsyncIterator[str]:
        raise ConnectionError
        yield

    async def streaming() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    def listing() -> list[str]:
        return ["a", "b"]

    async def drained(items: Any) -> list[str]:
        return [item async for item in items]

    for number, rung in enumerate([streaming, listing, ["a", "b"]]):
        guarded = guard(f"t{number}", deadline=1.0, stream=stream, fallback=[rung])(component)
        assert clock.run(drained(guarded())) == ["a", "b"]


def test_a_rung_whose_stream_breaks_is_no_second_answer(clock: VirtualClock) -> None:
    """Once an item of a rung was delivered, the next rung may not begin another answer."""
    from aiguard import StreamInterruptedError  # noqa: PLC0415

    del clock

    def component() -> Iterator[str]:
        raise ConnectionError
        yield

    def breaking() -> Iterator[str]:
        yield "a"
        raise LookupError

    guarded = guard("t", deadline=1.0, stream="passthrough", isolation="inline", fallback=[breaking, ["floor"]])(
        component
    )
    got: list[str] = []
    with pytest.raises(StreamInterruptedError) as caught:
        got.extend(guarded())
    assert caught.value.delivered == 1
    stream = guarded()
    assert next(stream) == "a"
