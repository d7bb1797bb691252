"""Contracts in whole boundaries: repairs that are told of, checks that wait, feedback for who is asked again."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import (
    Boundary,
    Breaker,
    DeadlineExceededError,
    FailureKind,
    Hedge,
    InvalidOutputError,
    OutputContract,
    PolicyError,
    Retry,
    Rung,
    checks,
    guard,
    last_good,
    remaining,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness

COUNT = OutputContract(list[int], name="counts", version=3, repair="safe")


def waiting(seconds: float, verdict: Any = None) -> Callable[[Any], Any]:
    """Return a check that waits before it says `verdict`, or raises it."""

    async def check(_value: object) -> Any:
        await asyncio.sleep(seconds)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    return check


# repairs and versions


def test_an_outcome_says_how_its_own_answer_was_repaired(clock: VirtualClock) -> None:
    """Not how an attempt before it was, nor how the component's was where a rung answered."""
    answers = iter(["[1,]", "[2]", "[]", "[3,]"])

    @guard(
        "counting",
        deadline=5.0,
        isolation="inline",
        reask=1,
        fallback=[lambda: next(answers)],
        output=OutputContract(COUNT.schema, name="counts", version=3, repair="safe", checks=[checks.length(least=1)]),
    )
    def count() -> str:
        return next(answers)

    assert (out := count.outcome()).value == [1]
    assert (out.repaired, out.contract) == ("safe", "counts@3")
    assert count.outcome().repaired is None
    assert (out := count.outcome()).value == [3]
    assert [attempt.reason for attempt in out.attempts] == ["initial", "reask"]
    assert out.repaired == "safe"
    answers = iter(["[1,", "[1,", "[4,]"])
    out = count.outcome()
    assert (out.value, out.rung, out.repaired) == ([4], "<lambda>", "safe")
    answers = iter(["[1,", "[1,", "[4]"])
    out = count.outcome()
    assert (out.value, out.degraded, out.repaired) == ([4], True, None)
    del clock


def test_a_hedges_loser_says_nothing_of_the_answer(clock: VirtualClock) -> None:
    """The second attempt's answer left, so the first's repair is nobody's."""
    calls = iter([(9.0, "[1,]"), (0.5, "[2]")])

    @guard("hedged", deadline=20.0, output=COUNT, hedge=Hedge(after=1.0))
    async def count() -> str:
        seconds, answer = next(calls)
        await asyncio.sleep(seconds)
        return answer

    out = clock.run(count.outcome())
    assert (out.value, out.repaired) == ([2], None)


# checks that wait


def test_checks_of_both_kinds_are_asked_in_order(clock: VirtualClock) -> None:
    """Each reads the time that is left; the first that says no ends it."""
    left: list[float | None] = []

    def look(_value: object) -> None:
        left.append(remaining())

    async def slow(_value: object) -> None:
        left.append(remaining())
        await asyncio.sleep(2)

    @guard("count", deadline=10.0, output=OutputContract(list[int], checks=[look, slow, look, slow]))
    async def count() -> str:
        await asyncio.sleep(1)
        return "[1]"

    assert clock.run(count()) == [1]
    assert left == [9, 9, 7, 7]
    assert remaining() is None


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (False, "check check said no"),
        ("too_short", "said too_short"),
        (3, "gave neither None, a bool nor a reason code"),
        (ValueError("secret"), "raised ValueError"),
        (StopIteration("secret"), "raised RuntimeError"),
        (DeadlineExceededError, "gave neither"),
    ],
)
def test_an_async_check_says_no(clock: VirtualClock, verdict: Any, message: str) -> None:
    """As a sync one does."""
    seen: list[object] = []
    contract = OutputContract(list[int], name="counts", checks=[waiting(1, verdict), seen.append])

    @guard("count", deadline=10.0, output=contract)
    async def count() -> str:
        return "[1]"

    with pytest.raises(InvalidOutputError) as caught:
        clock.run(count())
    assert caught.value.failure.kind is FailureKind.CHECK_FAILED
    assert message in caught.value.failure.message
    assert seen == []


def test_an_async_check_that_hangs_is_cut_off(clock: VirtualClock) -> None:
    """At the deadline, as an exhausted one: the component answered, so nothing is counted against it."""
    cancelled: list[float] = []

    async def hang(_value: object) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.append(clock.elapsed)

    contract = OutputContract(list[int], checks=[hang], on_check_error="accept")
    breaker = Breaker(minimum_calls=1)

    @guard("count", deadline=3.0, output=contract, retry=Retry(attempts=5), reask=2, breaker=breaker)
    async def count() -> str:
        return "[1]"

    out = clock.run(count.outcome())
    assert not out.ok
    assert out.failure is not None
    assert (out.failure.kind, out.failure.stage) == (FailureKind.DEADLINE_EXHAUSTED, "output")
    assert len(out.attempts) == 1
    assert (cancelled, clock.elapsed) == ([3.0], 3.0)
    assert count.boundary.breaker is not None
    assert count.boundary.breaker.current_state == "closed"


