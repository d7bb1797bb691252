"""Whether the times of a policy fit each other."""

from __future__ import annotations

from typing import Any

import pytest
import tenacity

from aiguard import FailureKind, Retry, Rung
from aiguard.check.timing import timing
from aiguard.rung import last_good
from tests.check.subjects import reasons, subject

FIXED = tenacity.wait_fixed(0.5)


def rules(text: str) -> str:
    """Answer without a model."""
    return text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"deadline": 2.0, "attempt_timeout": 0.8, "retry": Retry(attempts=3), "fallback": [rules]},
            "3 attempts × 0.8 s + waits of up to 0.3 s + 0.2 s held back for rungs = 2.9 s: only 2 fit",
        ),
        (
            {"deadline": 2.0, "attempt_timeout": 0.8, "retry": Retry(attempts=3), "fallback": ["value"]},
            "3 attempts × 0.8 s + waits of up to 0.3 s = 2.7 s: only 2 fit",
        ),
        (
            {"deadline": 2.0, "attempt_timeout": 1.5, "retry": Retry(attempts=4, wait=FIXED)},
            "4 attempts × 1.5 s + waits of up to 1.5 s = 7.5 s: only 1 fits",
        ),
        (
            {"deadline": 2.0, "attempt_timeout": 1.0, "retry": Retry(attempts=3, wait=lambda _: 9.0)},
            "3 attempts × 1 s = 3 s: only 2 fit",
        ),
        (
            {"deadline": 2.0, "attempt_timeout": 1.5, "reask": 1, "output": int},
            "(1 attempt + 1 asked again) × 1.5 s = 3 s: only 1 fits",
        ),
        (
            {"deadline": 2.0, "attempt_timeout": 2.0, "retry": Retry(attempts=2), "fallback": [rules]},
            "2 attempts × 2 s + waits of up to 0.1 s + 0.2 s held back for rungs = 4.3 s: not one fits whole",
        ),
        (
            {"deadline": 1.0, "attempt_timeout": 1.0, "fallback": [rules], "fallback_timeout": 0.4},
            "1 attempt × 1 s + 0.4 s held back for rungs = 1.4 s: the attempt is cut short",
        ),
    ],
)
def test_a_deadline_too_short_is_told_with_the_sum(settings: dict[str, Any], said: str) -> None:
    """Attempts, the longest waits, what is held back, and how many attempts fit."""
    (reason,) = reasons(timing(subject(**settings)))
    assert reason.startswith(f"deadline-too-short: too short: {said}; raise it, or lower `attempt_timeout`")


@pytest.mark.parametrize(
    "settings",
    [
        {"deadline": 2.8, "attempt_timeout": 0.8, "retry": Retry(attempts=3)},
        {"deadline": 2.7, "attempt_timeout": 0.8, "retry": Retry(attempts=3)},
        {"deadline": 3.0, "attempt_timeout": 0.8, "retry": Retry(attempts=3), "fallback": [rules]},
        {"deadline": 2.7, "attempt_timeout": 0.8, "retry": Retry(), "fallback": [last_good(by=rules, ttl=9.0), 1]},
        {"deadline": 2.7, "attempt_timeout": 0.8, "retry": Retry(), "fallback": [rules], "fallback_timeout": 0.0},
        {"deadline": 1.0, "attempt_timeout": 1.0},
        {"deadline": 0.3, "attempt_timeout": 0.1, "retry": Retry(attempts=3, wait=tenacity.wait_none())},
        {"deadline": 1.0, "attempt_timeout": 1.0, "retry": Retry(stop=tenacity.stop_after_delay(9))},
        {"attempt_timeout": 9.0, "retry": Retry()},
        {"deadline": 1.0},
    ],
)
def test_times_that_fit_are_left_alone(settings: dict[str, Any]) -> None:
    """Exactly fitting is fitting; what cannot be known is not told."""
    assert reasons(timing(subject(**settings))) == []


@pytest.mark.parametrize(
    ("retry", "said"),
    [
        (Retry(), "of 3 attempts, one"),
        (Retry(stop=tenacity.stop_never), "of several attempts, one"),
        (Retry(on=frozenset({FailureKind.TIMEOUT})), "of 3 attempts, one"),
        (Retry(on=tenacity.retry_if_exception_type(OSError)), "of 3 attempts, one"),
    ],
)
def test_several_attempts_need_a_time_of_their_own(retry: Retry, said: str) -> None:
    """One that hangs takes the time of all."""
    (reason,) = reasons(timing(subject(deadline=1.0, retry=retry)))
    assert reason.startswith(f"no-attempt-timeout: missing: {said} that hangs takes the time of all")


@pytest.mark.parametrize(
    "settings",
    [
        {"deadline": 1.0},
        {"deadline": 1.0, "retry": Retry(attempts=1)},
        {"deadline": 1.0, "retry": Retry(on=frozenset({FailureKind.OVERLOADED}))},
        {"deadline": 9.0, "retry": Retry(), "attempt_timeout": 1.0},
        {"retry": Retry()},
    ],
)
def test_one_attempt_needs_none(settings: dict[str, Any]) -> None:
    """Nor where a timeout is not retried, or where the code may give it."""
    assert reasons(timing(subject(**settings))) == []


def test_a_model_as_a_rung_is_held_back_for_too() -> None:
    """Every callable rung takes time."""
    one = subject(deadline=1.0, attempt_timeout=1.0, fallback=[Rung(rules, ai=True), "value"])
    assert len(reasons(timing(one))) == 1
