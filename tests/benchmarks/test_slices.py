"""The harness that times subjects in interleaved slices."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from benchmarks.slices import Plan, Spent, Subject, WrongAnswerError, asynchronous, calibrate, interleave, synchronous

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN = Plan(slices=4, seconds=0.010)


def _subject(name: str, cost: float, seen: list[tuple[str, int]], *, units: int = 1) -> Subject:
    """Return a subject whose repetitions cost exactly so many seconds, for no time at all."""

    def run(times: int) -> Spent:
        seen.append((name, times))
        return Spent(cost * times, 2 * cost * times)

    return Subject(name, name, run, units)


def test_a_slice_is_filled_with_repetitions() -> None:
    """Ten milliseconds hold a hundred repetitions of a hundred microseconds."""
    assert calibrate(_subject("one", 1e-4, []), 0.010) == 100


def test_a_repetition_longer_than_a_slice_runs_once() -> None:
    """Never zero times."""
    assert calibrate(_subject("one", 1.0, []), 0.010) == 1


def test_every_subject_has_a_slice_in_every_round_and_each_is_first_in_turn() -> None:
    """What the machine does in a round hits all of them, and none always runs after the same pause."""
    seen: list[tuple[str, int]] = []
    subjects = [_subject("a", 0.01, seen), _subject("b", 0.02, seen)]
    interleave(subjects, PLAN)
    assert [name for name, _ in seen[-8:]] == ["a", "b", "b", "a", "a", "b", "b", "a"]


def test_a_slice_is_reported_by_unit() -> None:
    """A stream of ten items that takes 0.5 s took 50 ms an item, on either clock."""
    taken = interleave([_subject("stream", 0.5, [], units=10)], PLAN)
    assert taken["stream"] == [Spent(0.05, 0.1)] * PLAN.slices


def test_garbage_is_not_collected_during_a_slice() -> None:
    """And is again afterwards, even where a subject fails."""
    collecting: list[bool] = []

    def run(times: int) -> Spent:
        collecting.append(gc.isenabled())
        return Spent(times * 0.01, times * 0.01)

    def fail(_times: int) -> Spent:
        raise WrongAnswerError("subject", None)

    interleave([Subject("one", "", run)], PLAN)
    assert not any(collecting[-PLAN.slices :])
    with pytest.raises(WrongAnswerError):
        interleave([Subject("one", "", run), Subject("two", "", fail)], PLAN)
    assert gc.isenabled()


def _measure_sync(call: Callable[[str], object], expected: object) -> Spent:
    return synchronous("subject", "", call, expected).run(3)


def _measure_async(call: Callable[[str], object], expected: object) -> Spent:
    async def awaited(ticket: str) -> object:
        return call(ticket)

    with asyncio.Runner() as runner:
        return asynchronous(runner, "subject", "", awaited, expected).run(3)


@pytest.mark.parametrize("measure", [_measure_sync, _measure_async])
def test_a_slice_calls_its_subject_that_often_and_reads_both_clocks(
    measure: Callable[[Callable[[str], object], object], Spent],
) -> None:
    """Both time something."""
    seen: list[str] = []

    def call(ticket: str) -> int:
        seen.append(ticket)
        return 7

    spent = measure(call, 7)
    assert len(seen) == 3
    assert spent.cpu > 0
    assert spent.wall > 0


@pytest.mark.parametrize("measure", [_measure_sync, _measure_async])
def test_a_subject_that_answers_something_else_is_not_timed(
    measure: Callable[[Callable[[str], object], object], Spent],
) -> None:
    """A boundary that fell back to a rung would be measured for what it did not do."""
    with pytest.raises(WrongAnswerError, match=r"subject answered 'fallback'"):
        measure(lambda _ticket: "fallback", "answer")
