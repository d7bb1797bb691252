"""All settings of a boundary, in one model: the same in Python and in a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from aiguard.errors import PolicyError
from aiguard.failure import INVALID_OUTPUTS, REJECTIONS, RETRIED_BY_DEFAULT, FailureKind
from aiguard.problem import Problem, nearest, shown

NAME_LIMIT: Final = 100
NAME_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")

NOT_BUILT: Final = frozenset(
    {
        "budget",
        "dependency",
        "first_item",
        "hedge",
        "idempotent",
        "idle",
        "input",
        "key",
        "on_break",
        "on_stale",
        "priority",
        "retry_budget",
        "review_by",
        "risk",
        "slow_call",
        "slow_rate",
        "window_calls",
    }
)
"""Settings that the design names and this version does not have: refused, never ignored."""

ShapeName = Literal["sync", "async", "generator", "async_generator"]
StreamMode = Literal["passthrough", "buffer"]
Isolation = Literal["inline", "thread"]
Mode = Literal["on", "off"]
Contain = Literal["all", "known"]


def _finite(value: float) -> float:
    if not math.isfinite(value):
        msg = "must be a finite number of seconds"
        raise ValueError(msg)
    return value


SECONDS: Final = "seconds"
"""The unit of a setting that is a time; a file may write it with other units."""

Seconds = Annotated[float, Field(gt=0), AfterValidator(_finite), SECONDS]
Rate = Annotated[float, Field(gt=0, le=1)]


class _Settings(BaseModel):
    """A frozen group of settings that refuses what it does not know."""

    # built at the first declaration: an import that declares nothing need not pay for it
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, strict=True, defer_build=True)

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise PolicyError(*_problems(type(self), error)) from None


class Retry(_Settings):
    """
    Further attempts after a failure that may pass.

    Attributes:
        attempts: How many tries in all, the first included. Three: one bad moment and one bad server are survived,
            and a dependency that is really down is asked three times as often, no more.
        wait: Seconds before the next attempt: a tenacity `wait_*` object, or `None` for full jitter between 0 and
            0.1 s × 2ⁿ, at most 2 s (AWS Architecture Blog, "Exponential backoff and jitter"). A server's own
            `Retry-After` is the floor of either.
        stop: A tenacity `stop_*` object instead of `attempts`.
        on: The failure kinds that are worth another attempt, or one tenacity `retry_*` object, which is asked about
            the component's own exception.
    """

    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    wait: Callable[[Any], float] | None = None
    stop: Callable[[Any], bool] | None = None
    on: frozenset[FailureKind] | Callable[[Any], bool] = RETRIED_BY_DEFAULT

    @field_validator("on", mode="before")
    @classmethod
    def _kinds(cls, value: object) -> object:
        if isinstance(value, type):
            msg = "a class would retry everything: give failure kinds, or tenacity's `retry_if_exception_type(…)`"
            raise ValueError(msg)  # noqa: TRY004 - pydantic turns it into the refusal
        if callable(value):
            return value
        if not isinstance(value, Iterable):
            msg = "must be a set of failure kinds or one tenacity `retry_*` object"
            raise ValueError(msg)  # noqa: TRY004 - pydantic asks for a ValueError
        kinds = frozenset(FailureKind(kind) for kind in ([value] if isinstance(value, str) else value))
        refused = sorted(kinds & (REJECTIONS | INVALID_OUTPUTS | {FailureKind.DEADLINE_EXHAUSTED}))
        if refused:
            msg = f"{', '.join(refused)} cannot be retried: an invalid answer is asked for again with `reask`"
            raise ValueError(msg)
        return kinds

    @model_validator(mode="after")
    def _one_limit(self) -> Retry:
        if self.stop is not None and "attempts" in self.model_fields_set:
            msg = "`stop` and `attempts` contradict each other: give one of them"
            raise ValueError(msg)
        return self


class Breaker(_Settings):
    """
    When to stop calling a component that keeps failing.

    Attributes:
        failure_rate: Share of failed calls in the window, over 0 and up to 1, at which it opens. A half: the usual
            default (Hystrix, resilience4j).
        minimum_calls: Calls in the window before a rate means anything. Ten: AI traffic is slow, the hundred that
            web services use would never be reached.
        window: Seconds that are looked back on, in ten slices.
        open_for: Seconds it stays open the first time; doubled each time a probe fails, up to `open_for_max`.
        open_for_max: The longest it stays open, in seconds.
        probes: Successful trial calls in the half-open state before it closes.
        concurrent_probes: Trial calls at once.
    """

    failure_rate: Rate = 0.5
    minimum_calls: Annotated[int, Field(ge=1)] = 10
    window: Seconds = 60.0
    open_for: Seconds = 15.0
    open_for_max: Seconds = 300.0
    probes: Annotated[int, Field(ge=1)] = 3
    concurrent_probes: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _ordered(self) -> Breaker:
        if self.open_for > self.open_for_max:
            msg = f"`open_for` ({self.open_for:g}) must not be over `open_for_max` ({self.open_for_max:g})"
            raise ValueError(msg)
        return self


class Bulkhead(_Settings):
    """
    How many calls may be inside the component at once.

    Attributes:
        limit: Calls at once. No default: only you know what the component bears.
        queue: Calls that may wait for a permit. None by default: waiting hides overload.
    """

    limit: Annotated[int, Field(ge=1)]
    queue: Annotated[int, Field(ge=0)] = 0


class Policy(_Settings):
    """
    All settings of a boundary; times are seconds, `None` means "not there".

    Attributes:
        deadline: The whole call: queueing, attempts, waits, validation, fallback. For a stream: the time spent
            waiting for the component. Required: no default can know how long your caller may wait.
        owner: Who answers for the boundary.
        output: What the answer must satisfy: a type, or an `OutputContract`.
        attempt_timeout: One try.
        retry: Further attempts after a failure that may pass.
        reask: Further attempts after an answer that broke the contract. None by default: each one costs a call.
        breaker: When to stop calling for a while.
        bulkhead: How many calls may be inside at once.
        fallback: The ladder: values, callables, `Rung`s or `last_good(…)`, tried in order.
        fallback_timeout: Seconds of the deadline held back for callable rungs; a tenth of it by default, zero where
            all rungs are values or `last_good`.
        isolation: Where the component runs: `"inline"`, or `"thread"`, the default for sync functions, so that the
            caller is free at the deadline.
        shape: What the function is, where it cannot be seen: `"sync"`, `"async"`, `"generator"`, `"async_generator"`.
        stream: How a stream is released: `"passthrough"` or `"buffer"`; required for generators.
        mode: `"off"` answers every call with kind `halted`, from the ladder where that can.
        contain: `"known"` lets exceptions that nobody classified leave the boundary as they are.
    """

    deadline: Seconds | None = None
    owner: str | None = None
    output: Any = None
    attempt_timeout: Seconds | None = None
    retry: Retry | None = None
    reask: Annotated[int, Field(ge=0, le=10)] = 0
    breaker: Breaker | None = None
    bulkhead: Bulkhead | None = None
    fallback: tuple[Any, ...] = ()
    fallback_timeout: Annotated[float, Field(ge=0), AfterValidator(_finite), SECONDS] | None = None
    isolation: Isolation | None = None
    shape: ShapeName | None = None
    stream: StreamMode | None = None
    mode: Mode = "on"
    contain: Contain = "all"

    @field_validator("fallback", mode="before")
    @classmethod
    def _ladder(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple(value)
        msg = "must be a list of rungs: write `fallback=[…]` even for one"
        raise ValueError(msg)

    @model_validator(mode="after")
    def _fits(self) -> Policy:
        if self.deadline is None:
            return self
        deadline = f"`deadline` ({self.deadline:g})"
        if self.attempt_timeout is not None and self.attempt_timeout > self.deadline:
            reason = f"must not be over {deadline}"
            raise PolicyError(Problem(reason, setting="attempt_timeout", value=shown(self.attempt_timeout)))
        if self.fallback_timeout is not None and self.fallback_timeout >= self.deadline:
            reason = f"must be under {deadline}"
            raise PolicyError(Problem(reason, setting="fallback_timeout", value=shown(self.fallback_timeout)))
        return self


class Settings(TypedDict, total=False):
    """The keyword settings of `guard` and `Boundary` but for `output`, for type checkers; see `Policy`."""

    deadline: float | None
    owner: str | None
    attempt_timeout: float | None
    retry: Retry | None
    reask: int
    breaker: Breaker | None
    bulkhead: Bulkhead | None
    fallback: Sequence[Any]
    fallback_timeout: float | None
    isolation: Isolation | None
    shape: ShapeName | None
    stream: StreamMode | None
    mode: Mode
    contain: Contain


def check_name(name: object) -> str:
    """Return `name`. Raises `PolicyError` unless it is 1–100 of `A-Z a-z 0-9 . _ -`."""
    if isinstance(name, str) and 1 <= len(name) <= NAME_LIMIT and NAME_CHARACTERS.issuperset(name):
        return name
    raise PolicyError(f"boundary name {shown(name)}: must be 1 to {NAME_LIMIT} of A-Z a-z 0-9 . _ -")


def policy_of(name: str, settings: dict[str, Any]) -> Policy:
    """Return the policy that `settings` declare for the boundary `name`; raises `PolicyError`."""
    try:
        return Policy(**settings)
    except PolicyError as error:
        raise error.of(name) from None


def unknown(setting: str, group: type[BaseModel] | None = None) -> str:
    """Return why there is no such `setting`, with the nearest one that there is."""
    if setting in NOT_BUILT:
        return "not built in this version of aiguard"
    return f"no such setting{nearest(setting, (group or Policy).model_fields)}"


def _problems(model: type[_Settings], error: ValidationError) -> list[Problem]:
    """Return everything that pydantic found wrong: setting, value, reason."""
    title = "" if model is Policy else f"{model.__name__}."
    found: dict[tuple[str, str], Problem] = {}
    for line in error.errors(include_url=False):
        place = ".".join(str(part) for part in line["loc"] if str(part) in _ALL_SETTINGS)
        setting: str | None = title + place if place else None
        cause = line.get("ctx", {}).get("error")
        if isinstance(cause, PolicyError):  # a group of settings, given as a dict
            for problem in cause.problems:
                inner = (problem.setting or "").partition(".")[2]
                path = problem.setting if setting is None else f"{setting}.{inner}" if inner else setting
                found.setdefault((path or "", problem.reason), replace(problem, setting=path))
            continue
        reason = line["msg"].removeprefix("Value error, ").removeprefix("Input ")
        value: str | None = shown(line["input"])
        if line["type"] == "missing":
            reason, value = "required", None
        elif line["type"] == "extra_forbidden":
            stray = str(line["loc"][-1])
            setting, reason = title + stray, unknown(stray, model)
        elif not line["loc"]:
            value, setting = None, title.rstrip(".") or None
        # a value that fits no alternative of its setting is one problem, not one for each
        found.setdefault((setting or "", "" if place else reason), Problem(reason, None, setting, value))
    return list(found.values())


_GROUPS: Final = (Retry, Breaker, Bulkhead)
_ALL_SETTINGS: Final = frozenset().union(*(model.model_fields for model in (Policy, *_GROUPS)))

assert not NOT_BUILT & set(Policy.model_fields), "a built setting is still listed as not built"  # noqa: S101
