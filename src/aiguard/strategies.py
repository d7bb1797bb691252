"""The groups of settings: how a boundary retries, opens, queues, hedges and spends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

from pydantic import Field, field_validator, model_validator

from aiguard.failure import INVALID_OUTPUTS, REJECTIONS, RETRIED_BY_DEFAULT, FailureKind
from aiguard.settings import REQUIRED, Count, Rate, Seconds, SettingsGroup

DOLLARS: Final = "US dollars"
"""The unit of a setting that is money."""

LEAST_USD: Final = 0.000001

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False), DOLLARS]


class Retry(SettingsGroup):
    """
    Further attempts after a failure that may pass.

    Attributes:
        attempts: How many tries in all, the first included. Three: one bad moment and one bad server are survived,
            and of one that is really down the retry budget asks a fifth more, not three times as much.
        wait: Seconds before the next attempt: a tenacity `wait_*` object, or `None` for full jitter between 0 and
            0.1 s × 2ⁿ⁻¹ after n failures, at most 2 s (AWS Architecture Blog, "Exponential backoff and jitter"). A
            server's own `Retry-After` is the floor of either.
        stop: A tenacity `stop_*` object instead of `attempts`.
        on: The failure kinds that are worth another attempt, or one tenacity `retry_*` object, which is asked about
            the component's own exception.
    """

    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    wait: Callable[[Any], float] | None = None
    stop: Callable[[Any], bool] | None = None
    on: frozenset[FailureKind] | Callable[[Any], bool] = RETRIED_BY_DEFAULT

    @field_validator("wait", "stop", "on", mode="before")
    @classmethod
    def _answers_at_once(cls, value: object) -> object:
        called = type(value).__call__ if callable(value) else None
        if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(called):
            msg = "is a coroutine function, whose answer nobody awaits: give the plain one of the same name"
            raise ValueError(msg)
        return value

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


class RetryBudget(SettingsGroup):
    """
    How much retries, asking again and hedges may add to the calls of a dependency, all callers together.

    Attributes:
        ratio: Further attempts for each call of the last `per` seconds. A fifth (Envoy, failsafe-go): enough for a bad
            moment, too little to keep down a component that is getting up.
        floor: Further attempts that are allowed in any case. Three: where calls are rare, a fifth of them is none.
        per: Seconds that are looked back on.
    """

    ratio: Annotated[float, Field(ge=0, le=100)] = 0.2
    floor: Annotated[int, Field(ge=0)] = 3
    per: Seconds = 10.0


class Hedge(SettingsGroup):
    """
    A second attempt while the first is late; the first good answer wins, the other is cancelled.

    Attributes:
        after: Seconds after which the second begins. `None`: once the first takes longer than 95 % of the attempts
            seen so far, and not before twenty were.
    """

    after: Seconds | None = None


class Price(SettingsGroup):
    """
    What a model costs, in US dollars for a million tokens, as providers tell it.

    Attributes:
        input: What is sent.
        output: What is answered, hidden reasoning included.
        cached: What is sent and comes from a cache of the provider's; as `input` where nothing is said of it.
    """

    input: Dollars
    output: Dollars
    cached: Dollars | None = None


class Budget(SettingsGroup):
    """
    What may be spent in a window of time; reserved before an attempt, settled after it.

    At least one of `calls`, `tokens` and `usd` is given: there is no default, since only you know what was agreed.

    Attributes:
        calls: Attempts that may reach the component.
        tokens: Tokens that may be used, sent and answered together.
        usd: US dollars that may be spent, counted by `prices`.
        per: Seconds that are looked back on. A minute, as providers count.
        reserve_tokens: Tokens that are set aside for each attempt until it is known what it used: a number, or a
            function of the component's arguments; what no attempt can exceed keeps calls at once from overspending.
            By default what the largest of the last attempts used.
    """

    calls: Count | None = None
    tokens: Count | None = None
    usd: Annotated[float, Field(ge=LEAST_USD, allow_inf_nan=False), DOLLARS] | None = None
    per: Seconds = 60.0
    reserve_tokens: Count | Callable[..., int] | None = None

    @field_validator("reserve_tokens", mode="before")
    @classmethod
    def _answers(cls, value: object) -> object:
        called = type(value).__call__ if callable(value) else None
        if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(called):
            msg = "is a coroutine function, whose answer nobody awaits"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Budget:
        limits = (self.calls, self.tokens, self.usd)
        if limits == (None, None, None):
            msg = f"{REQUIRED}: at least one of `calls`, `tokens` and `usd`"
            raise ValueError(msg)
        if self.reserve_tokens is not None and not self.is_metered:
            msg = f"{REQUIRED}: `tokens` or `usd` beside `reserve_tokens`, which says nothing of `calls`"
            raise ValueError(msg)
        if isinstance(self.reserve_tokens, int) and self.tokens is not None and self.reserve_tokens > self.tokens:
            msg = f"`reserve_tokens` ({self.reserve_tokens}) is over `tokens` ({self.tokens}): no call would get in"
            raise ValueError(msg)
        return self

    @property
    def is_metered(self) -> bool:
        """Whether it has to be known what an attempt used."""
        return self.tokens is not None or self.usd is not None


class Breaker(SettingsGroup):
    """
    When to stop calling a component that keeps failing.

    Attributes:
        failure_rate: Share of failed calls in the window, over 0 and up to 1, at which it opens. A half: the usual
            default (Hystrix, resilience4j).
        minimum_calls: Calls in the window before a rate means anything. Ten: AI traffic is slow, the hundred that
            web services use would never be reached.
        window: Seconds that are looked back on, in ten slices.
        window_calls: Calls that are looked back on, instead of seconds.
        slow_call: Seconds from which a call counts as slow, for a stream until its first item; one still under way
            counts from that moment. None by default: only you know what slow is.
        slow_rate: Share of slow calls in the window at which it opens. Over `failure_rate`'s half: a slow answer is
            still an answer.
        open_for: Seconds it stays open the first time, a random tenth less; doubled each time a probe fails, up to
            `open_for_max`.
        open_for_max: The longest it stays open, in seconds.
        probes: Successful trial calls in the half-open state before it closes.
        concurrent_probes: Trial calls at once.
        metrics_only: Whether it only counts and tells what it would do, and lets every call in.
    """

    failure_rate: Rate = 0.5
    minimum_calls: Count = 10
    window: Seconds = 60.0
    window_calls: Count | None = None
    slow_call: Seconds | None = None
    slow_rate: Rate = 0.8
    open_for: Seconds = 15.0
    open_for_max: Seconds = 300.0
    probes: Count = 3
    concurrent_probes: Count = 1
    metrics_only: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Breaker:
        if self.window_calls is not None:
            if "window" in self.model_fields_set:
                msg = "`window` and `window_calls` contradict each other: give one of them"
                raise ValueError(msg)
            if self.window_calls < self.minimum_calls:
                msg = f"`window_calls` ({self.window_calls}) must not be under `minimum_calls` ({self.minimum_calls})"
                raise ValueError(msg)
        if self.slow_call is None and "slow_rate" in self.model_fields_set:
            msg = "`slow_rate` without `slow_call` says nothing: give the seconds from which a call is slow"
            raise ValueError(msg)
        if self.concurrent_probes > self.probes:
            msg = f"`concurrent_probes` ({self.concurrent_probes}) must not be over `probes` ({self.probes})"
            raise ValueError(msg)
        if self.open_for > self.open_for_max:
            msg = f"`open_for` ({self.open_for:g}) must not be over `open_for_max` ({self.open_for_max:g})"
            raise ValueError(msg)
        return self


class Bulkhead(SettingsGroup):
    """
    How many calls may be inside the component at once.

    Attributes:
        limit: Calls at once. No default: only you know what the component bears. With `floor` or `ceiling`: what it
            begins with.
        queue: Calls that may wait for a permit. None by default: waiting hides overload.
        floor: With it the limit adapts: it falls when the component is overloaded or times out, never below this.
            `limit` where only `ceiling` is given.
        ceiling: With it the limit adapts: it grows while calls go well and need it, never above this. `limit` where
            only `floor` is given.
    """

    limit: Count
    queue: Annotated[int, Field(ge=0)] = 0
    floor: Count | None = None
    ceiling: Count | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Bulkhead:
        floor, ceiling = self.floor, self.ceiling
        if floor is not None and ceiling is not None and floor > ceiling:
            msg = f"`floor` ({floor}) must not be over `ceiling` ({ceiling})"
            raise ValueError(msg)
        if floor is not None and floor > self.limit:
            msg = f"`floor` ({floor}) must not be over `limit` ({self.limit})"
            raise ValueError(msg)
        if ceiling is not None and ceiling < self.limit:
            msg = f"`limit` ({self.limit}) must not be over `ceiling` ({ceiling})"
            raise ValueError(msg)
        return self

    @property
    def most(self) -> int:
        """The most calls that may ever be inside at once."""
        return self.limit if self.ceiling is None else self.ceiling