def test_the_ladder_has_its_time_where_a_check_hangs(clock: VirtualClock) -> None:
    """Its own answers are held to the checks too, each within its share."""
    verdicts = iter([3600.0, 3600.0, 0.0])

    async def moody(_value: object) -> None:
        await asyncio.sleep(next(verdicts))

    @guard(
        "count",
        deadline=10.0,
        fallback_timeout=4.0,
        output=OutputContract(list[int], checks=[moody]),
        fallback=[Rung(lambda: [1], name="one", inline=True), Rung(lambda: [2], name="two", inline=True), [3]],
    )
    async def count() -> str:
        return "[0]"

    out = clock.run(count.outcome())
    assert (out.value, out.rung) == ([2], "two")
    assert clock.elapsed == 8.0


def test_a_value_and_an_earlier_answer_are_not_asked_again(clock: VirtualClock) -> None:
    """What waits can fail, and a floor must not: sync checks have judged it when it was declared."""
    asked: list[object] = []

    async def ask(value: object) -> None:
        asked.append(value)

    answers: Iterator[Any] = iter(["[1]"])

    @guard(
        "count",
        deadline=3.0,
        output=OutputContract(list[int], checks=[ask]),
        fallback=[last_good(by=lambda question: question, ttl=60.0), [0]],
    )
    async def count(question: str) -> str:
        del question
        answer = next(answers, None)
        if answer is None:
            raise ConnectionError
        return str(answer)

    values = [clock.run(count("a")), clock.run(count("a")), clock.run(count("b"))]
    assert values == [[1], [1], [0]]
    assert asked == [[1]]
    with pytest.raises(PolicyError, match="breaks the contract"):
        Boundary(
            "refused",
            deadline=1.0,
            output=OutputContract(list[int], checks=[ask, checks.length(most=1)]),
            fallback=[[1, 2]],
        ).call(lambda: 1)


def test_a_cancelled_caller_cancels_the_check(clock: VirtualClock) -> None:
    """And the call ends as cancelled, not as a failed check."""

    @guard("count", deadline=30.0, output=OutputContract(list[int], checks=[waiting(10)], on_check_error="accept"))
    async def count() -> str:
        return "[1]"

    async def main() -> None:
        task = asyncio.ensure_future(count())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    clock.run(main())
    assert clock.elapsed == 1.0


def test_a_buffered_stream_waits_for_its_checks(clock: VirtualClock) -> None:
    """Nothing leaves before they have passed it."""
    left: list[float] = []

    @guard("words", deadline=9.0, stream="buffer", output=OutputContract(str, checks=[waiting(2)]))
    async def words() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def main() -> None:
        left.extend([clock.elapsed async for _ in words()])

    clock.run(main())
    assert left == [2.0, 2.0]


def test_what_nobody_could_await_is_refused(clock: VirtualClock) -> None:
    """For a sync function, and for items that leave as they come; a repair needs the whole answer."""
    waits = OutputContract(str, checks=[waiting(0)])
    with pytest.raises(PolicyError, match=r"boundary 'a'.*check check is async, and nobody can await it for a sync"):
        guard("a", deadline=1.0, output=waits)(lambda: "x")

    async def words() -> AsyncIterator[str]:
        yield "a"

    with pytest.raises(PolicyError, match=r"check check is async, and items leave without waiting"):
        guard("b", deadline=1.0, output=waits, stream="passthrough")(words)
    with pytest.raises(PolicyError, match=r"`repair` needs the whole answer"):
        guard("c", deadline=1.0, output=OutputContract(int, repair="safe"), stream="passthrough")(words)
    with pytest.raises(PolicyError, match=r"`repair` needs it"):
        guard("d", deadline=1.0, output=COUNT, stream="elements")(words)
    del clock


# asked again, with feedback


def test_who_is_asked_again_is_told_what_was_wrong(scenario: Callable[..., Harness], shape: str) -> None:
    """In every shape; a retry in between keeps it, and no answer is ever in it."""
    told: list[str | None] = []
    script = iter(['{"secret": "x"}', ConnectionError(), "[1]"])

    def answer(feedback: str | None) -> Any:
        told.append(feedback)
        step = next(script)
        if isinstance(step, Exception):
            raise step
        return step

    settings: dict[str, Any] = {"deadline": 30.0, "output": COUNT, "retry": Retry(attempts=3), "reask": 1}
    component = _shaped(shape, answer, settings)
    run = scenario("unused")
    guarded = guard("asked-again", **settings)(component)
    assert _called(shape, guarded, run.clock) == [1] or shape.endswith("generator")
    assert told == [None, said := "schema_violation: 1 error: list_type at the root", said]
    gc.collect()


def _shaped(shape: str, answer: Callable[[str | None], Any], settings: dict[str, Any]) -> Callable[..., Any]:
    def plain(*, feedback: str | None = None) -> Any:
        return answer(feedback)

    async def waits(*, feedback: str | None = None) -> Any:
        return answer(feedback)

    def items(*, feedback: str | None = None) -> Iterator[Any]:
        yield answer(feedback)

    async def async_items(*, feedback: str | None = None) -> AsyncIterator[Any]:
        yield answer(feedback)

    if shape.endswith("generator"):
        settings["stream"] = "buffer"
    if shape in {"sync", "generator"}:
        settings["isolation"] = "inline"
    return {"async": waits, "async_generator": async_items}.get(shape) or (items if "generator" in shape else plain)


def _called(shape: str, guarded: Any, clock: VirtualClock) -> Any:
    if shape == "async":
        return clock.run(guarded())
    if shape == "async_generator":

        async def all_items() -> list[Any]:
            return [item async for item in guarded()]

        return clock.run(all_items())
    return list(guarded()) if "generator" in shape else guarded()
