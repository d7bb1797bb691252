"""Calls under way: which have become slow, found by whoever comes by."""

from __future__ import annotations

from typing import Any

from aiguard.stages.in_flight import NEVER, InFlight
from aiguard.stages.window import FORGOTTEN


def begun(slow_call: float | None, **moments: float) -> InFlight[str]:
    """Return what is under way since those moments."""
    calls: InFlight[str] = InFlight(slow_call)
    calls.began.update(moments)
    return calls


def found(calls: InFlight[str], now: float) -> list[tuple[str, float]]:
    """Return all that have become slow by `now`."""
    slow = []
    while (one := calls.next_slow(now)) is not None:
        slow.append(one)
    return slow


def test_a_call_is_slow_from_the_very_moment() -> None:
    """Not a hair before, and it is told with the moment, not with the time at which somebody looked."""
    calls = begun(2.0, a=10.0, b=11.0, c=12.0)
    assert found(calls, 11.999) == []
    assert found(calls, 12.0) == [("a", 12.0)]
    assert found(calls, 20.0) == [("b", 13.0), ("c", 14.0)]
    assert found(calls, 1000.0) == []


def test_nothing_is_due_before_the_first_can_be_slow() -> None:
    """The moment before which nobody has to look is never too late."""
    calls = begun(2.0, a=10.0, b=11.0)
    assert calls.due <= 12.0
    found(calls, 11.0)
    assert calls.due == 12.0
    found(calls, 12.5)
    assert calls.due == 13.0
    calls.end("b")
    found(calls, 13.0)
    assert calls.due == 15.0  # whatever begins from now on


def test_without_a_limit_nothing_is_ever_slow() -> None:
    """And nobody ever has to look."""
    calls = begun(None, a=10.0)
    assert calls.due == NEVER
    assert found(calls, 1e12) == []


def test_an_answer_in_time_is_never_slow() -> None:
    """A first item that is there before the moment ends the watch; one that is not, does not."""
    calls = begun(2.0, a=10.0, b=10.0)
    calls.answered("a", 11.999)
    calls.answered("b", 12.0)
    calls.answered("never begun", 12.0)
    assert found(calls, 50.0) == [("b", 12.0)]


def test_an_ended_call_is_forgotten() -> None:
    """It tells where it was counted, once."""
    calls = begun(2.0, a=10.0, b=10.0, c=10.0)
    assert calls.end("a") is None
    assert found(calls, 12.0) == [("b", 12.0), ("c", 12.0)]
    calls.count("b", 7)
    calls.count("c", 8)
    assert (calls.end("b"), calls.end("b")) == (7, None)
    calls.forget_places()
    assert calls.end("c") == FORGOTTEN


def test_another_limit_holds_from_its_own_moment() -> None:
    """A call that would have been slow long ago under a new limit is slow from the change on."""
    calls = begun(60.0, a=10.0, b=19.5)
    found(calls, 20.0)
    calls.configure(1.0, 20.0)
    assert calls.due == 20.0
    assert found(calls, 20.0) == [("a", 20.0)]
    assert found(calls, 20.5) == [("b", 20.5)]
    calls.began["c"] = 21.0
    calls.configure(None, 21.5)
    assert calls.due == NEVER
    assert found(calls, 1e9) == []


def test_cleared_it_holds_nothing() -> None:
    """Neither who is under way nor who was counted."""
    calls = begun(2.0, a=10.0, b=30.0)
    calls.count(found(calls, 12.0)[0][0], 3)
    calls.clear()
    assert (calls.end("a"), found(calls, 99.0)) == (None, [])


def test_a_call_that_begins_while_somebody_looks_is_no_fault() -> None:
    """Beginnings are written without the lock: whoever was interrupted by one looks again."""

    class Interrupted(dict[str, float]):
        times = 0

        def items(self) -> Any:
            self.times += 1
            if self.times == 1:
                looked = iter(super().items())
                self["b"] = 11.0
                return looked
            return super().items()

    calls = begun(2.0, a=10.0)
    calls.began = Interrupted(calls.began)
    assert found(calls, 12.5) == [("a", 12.0)]
    assert found(calls, 13.0) == [("b", 13.0)]
