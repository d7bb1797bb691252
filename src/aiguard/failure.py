"""Why an attempt or a call failed: a closed vocabulary, and what follows from each word."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique


@unique
class FailureKind(StrEnum):
    """
    Why an attempt or a call failed.

    The members are grouped by the error that carries them; `docs/failure-kinds.md` explains each.
    The value is what spans, metrics and configuration files show.
    """

    TIMEOUT = "timeout"
    DEADLINE_EXHAUSTED = "deadline_exhausted"

    CONNECTION = "connection"
    SERVER_ERROR = "server_error"
    MALFORMED_TRANSPORT = "malformed_transport"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"

    TRUNCATED = "truncated"
    EMPTY_OUTPUT = "empty_output"
    MALFORMED_OUTPUT = "malformed_output"
    SCHEMA_VIOLATION = "schema_violation"
    CHECK_FAILED = "check_failed"
    AMBIGUOUS_OUTPUT = "ambiguous_output"
    OUTPUT_TOO_LARGE = "output_too_large"
    PROVIDER_FAILED = "provider_failed"

    STREAM_INTERRUPTED = "stream_interrupted"
    WORKER_CRASHED = "worker_crashed"
    WORKER_POISONED = "worker_poisoned"

    CIRCUIT_OPEN = "circuit_open"
    BULKHEAD_FULL = "bulkhead_full"
    COOLING_DOWN = "cooling_down"
    BUDGET_EXHAUSTED = "budget_exhausted"
    HALTED = "halted"
    INPUT_REJECTED = "input_rejected"

    UNCLASSIFIED = "unclassified"


_K = FailureKind

REJECTIONS = frozenset(
    {
        _K.CIRCUIT_OPEN,
        _K.BULKHEAD_FULL,
        _K.COOLING_DOWN,
        _K.BUDGET_EXHAUSTED,
        _K.HALTED,
        _K.INPUT_REJECTED,
    }
)
"""The boundary refused before the component ran: never the component's fault."""

INVALID_OUTPUTS = frozenset(
    {
        _K.TRUNCATED,
        _K.EMPTY_OUTPUT,
        _K.MALFORMED_OUTPUT,
        _K.SCHEMA_VIOLATION,
        _K.CHECK_FAILED,
        _K.AMBIGUOUS_OUTPUT,
        _K.OUTPUT_TOO_LARGE,
        _K.PROVIDER_FAILED,
    }
)
"""The component answered, and the answer breaks the contract."""

REASKABLE = INVALID_OUTPUTS - {_K.TRUNCATED}
"""Worth asking again: the same question would be cut at the same length once more."""

RETRIED_BY_DEFAULT = frozenset(
    {
        _K.TIMEOUT,
        _K.CONNECTION,
        _K.SERVER_ERROR,
        _K.MALFORMED_TRANSPORT,
        _K.OVERLOADED,
        _K.RATE_LIMITED,
        _K.STREAM_INTERRUPTED,
        _K.WORKER_CRASHED,
        _K.WORKER_POISONED,
    }
)

OPENS_AT_ONCE = frozenset({_K.QUOTA_EXHAUSTED, _K.AUTH, _K.NOT_FOUND})
"""One of these is proof: no further call can succeed until somebody acts."""

COUNTED = OPENS_AT_ONCE | frozenset(
    {
        _K.TIMEOUT,
        _K.CONNECTION,
        _K.SERVER_ERROR,
        _K.MALFORMED_TRANSPORT,
        _K.OVERLOADED,
        _K.STREAM_INTERRUPTED,
        _K.WORKER_CRASHED,
        _K.WORKER_POISONED,
        _K.UNCLASSIFIED,
    }
)
"""Speaks of the component's health, so the breaker counts it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """
    One failure, safe to log: nothing in it but `exception` can hold a prompt or an answer.

    Attributes:
        kind: The member of the closed vocabulary.
        stage: The stage that decided, by its name in the pipeline (`"retry"`, `"breaker"`, …);
            `"component"` where the component itself failed.
        message: What happened and where, in a sentence. Never content.
        retry_after: Seconds after which another call may succeed, where that is known.
        exception: What was raised, if anything was. It may hold content: do not log it; it is left out of `repr`.
    """

    kind: FailureKind
    stage: str
    message: str
    retry_after: float | None = None
    exception: BaseException | None = field(default=None, repr=False)

    @property
    def is_of_deadline(self) -> bool:
        """Whether the deadline cut an attempt off: one that a caller has shortened says nothing of the component."""
        return self.kind is FailureKind.TIMEOUT and self.stage == "deadline"
