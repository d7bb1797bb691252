"""The cooldown alone: who asks for a pause is left alone for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiguard import CoolingDownError, FailureKind
from aiguard.errors import error_for
from aiguard.events import Paused
from aiguard.failure import Failure
from aiguard.stages.cooldown import ASKS_FOR_A_PAUSE, Cooldown, CooldownStage
from aiguard.stages.partition import Partition
from aiguard.stages.retry_budget import RetryTally
from aiguard.strategies import RetryBudget
from tests.stages.fakes import Ear, Rest, call_for, failing, later, run

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock


@pytest.fixture
def partition() -> Partition:
    """Return what the calls of a test share."""
    return Partition(None, RetryTally(RetryBudget()))


def fail(clock: VirtualClock, partition: Partition, kind: FailureKind, retry_after: float | None) -> None:
    """Let one call fail that way."""
    error = failing(kind, retry_after=retry_after)
    with pytest.raises(type(error)) as caught:
        run(CooldownStage(), Rest(error), call_for(clock, partition=partition))
    assert caught.value is error, "the component's own failure leaves as it is"


def test_an_answer_passes(clock: VirtualClock, partition: Partition) -> None:
    """While nothing is paused the stage does nothing: the call goes on as it came."""
    rest = Rest("ok")
    call = call_for(clock, partition=partition)
    assert run(CooldownStage(), rest, call) == "ok"
    assert rest.calls == [call]


@pytest.mark.parametrize("kind", sorted(FailureKind))
def test_a_limit_with_a_time_is_a_pause_and_nothing_else_is(
    clock: VirtualClock, partition: Partition, kind: FailureKind
) -> None:
    """429 and overload with `Retry-After`; no other kind, whatever it carries."""
    fail(clock, partition, kind, 4.0)
    expected = clock.now() + 4.0 if kind in {FailureKind.RATE_LIMITED, FailureKind.OVERLOADED} else float("-inf")
    assert partition.cooldown.until == expected


@pytest.mark.parametrize("kind", sorted(ASKS_FOR_A_PAUSE))
def test_a_limit_without_a_time_is_no_pause(clock: VirtualClock, partition: Partition, kind: FailureKind) -> None:
    """Nobody said when to come back: that is for the retry's own wait."""
    fail(clock, partition, kind, None)
    assert run(CooldownStage(), Rest("ok"), call_for(clock, partition=partition)) == "ok"


def test_within_the_pause_nobody_reaches_the_component(clock: VirtualClock, partition: Partition) -> None:
    """The error says how much of the pause is left; at its very end calls go through again."""
    fail(clock, partition, FailureKind.RATE_LIMITED, 4.0)
    clock.advance(1.5)
    rest = Rest("never")
    with pytest.raises(CoolingDownError) as caught:
        run(CooldownStage(), rest, call_for(clock, partition=partition))
    assert (caught.value.failure.kind, caught.value.failure.stage) == (FailureKind.COOLING_DOWN, "cooldown")
    assert caught.value.retry_after == 2.5
    assert caught.value.failure.message == "the component asked for a pause, 2.5 s of it are left"
    clock.advance(2.25)
    with pytest.raises(CoolingDownError):
        run(CooldownStage(), rest, call_for(clock, partition=partition))
    assert not rest.calls
    clock.advance(0.25)
    assert run(CooldownStage(), Rest("ok"), call_for(clock, partition=partition)) == "ok"


def test_a_pause_holds_on_a_clock_that_has_only_begun(clock: VirtualClock, partition: Partition) -> None:
    """A machine that was started just now is no reason to ask again at once."""
    clock._now = 0.125
    fail(clock, partition, FailureKind.RATE_LIMITED, 0.5)
    with pytest.raises(CoolingDownError):
        run(CooldownStage(), Rest("never"), call_for(clock, partition=partition))


def test_the_pause_begins_when_it_was_asked_for(clock: VirtualClock, partition: Partition) -> None:
    """Not when the call began."""
    error = failing(FailureKind.OVERLOADED, retry_after=2.0)
    with pytest.raises(type(error)):
        run(CooldownStage(), Rest(later(clock, 3.0, error)), call_for(clock, partition=partition))
    assert partition.cooldown.until == clock.now() + 2.0


def test_a_shorter_pause_does_not_end_a_longer_one(clock: VirtualClock) -> None:
    """Two calls may hear different things; the later moment holds."""
    cooldown = Cooldown()
    cooldown.pause(clock.now() + 5.0)
    cooldown.pause(clock.now() + 2.0)
    assert cooldown.until == clock.now() + 5.0


def test_another_key_is_not_paused(clock: VirtualClock, partition: Partition) -> None:
    """A tenant over its limit does not hold up the others."""
    fail(clock, partition, FailureKind.RATE_LIMITED, 4.0)
    assert run(CooldownStage(), Rest("ok"), call_for(clock)) == "ok"


def test_whoever_listens_hears_of_the_pause(clock: VirtualClock, partition: Partition) -> None:
    """With its kind and its length."""
    ear = Ear()
    error = error_for(Failure(FailureKind.RATE_LIMITED, "component", "it failed", 4.0))
    with pytest.raises(type(error)):
        run(CooldownStage(), Rest(error), call_for(clock, partition=partition, ear=ear))
    assert ear.events == [Paused(FailureKind.RATE_LIMITED, 4.0)]
