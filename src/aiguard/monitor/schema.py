"""
What a process answers to who looks into it, as JSON: version 1.

`VERSION` changes when something here changes its meaning or goes away; what is added does not change it. Moments are
seconds since the epoch; lengths of time are seconds. Nothing in it is content, or can hold any.
"""

from __future__ import annotations

from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic, which brings it, reads no other before Python 3.12

VERSION: Final = 1

HALTED: Final = "halted"
"""The mode of a boundary that is halted."""


class Request(TypedDict, total=False):
    """What may be asked, on one line."""

    want: Literal["state", "trace"]
    boundary: str | None
    last: int
    failed: bool


class ProcessAnswer(TypedDict):
    """The process that answers: its number, its program's name, and since when it counts calls."""

    pid: int
    program: str
    aiguard: str
    now: float
    since: float


class MoveAnswer(TypedDict):
    """A change of a breaker's state."""

    when: float
    before: str
    state: str


class BreakerAnswer(TypedDict):
    """A breaker: `since` is `None` where it has not moved since the process counts, `until` unless it is open."""

    name: str
    state: str
    since: float | None
    until: float | None
    failures: int
    moves: list[MoveAnswer]


class PermitsAnswer(TypedDict):
    """A bulkhead."""

    limit: int
    in_flight: int
    queued: int
    queue: int


class FailureAnswer(TypedDict):
    """A call that the component did not answer."""

    when: float
    kind: str
    stage: str
    outcome: str


class ContractAnswer(TypedDict):
    """What became of what a contract judged in the last ten minutes."""

    judged: int
    broken: int
    repaired: int
    refused: int
    truncated: int
    codes: dict[str, int]


class SpentAnswer(TypedDict):
    """What is spent of a budget in its window, and what may be; `None` where it has no such limit."""

    per: float
    calls: int
    calls_limit: int | None
    tokens: int
    tokens_limit: int | None
    usd: float
    usd_limit: float | None


class MinuteAnswer(TypedDict):
    """
    The last minute; `kinds` counts the calls that the component did not answer by why.

    `durations` counts calls by the sixteenth of a doubling that their seconds fall into: bucket b holds what took from
    2^(b/16) to 2^((b+1)/16). Calls that were cancelled are not among them.
    """

    seconds: float
    outcomes: dict[str, int]
    kinds: dict[str, int]
    durations: list[tuple[int, int]]
    p50: float | None
    p95: float | None
    p99: float | None


class HaltAnswer(TypedDict):
    """A halt in force: of the calls of a key, or of all, where `key` is `None`."""

    id: str
    key: str | None
    by: str
    reason: str
    since: float
    until: float | None


class BoundaryAnswer(TypedDict):
    """
    One boundary. `outcomes` counts calls since the process counts.

    `mode` is `"halted"` where every call is turned away though it is on: by a halt, or since nobody knows of halts.
    `gate` says what is wrong with the gate: then a halt may not be seen. What is not required, a process of an older
    version does not say.

    `breakers` begins with that without a key; of the others those are told of that are not closed. `failures` has the
    last of each kind, the latest first.
    """

    name: str
    owner: str | None
    runbook: NotRequired[str | None]
    risk: NotRequired[str]
    dependency: str | None
    mode: str
    halts: NotRequired[list[HaltAnswer]]
    gate: NotRequired[str | None]
    breakers: list[BreakerAnswer]
    cooldown_until: float | None
    permits: PermitsAnswer | None
    abandoned: int
    minute: MinuteAnswer
    outcomes: dict[str, int]
    failures: list[FailureAnswer]
    contracts: dict[str, ContractAnswer]
    budget: SpentAnswer | None


class StateAnswer(TypedDict):
    """The answer to `{"want": "state"}`."""

    version: int
    process: ProcessAnswer
    boundaries: list[BoundaryAnswer]


class RunAnswer(TypedDict):
    """
    One attempt, or one rung that was asked: then `reason` is `"fallback"`, and `rung` its name.

    `started` counts from the call's beginning. `kind` is why it failed, `None` where it answered or was cancelled.
    """

    number: int | None
    reason: str
    rung: str | None
    started: float
    elapsed: float
    kind: str | None
    cancelled: bool


class CallAnswer(TypedDict):
    """
    One call that has ended.

    `kind` and `stage` say why the component did not answer, `rung` who did, `delivered` counts items of a stream, and
    `waited` is how long it stood in line for permits.
    """

    boundary: str
    owner: str | None
    ended: float
    elapsed: float
    outcome: str
    kind: str | None
    stage: str | None
    rung: str | None
    trace_id: str | None
    delivered: int
    waited: float
    runs: list[RunAnswer]


class TraceAnswer(TypedDict):
    """The answer to `{"want": "trace"}`: the last calls, the oldest first."""

    version: int
    process: ProcessAnswer
    calls: list[CallAnswer]


class RefusalAnswer(TypedDict):
    """The answer to what is not understood."""

    version: int
    error: str
