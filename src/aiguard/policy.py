"""All settings of a boundary, in one model: the same in Python and in a file."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, TypedDict

from pydantic import AfterValidator, Field, field_validator, model_validator

from aiguard.errors import PolicyError
from aiguard.failure import FailureKind
from aiguard.problem import Problem, shown
from aiguard.settings import NOT_BUILT, SECONDS, Seconds, SettingsGroup, finite
from aiguard.strategies import Breaker, Budget, Bulkhead, Hedge, Retry, RetryBudget

NAME_LIMIT: Final = 100
NAME_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")

ShapeName = Literal["sync", "async", "generator", "async_generator"]
StreamMode = Literal["passthrough", "buffer", "elements"]
Isolation = Literal["inline", "thread"]
Mode = Literal["on", "off"]
OnBreak = Literal["raise", "rung"]
Contain = Literal["all", "known"]


@cache
def usual_retry_budget() -> RetryBudget:
    """Return the retry budget of who says nothing of it."""
    return RetryBudget()


def check_dependency(name: str) -> str:
    """Return `name`. Raises `ValueError` unless it is made as a boundary's."""
    if 1 <= len(name) <= NAME_LIMIT and NAME_CHARACTERS.issuperset(name):
        return name
    msg = f"must be 1 to {NAME_LIMIT} of A-Z a-z 0-9 . _ -"
    raise ValueError(msg)


