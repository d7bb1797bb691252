"""The checks of a contract as a call asks them: in order, in the time that is left, and told of."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import DeadlineExceededError, OutputContract
from aiguard import FailureKind as Kind
from aiguard.contract import Breach, Judge
from aiguard.engine.calls import step
from aiguard.events import CheckErrored
from aiguard.stages.checking import ask
from tests.stages.fakes import Ear, call_for, later, runtime_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock


def asked(clock: VirtualClock, *checks: Callable[[Any], Any], **settings: Any) -> Ear:
    """Ask `checks` of an answer with 10 s left; return what was told."""
    until = settings.pop("until", float("inf"))
    ear = Ear()
    judge = Judge.of(OutputContract(int, name="count", version=2, checks=checks, **settings))
    step(ask(judge, 3, call_for(clock, ear=ear), until))
    return ear


def broken(_value: int) -> None:
    """Raise as a check does whose service is down."""
    raise ConnectionError("secret")


def undecided(_value: int) -> int:
    """Give no verdict."""
    return 1


def test_checks_are_asked_in_order_until_one_says_no(clock: VirtualClock) -> None:
    """What stands behind it is not asked."""
    seen: list[object] = []
    with pytest.raises(Breach, match="check <lambda> said too_small"):
        asked(clock, seen.append, lambda _value: True, lambda _value: "too_small", seen.append)
    assert seen == [3]


def test_a_rungs_share_of_the_time_may_be_less_than_the_calls(clock: VirtualClock) -> None:
    """Then its checks have no more than that."""
    asked(clock, later(clock, 2), until=clock.now() + 3)
    with pytest.raises(DeadlineExceededError):
        asked(clock, later(clock, 4), until=clock.now() + 3)


def test_a_check_that_ends_too_late_is_an_exhausted_deadline(clock: VirtualClock) -> None:
    """Whatever it says, and whatever its errors mean: there is no time left for an answer."""
    for settings in ({}, {"on_check_error": "accept"}):
        with pytest.raises(DeadlineExceededError) as caught:
            asked(clock, later(clock, 11), **settings)
        assert caught.value.failure.kind is Kind.DEADLINE_EXHAUSTED
        assert caught.value.failure.stage == "output"
        assert "did not end within the time that was left" in caught.value.failure.message


@pytest.mark.parametrize(
    ("check", "what", "code"),
    [
        (broken, "raised ConnectionError", "ConnectionError"),
        (undecided, "gave neither None, a bool nor a reason code", "int"),
    ],
)
def test_what_an_errors_means_is_what_the_contract_says(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, check: Any, what: str, code: str
) -> None:
    """Rejected as by default, or accepted, with a warning and an event; neither tells what the answer was."""
    for settings in ({}, {"on_check_error": "reject"}):
        with pytest.raises(Breach, match=what) as caught:
            asked(clock, check, **settings)
        assert caught.value.kind is Kind.CHECK_FAILED
        assert caught.value.fault == (check.__name__, code, True)
    assert not caplog.records
    with caplog.at_level(logging.WARNING, "aiguard"):
        ear = asked(clock, check, on_check_error="accept")
    assert ear.events == [CheckErrored("count@2", check.__name__, code)]
    assert caplog.messages == [f"check {check.__name__} {what}: the answer passes, as `on_check_error` says"]
    with pytest.raises(Breach, match="said no"):
        asked(clock, check, lambda _value: False, on_check_error="accept")


def test_a_check_runs_where_the_answer_is_judged(clock: VirtualClock) -> None:
    """Not in the component's thread."""
    call = call_for(clock)
    step(ask(Judge.of(OutputContract(int, checks=[lambda _value: None])), 3, call))
    assert runtime_of(call).ran == [("inline", 10)]
