"""Everything a guarded call can raise: which class for which kind, what it says, what it carries over a border."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

import aiguard
from aiguard import (
    BoundaryError,
    Breaker,
    BudgetExhaustedError,
    BulkheadFullError,
    CircuitOpenError,
    ComponentError,
    CoolingDownError,
    DeadlineExceededError,
    Failure,
    FailureKind,
    HaltedError,
    InputRejectedError,
    InvalidOutputError,
    Owner,
    PolicyError,
    RejectedError,
    StreamInterruptedError,
)
from aiguard.errors import error_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.shapes import Harness

CLASSES: dict[str, type[BoundaryError]] = {
    "deadline_exhausted": DeadlineExceededError,
    "circuit_open": CircuitOpenError,
    "bulkhead_full": BulkheadFullError,
    "cooling_down": CoolingDownError,
    "budget_exhausted": BudgetExhaustedError,
    "halted": HaltedError,
    "input_rejected": InputRejectedError,
    "truncated": InvalidOutputError,
    "empty_output": InvalidOutputError,
    "malformed_output": InvalidOutputError,
    "schema_violation": InvalidOutputError,
    "check_failed": InvalidOutputError,
    "ambiguous_output": InvalidOutputError,
    "output_too_large": InvalidOutputError,
    "provider_failed": InvalidOutputError,
    "stream_interrupted": StreamInterruptedError,
    "timeout": ComponentError,
    "connection": ComponentError,
    "server_error": ComponentError,
    "malformed_transport": ComponentError,
    "overloaded": ComponentError,
    "rate_limited": ComponentError,
    "quota_exhausted": ComponentError,
    "auth": ComponentError,
    "not_found": ComponentError,
    "bad_request": ComponentError,
    "context_length": ComponentError,
    "content_filter": ComponentError,
    "refusal": ComponentError,
    "worker_crashed": ComponentError,
    "worker_poisoned": ComponentError,
    "unclassified": ComponentError,
}
"""Column two of the table in the architecture; `timeout` where it is the component's own."""


def failure(kind: FailureKind = FailureKind.CONNECTION, **fields: Any) -> Failure:
    """Return a failure."""
    return Failure(kind, "component", "it failed", **fields)


@pytest.mark.parametrize("kind", FailureKind)
def test_each_kind_has_its_error(kind: FailureKind) -> None:
    """The class is the one of the architecture's table, and carries the failure."""
    error = error_for(failure(kind))
    assert type(error) is CLASSES[kind]
    assert error.failure.kind is kind
    assert (error.boundary, error.outcome) == ("", None)


@pytest.mark.parametrize(
    ("error", "parents"),
    [
        (CircuitOpenError, (RejectedError, pybreaker.CircuitBreakerError)),
        (BulkheadFullError, (RejectedError,)),
        (CoolingDownError, (RejectedError,)),
        (BudgetExhaustedError, (RejectedError,)),
        (HaltedError, (RejectedError,)),
        (InputRejectedError, (RejectedError, ValueError)),
        (DeadlineExceededError, (BoundaryError, TimeoutError)),
        (InvalidOutputError, (BoundaryError, ValueError)),
        (StreamInterruptedError, (BoundaryError,)),
        (ComponentError, (BoundaryError,)),
        (RejectedError, (BoundaryError,)),
    ],
)
def test_the_family(error: type[Exception], parents: tuple[type[Exception], ...]) -> None:
    """Each error is also the builtin, or pybreaker's, that a caller would catch."""
    assert all(issubclass(error, parent) for parent in parents)
    assert issubclass(error, BoundaryError)


def test_a_policy_error_is_no_boundary_error() -> None:
    """A refused setting is a mistake in the program, not a failed call."""
    assert issubclass(PolicyError, ValueError)
    assert not issubclass(PolicyError, BoundaryError)


