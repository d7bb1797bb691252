"""All settings of a boundary, in one model: the same in Python and in a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, TypedDict

from pydantic import AfterValidator, Field, field_validator, model_validator

from aiguard.errors import PolicyError
from aiguard.failure import FailureKind
from aiguard.owner import Owner
from aiguard.problem import Problem, shown
from aiguard.risk import TIERS, OnStale, Risk
from aiguard.settings import REQUIRED, SECONDS, Seconds, SettingsGroup, finite
from aiguard.strategies import Breaker, Budget, Bulkhead, Hedge, Price, Retry, RetryBudget

NAME_LIMIT: Final = 100
NAME_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")

DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

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
        owner: Who answers for the boundary: an `Owner`, or the name of a team or person. Required in
            [strict mode](configuration.md#strict-mode).
        risk: What is at stake: `"low"`, `"medium"` or `"high"`. It sets `on_stale`, who may resume after a halt and
            whether time alone ends it, and how severe `aiguard check` is.
        review_by: The last day before somebody has to look at the boundary again: a date, or its text, `"2027-01-31"`.
        on_stale: What holds when a process no longer knows whether the boundary is halted: `"keep"` goes on with what
            it knew last, `"off"` halts it. By `risk`: `"off"` for high, else `"keep"`.
        output: What the answer must satisfy: a type, or an `OutputContract`.
        input: What the arguments must satisfy before the component is asked: an `InputContract`, or a type, which is
            that of the first argument.
        attempt_timeout: One try.
        retry: Further attempts after a failure that may pass.
        reask: Further attempts after an answer that broke the contract. None by default: each one costs a call.
        breaker: When to stop calling for a while.
        bulkhead: How many calls may be inside at once.
        hedge: A second attempt while the first is late. None by default: it costs calls.
        idempotent: Whether asking twice does no more than asking once. Where not, nothing is hedged or asked again,
            and retried is only what the component refused to begin.
        budget: What may be spent in a window of time.
        prices: What each model costs, by the name that responses give it: a mapping of `Price`. A name that ends with
            `*` stands for all that begin so, the longest of them counts. A model without a price counts as the
            dearest.
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
    owner: str | Owner | None = None
    risk: Risk = "medium"
    review_by: date | None = None
    on_stale: OnStale | None = None
    output: Any = None
    input: Any = None
    attempt_timeout: Seconds | None = None
    retry: Retry | None = None
    reask: Annotated[int, Field(ge=0, le=10)] = 0
    breaker: Breaker | None = None
    bulkhead: Bulkhead | None = None
    hedge: Hedge | None = None
    idempotent: bool = True
    budget: Budget | None = None
    prices: dict[str, Price] | None = None
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

    @property
    def when_stale(self) -> OnStale:
        """What holds when a process no longer knows whether the boundary is halted."""
        return self.on_stale or TIERS[self.risk].on_stale

    @field_validator("owner", mode="before")
    @classmethod
    def _somebody(cls, value: object) -> object:
        if value is None or isinstance(value, str | Owner):
            return value
        if isinstance(value, Mapping):
            return Owner(**value)
        msg = "must be a string, the name of a team or a person, or an `Owner`"
        raise ValueError(msg)

    @field_validator("review_by", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        if isinstance(value, str) and DAY.fullmatch(value):
            return date.fromisoformat(value)
        msg = "must be a date, such as '2027-01-31'"
        raise ValueError(msg)

    @field_validator("fallback", mode="before")
    @classmethod
    def _ladder(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple(value)
        msg = "must be a list of rungs: write `fallback=[…]` even for one"
        raise ValueError(msg)

    @field_validator("prices", mode="before")
    @classmethod
    def _table(cls, value: object) -> object:
        return value if value is None else _prices(value)

    @model_validator(mode="after")
    def _fits(self) -> Policy:
        problems = [*_times(self), *_repeating(self), *_streaming(self), *_money(self)]
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


def _prices(given: object) -> dict[str, Price]:
    """Return a table of prices. Raises `PolicyError` with everything that is wrong with it."""
    if not isinstance(given, Mapping) or not given:
        reason = "must be a mapping of names of models to `Price(input=…, output=…)`, one at least"
        raise PolicyError(Problem(reason, value=shown(given)))
    found: list[Problem] = []
    table: dict[str, Price] = {}
    for name, price in given.items():
        # what stands before the first dot is what it is a part of
        if not isinstance(name, str) or not 1 <= len(name) <= MODEL_NAME_LIMIT or "*" in name[:-1]:
            reason = f"a model's name has 1 to {MODEL_NAME_LIMIT} letters, and `*` at its end only"
            found.append(Problem(reason, setting=f"prices.{shown(name)}"))
        elif isinstance(price, Price):
            table[name] = price
        elif isinstance(price, Mapping):
            try:
                table[name] = Price(**price)
            except PolicyError as error:
                inner = ((problem, (problem.setting or "").partition(".")[2]) for problem in error.problems)
                found += [replace(one, setting=".".join(filter(None, ("prices", name, path)))) for one, path in inner]
        else:
            found.append(Problem("must be a `Price`", setting=f"prices.{name}", value=shown(price)))
    if found:
        raise PolicyError(*found)
    return table


def _money(policy: Policy) -> list[Problem]:
    """Return what keeps a budget in dollars from being counted."""
    budget, prices = policy.budget, policy.prices
    if budget is None or budget.usd is None:
        return []
    if prices is None:
        reason = f"{REQUIRED} by `budget.usd` ({budget.usd:g}): dollars are counted by what each model costs"
        return [Problem(reason, setting="prices")]
    if isinstance(budget.reserve_tokens, int):
        dearest = max(max(price.input, price.output, price.cached or 0.0) for price in prices.values())
        most = budget.reserve_tokens * dearest / 1e6
        if most > budget.usd:
            reason = (
                f"no call would get in: at the dearest of `prices` it is {most:g}, over `budget.usd` ({budget.usd:g})"
            )
            return [Problem(reason, setting="budget.reserve_tokens", value=str(budget.reserve_tokens))]
    return []


MODEL_NAME_LIMIT: Final = 200

REFUSED_BY_COMPONENT: Final = frozenset({FailureKind.RATE_LIMITED, FailureKind.OVERLOADED})
"""Kinds by which a component says that it did not begin: repeating is safe whatever it does."""


class Settings(TypedDict, total=False):
    """The keyword settings of `guard` and `Boundary` but for `output`, for type checkers; see `Policy`."""

    deadline: float | None
    owner: str | Owner | None
    risk: Risk
    review_by: date | str | None
    on_stale: OnStale | None
    input: Any
    attempt_timeout: float | None
    retry: Retry | None
    reask: int
    breaker: Breaker | None
    bulkhead: Bulkhead | None
    hedge: Hedge | None
    idempotent: bool
    budget: Budget | None
    prices: Mapping[str, Price] | None
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