class Policy(SettingsGroup):
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
        hedge: A second attempt while the first is late. None by default: it costs calls.
        idempotent: Whether asking twice does no more than asking once. Where not, nothing is hedged or asked again,
            and retried is only what the component refused to begin.
        budget: What may be spent in a window of time.
        retry_budget: How much retries, asking again and hedges may add to the calls; `None` for any number.
        key: A function of the component's arguments that splits breaker, cooldown and retry budget, by model or
            tenant; it returns something hashable. At most 1024 keys are kept apart at a time.
        dependency: The name of what several boundaries call: those that name the same one share breaker, cooldown and
            retry budget, per key.
        fallback: The ladder: values, callables, `Rung`s or `last_good(…)`, tried in order.
        fallback_timeout: Seconds of the deadline held back for callable rungs; a tenth of it by default, zero where
            all rungs are values or `last_good`.
        isolation: Where the component runs: `"inline"`, or `"thread"`, the default for sync functions, so that the
            caller is free at the deadline.
        shape: What the function is, where it cannot be seen: `"sync"`, `"async"`, `"generator"`, `"async_generator"`.
        stream: How a stream is released: `"passthrough"` (items as they come), `"buffer"` (all of them, once the whole
            is valid) or `"elements"` (those of a JSON array, each once it is closed and valid); required for
            generators.
        first_item: Seconds that a stream's first item may take.
        idle: Seconds that each further item of a stream may take.
        on_break: What happens where a stream breaks after its first item: `"raise"`, or `"rung"`, which goes on with
            the ladder's answer behind an `Interrupted` marker.
        mode: `"off"` answers every call with kind `halted`, from the ladder where that can.
        contain: `"known"` lets exceptions that nobody classified leave the boundary as they are.
    """

    PREFIX: ClassVar[str | None] = ""

    deadline: Seconds | None = None
    owner: str | None = None
    output: Any = None
    attempt_timeout: Seconds | None = None
    retry: Retry | None = None
    reask: Annotated[int, Field(ge=0, le=10)] = 0
    breaker: Breaker | None = None
    bulkhead: Bulkhead | None = None
    hedge: Hedge | None = None
    idempotent: bool = True
    budget: Budget | None = None
    retry_budget: RetryBudget | None = Field(default_factory=usual_retry_budget)
    key: Callable[..., Hashable] | None = None
    dependency: Annotated[str, AfterValidator(check_dependency)] | None = None
    fallback: tuple[Any, ...] = ()
    fallback_timeout: Annotated[float, Field(ge=0), AfterValidator(finite), SECONDS] | None = None
    isolation: Isolation | None = None
    shape: ShapeName | None = None
    stream: StreamMode | None = None
    first_item: Seconds | None = None
    idle: Seconds | None = None
    on_break: OnBreak = "raise"
    mode: Mode = "on"
    contain: Contain = "all"

    @property
    def counts_calls(self) -> bool:
        """Whether its calls count for the retry budget: only where somebody may spend what they add to it."""
        repeats = self.retry is not None or self.reask > 0 or self.hedge is not None
        return self.retry_budget is not None and (repeats or self.dependency is not None)

    @field_validator("fallback", mode="before")
    @classmethod
    def _ladder(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple(value)
        msg = "must be a list of rungs: write `fallback=[…]` even for one"
        raise ValueError(msg)

    @model_validator(mode="after")
    def _fits(self) -> Policy:
        problems = [*_times(self), *_repeating(self), *_streaming(self)]
        if problems:
            raise PolicyError(*problems)
        return self


def _times(policy: Policy) -> list[Problem]:
    """Return what is wrong with times that hold for the same call."""
    found: list[Problem] = []
    deadline = policy.deadline
    if deadline is None:
        return found

    def at_most(
        setting: str, value: float | None, limit_name: str, limit: float | None, *, under: bool = False
    ) -> None:
        if value is None or limit is None or (value < limit if under else value <= limit):
            return
        reason = f"must {'be under' if under else 'not be over'} `{limit_name}` ({limit:g})"
        found.append(Problem(reason, setting=setting, value=shown(value)))

    at_most("attempt_timeout", policy.attempt_timeout, "deadline", deadline)
    at_most("fallback_timeout", policy.fallback_timeout, "deadline", deadline, under=True)
    at_most("first_item", policy.first_item, "deadline", deadline)
    at_most("idle", policy.idle, "deadline", deadline)
    ends = ("deadline", deadline) if policy.attempt_timeout is None else ("attempt_timeout", policy.attempt_timeout)
    if policy.hedge is not None:
        at_most("hedge.after", policy.hedge.after, *ends, under=True)
    if policy.breaker is not None:
        at_most("breaker.slow_call", policy.breaker.slow_call, *ends)
    return found


def _repeating(policy: Policy) -> list[Problem]:
    """Return what asks the component more than once although it must not be, or cannot be."""
    found: list[Problem] = []
    retry = policy.retry
    if not policy.idempotent:
        once = "contradicts `idempotent` (false): the component would be asked twice"
        if policy.hedge is not None:
            found.append(Problem(once, setting="hedge", value=shown(policy.hedge)))
        if policy.reask:
            found.append(Problem(once, setting="reask", value=shown(policy.reask)))
        on = retry.on if retry is not None and "on" in retry.model_fields_set else frozenset()
        if not (isinstance(on, frozenset) and on <= REFUSED_BY_COMPONENT):
            kinds = ", ".join(sorted(REFUSED_BY_COMPONENT))
            reason = f"contradicts `idempotent` (false): only {kinds} say that nothing was begun"
            found.append(Problem(reason, setting="retry.on"))
    if policy.hedge is not None:
        if policy.stream in {"passthrough", "elements"}:
            reason = f"contradicts `stream` ({policy.stream!r}): two streams cannot be one; 'buffer' can be hedged"
            found.append(Problem(reason, setting="hedge", value=shown(policy.hedge)))
        if policy.bulkhead is not None and policy.bulkhead.most == 1:
            reason = "needs a second permit, and `bulkhead.limit` is 1"
            found.append(Problem(reason, setting="hedge", value=shown(policy.hedge)))
    return found


def _streaming(policy: Policy) -> list[Problem]:
    """Return what is said of streams and cannot hold for this one."""
    found: list[Problem] = []
    if policy.on_break == "rung":
        if policy.stream == "buffer":
            reason = "contradicts `stream` ('buffer'): no item is out before the whole is there"
            found.append(Problem(reason, setting="on_break", value="'rung'"))
        elif not policy.fallback:
            found.append(Problem("`fallback` has no rung that could go on", setting="on_break", value="'rung'"))
    return found


REFUSED_BY_COMPONENT: Final = frozenset({FailureKind.RATE_LIMITED, FailureKind.OVERLOADED})
"""Kinds by which a component says that it did not begin: repeating is safe whatever it does."""


class Settings(TypedDict, total=False):
    """The keyword settings of `guard` and `Boundary` but for `output`, for type checkers; see `Policy`."""

    deadline: float | None
    owner: str | None
    attempt_timeout: float | None
    retry: Retry | None
    reask: int
    breaker: Breaker | None
    bulkhead: Bulkhead | None
    hedge: Hedge | None
    idempotent: bool
    budget: Budget | None
    retry_budget: RetryBudget | None
    key: Callable[..., Hashable] | None
    dependency: str | None
    fallback: Sequence[Any]
    fallback_timeout: float | None
    isolation: Isolation | None
    shape: ShapeName | None
    stream: StreamMode | None
    first_item: float | None
    idle: float | None
    on_break: OnBreak
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


assert not NOT_BUILT & set(Policy.model_fields), "a built setting is still listed as not built"  # noqa: S101