def test_every_error_is_importable_from_aiguard() -> None:
    """Whoever catches needs one import."""
    raised = (BoundaryError, PolicyError)
    names = [name for name, cls in vars(aiguard.errors).items() if isinstance(cls, type) and issubclass(cls, raised)]
    assert len(names) == 13
    assert all(getattr(aiguard, name) is getattr(aiguard.errors, name) for name in names)
    assert set(names) <= set(aiguard.__all__)


@pytest.mark.parametrize("kind", FailureKind)
def test_the_text_names_boundary_and_kind(kind: FailureKind) -> None:
    """What is logged of an error says where, why and what, whatever its parents are."""
    error = error_for(failure(kind))
    assert str(error) == f"{kind.value}: it failed"
    error.boundary = "ticket-triage"
    assert str(error) == f"boundary 'ticket-triage': {kind.value}: it failed"


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        (None, ""),
        ("support-ml", " (owner support-ml)"),
        (Owner(team="support-ml", person="anna"), " (owner support-ml (anna))"),
        (Owner(person="anna", runbook="https://x/triage"), " (owner anna, runbook https://x/triage)"),
        ("two\nlines", " (owner 'two\\nlines')"),
        ("x" * 90, f" (owner '{'x' * 78}…)"),
    ],
)
def test_the_text_names_whom_to_turn_to(owner: Owner | str | None, said: str) -> None:
    """And where it is written what to do; in one line, and over a border too."""
    error = error_for(failure())
    error.owner = owner
    assert str(error) == f"connection: it failed{said}"
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.owner, str(copied)) == (owner, str(error))


def test_an_error_that_leaves_a_boundary_has_its_owner(scenario: Callable[..., Harness]) -> None:
    """The outer one's, where boundaries are nested."""
    owner = Owner(team="support-ml", runbook="https://x/triage")
    error = scenario(ConnectionError(), owner=owner).fails()
    assert error.owner == owner
    assert str(error).endswith(" (owner support-ml, runbook https://x/triage)")


def test_a_breakers_quick_refusal_has_the_owner_too(scenario: Callable[..., Harness]) -> None:
    """It takes a shorter way out."""
    harness = scenario(ConnectionError(), owner="support-ml", breaker=Breaker(minimum_calls=1))
    harness.fails()
    error = harness.fails()
    assert isinstance(error, CircuitOpenError)
    assert str(error).endswith(" (owner support-ml)")


@pytest.mark.parametrize("kind", sorted(kind for kind in FailureKind if issubclass(CLASSES[kind], RejectedError)))
def test_a_rejection_says_when_to_come_back(kind: FailureKind) -> None:
    """`retry_after` is the failure's, or `None` where that is not known."""
    known, unknown = error_for(failure(kind, retry_after=1.5)), error_for(failure(kind))
    assert isinstance(known, RejectedError)
    assert isinstance(unknown, RejectedError)
    assert (known.retry_after, unknown.retry_after) == (1.5, None)


@pytest.mark.parametrize("carry", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", FailureKind)
def test_an_error_crosses_a_border(kind: FailureKind, carry: Any) -> None:
    """Pickled, it keeps class, failure and boundary, and leaves behind what may hold content or cannot be pickled."""
    error = error_for(failure(kind, retry_after=2.0, exception=ValueError(lambda: "unpicklable")))
    error.boundary = "embed"
    copied = carry(error)
    assert type(copied) is type(error)
    assert copied.failure == failure(kind, retry_after=2.0)
    assert copied.boundary == "embed"
    assert str(copied) == str(error)


def test_what_was_delivered_crosses_the_border_too() -> None:
    """A stream's count is part of what happened."""
    error = StreamInterruptedError(failure(FailureKind.STREAM_INTERRUPTED), boundary="chat", delivered=7)
    assert pickle.loads(pickle.dumps(error)).delivered == 7


def test_an_errors_args_hold_no_more_than_its_message() -> None:
    """Reporters print `args`: they are as safe as the message."""
    assert error_for(failure(exception=ValueError("the patient's name"))).args == ("it failed",)
