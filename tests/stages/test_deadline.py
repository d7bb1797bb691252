"""The deadline stage alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiguard import DeadlineExceededError, FailureKind
from aiguard.stages.deadline import DeadlineStage
from tests.stages.fakes import Rest, call_for, failing, later, run

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock


def test_an_answer_in_time_passes(clock: VirtualClock) -> None:
    """Up to the very moment of the deadline."""
    call = call_for(clock, within=1.0)
    assert run(DeadlineStage(), Rest(later(clock, 1.0, "ok")), call) == "ok"


@pytest.mark.parametrize("within", [0.0, -1.0])
def test_without_time_nothing_is_begun(clock: VirtualClock, within: float) -> None:
    """A call that arrives at its deadline, or after, never reaches the component."""
    rest = Rest("never")
    with pytest.raises(DeadlineExceededError) as caught:
        run(DeadlineStage(), rest, call_for(clock, within=within))
    failure = caught.value.failure
    assert (failure.kind, failure.stage) == (FailureKind.DEADLINE_EXHAUSTED, "deadline")
    assert not rest.calls


def test_an_answer_that_comes_too_late_is_none(clock: VirtualClock) -> None:
    """However it came to be late, a late answer does not leave."""
    with pytest.raises(DeadlineExceededError) as caught:
        run(DeadlineStage(), Rest(later(clock, 1.1, "late")), call_for(clock, within=1.0))
    assert caught.value.failure.kind is FailureKind.DEADLINE_EXHAUSTED


def test_a_stream_that_has_delivered_is_not_cut_here(clock: VirtualClock) -> None:
    """Its consumer may take its time: a stream's clocks count only the waits for the component."""
    call = call_for(clock, within=1.0)
    call.journal.delivered = 1
    assert run(DeadlineStage(), Rest(later(clock, 100.0)), call) is None


def test_a_failure_keeps_its_own_kind(clock: VirtualClock) -> None:
    """What failed inside is why the call failed, even if that took too long."""
    error = failing(FailureKind.CONNECTION)
    with pytest.raises(type(error)) as caught:
        run(DeadlineStage(), Rest(later(clock, 5.0, error)), call_for(clock, within=1.0))
    assert caught.value is error
