"""What a call ended as."""

from __future__ import annotations

import pytest

from aiguard import Attempt, ComponentError, Failure, FailureKind, Outcome

FAILURE = Failure(FailureKind.CONNECTION, "component", "the component raised ConnectionError")


def outcome(**fields: object) -> Outcome[str | None]:
    """Return an outcome, by default a good answer of the component's."""
    common = {
        "boundary": "embed",
        "value": "ok",
        "ok": True,
        "source": "component",
        "rung": None,
        "failure": None,
        "attempts": (Attempt(1, "initial", None, 0.0, 0.5),),
        "elapsed": 0.5,
    }
    return Outcome(**(common | fields))  # type: ignore[arg-type]


def test_an_answer_is_unwrapped() -> None:
    """Where a value left, `unwrap` returns it."""
    good = outcome()
    assert (good.unwrap(), good.degraded) == ("ok", False)


def test_an_answer_may_be_none() -> None:
    """`ok` says whether a value left, since `None` may be one."""
    assert outcome(value=None).unwrap() is None


def test_a_rungs_answer_is_degraded() -> None:
    """It is a value all the same, and the failure that made it necessary stays with it."""
    degraded = outcome(source="fallback", rung="rules", failure=FAILURE)
    assert degraded.degraded
    assert (degraded.unwrap(), degraded.failure) == ("ok", FAILURE)


def test_a_failed_call_raises_its_error_when_unwrapped() -> None:
    """The very error that the plain call would have raised."""
    error = ComponentError(FAILURE, boundary="embed")
    failed = outcome(ok=False, value=None, source=None, failure=FAILURE, error=error)
    assert not failed.degraded
    with pytest.raises(ComponentError) as caught:
        failed.unwrap()
    assert caught.value is error


def test_an_outcome_cannot_be_changed() -> None:
    """It is what it is."""
    with pytest.raises(AttributeError):
        outcome().value = "better"  # type: ignore[misc]
