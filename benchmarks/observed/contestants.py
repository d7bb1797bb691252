"""The libraries, each set up as its own documentation shows."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pybreaker
import tenacity
from pydantic import BaseModel

from aiguard import Breaker, Retry, guard
from benchmarks.observed.component import Function, tried
from benchmarks.peers.guarded import name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

ATTEMPTS = 3
CALLERS = 20
STREAK = 5
FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Rule:
    """After how many failures in a row a circuit opens, and for how long; half-open, it lets one probe in."""

    failures: int = STREAK
    open_for: float = 60.0


Circuit: TypeAlias = Callable[[Function, Rule | None], Function]
"""Puts a circuit round a function; without a rule, one with the library's defaults."""


@dataclass(frozen=True, slots=True)
class Library:
    """
    How one library is set up; what it has no feature for stays `None`.

    Attributes:
        title: Its column.
        packages: The distributions it is made of.
        circuit: Its breaker, as a decorator.
        block: Its breaker, with the call or the loop written inside its `with`, where that hears what the decorator
            does not.
        form: How that is written.
        awaits: Whether the decorator awaits a coroutine; otherwise the block is what guards one.
        retried: At most three attempts, without waiting in between.
        bounded: At most three attempts within so many seconds, of two thirds of that each.
        checked: The answer has to be an `Answer`.
        answered: A fallback; returns all that the caller can learn.
        logged: Whatever it logs with, switched on.
    """

    title: str
    packages: tuple[str, ...]
    circuit: Circuit | None = None
    block: Circuit | None = None
    form: str = ""
    awaits: bool = True
    retried: Callable[[Function], Function] | None = None
    bounded: Callable[[Function, float], Function] | None = None
    checked: Callable[[Function], Function] | None = None
    answered: Callable[[Function], Function] | None = None
    logged: Circuit | None = None


class Answer(BaseModel):
    """The contract."""

    label: Literal["bug", "other"]
    score: float


def aiguard() -> Library:
    """One decorator."""

    def guarded(fn: Function, **settings: Any) -> Any:
        if inspect.isasyncgenfunction(fn):
            settings["stream"] = "passthrough"
        return guard(name("claim"), **({"deadline": 10.0} | settings))(fn)

    def rule_of(rule: Rule | None) -> Breaker:
        if rule is None:
            return Breaker()
        return Breaker(failure_rate=1.0, minimum_calls=rule.failures, open_for=rule.open_for, probes=1)

    retry = Retry(attempts=ATTEMPTS, wait=tenacity.wait_none())
    return Library(
        "aiguard",
        ("aiguard-boundary",),
        circuit=lambda fn, rule: guarded(fn, breaker=rule_of(rule)),
        retried=lambda fn: guarded(fn, retry=retry),
        bounded=lambda fn, seconds: guarded(
            fn, deadline=seconds, attempt_timeout=seconds * 2 / 3, retry=Retry(attempts=ATTEMPTS)
        ),
        checked=lambda fn: guarded(fn, output=Answer),
        answered=lambda fn: guarded(fn, fallback=[FALLBACK]).outcome,
        logged=lambda fn, rule: guarded(fn, breaker=rule_of(rule), retry=retry),
    )


def by_hand() -> Library:
    """The usual stack: pybreaker inside tenacity, `asyncio.timeout` or a pool's thread, pydantic."""
    retry = tenacity.retry(stop=tenacity.stop_after_attempt(ATTEMPTS), reraise=True)

    def circuit(fn: Function, rule: Rule | None) -> Function:
        return (_calling if _is_async(fn) else _pybreaker)(fn, rule, throw_new_error_on_trip=False)

    def bounded(fn: Function, seconds: float) -> Function:
        retrying = tenacity.retry(
            stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(seconds),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2.0),
            reraise=True,
        )
        if not _is_async(fn):
            pool = ThreadPoolExecutor(CALLERS)
            return retrying(lambda *args: pool.submit(fn, *args).result(seconds * 2 / 3))

        async def attempt(*args: Any) -> Any:
            async with asyncio.timeout(seconds * 2 / 3):
                return await fn(*args)

        async def call(*args: Any) -> Any:
            async with asyncio.timeout(seconds):
                return await retrying(attempt)(*args)

        return call

    def checked(fn: Function) -> Function:
        return lambda: Answer.model_validate_json(fn().choices[0].message.content)

    def answered(fn: Function) -> Function:
        def call() -> Any:
            try:
                return fn()
            except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
                return FALLBACK

        return call

    return Library(
        "tenacity + pybreaker by hand",
        ("tenacity", "pybreaker"),
        circuit,
        retried=retry,
        bounded=bounded,
        checked=checked,
        answered=answered,
        logged=lambda fn, rule: _tenacity_logging(circuit(fn, rule), reraise=True),
    )


def pybreaker_alone() -> Library:
    """Its decorator; its `calling()` around what its decorator does not await."""
    return Library("pybreaker", ("pybreaker",), _pybreaker, _calling, "calling()", awaits=False)


def tenacity_alone() -> Library:
    """Its decorator, raising its own `RetryError`, as is its default."""
    limit = tenacity.stop_after_attempt(ATTEMPTS)
    return Library(
        "tenacity",
        ("tenacity",),
        retried=tenacity.retry(stop=limit),
        bounded=lambda fn, seconds: tenacity.retry(stop=limit | tenacity.stop_before_delay(seconds))(fn),
        answered=tenacity.retry(stop=limit, retry_error_callback=lambda _state: FALLBACK),
        logged=lambda fn, _rule: _tenacity_logging(fn, reraise=False),
    )


def interlock() -> Library:
    """Its breaker, and its pipeline in the order of its guide; a deadline is a second timeout, outermost."""
    library: Any = import_module("interlock")

    def breaker(rule: Rule | None, **settings: Any) -> Any:
        config = library.Config()
        if rule is not None:
            config = library.Config(
                failure_rate_threshold=1.0,
                minimum_number_of_calls=rule.failures,
                wait_duration_in_open=rule.open_for,
                permitted_calls_in_half_open=1,
            )
        return library.CircuitBreaker(name=name("claim"), config=config, **settings)

    def block(fn: Function, rule: Rule | None) -> Function:
        shared = breaker(rule)
        return _inside(fn, lambda: shared)

    def retry(**settings: Any) -> Any:
        return library.Pipeline.builder().retry(attempts=ATTEMPTS, wait=tenacity.wait_none(), **settings)

    def bounded(fn: Function, seconds: float) -> Function:
        pipeline: Any = library.Pipeline.builder().timeout(seconds).retry(attempts=ATTEMPTS).timeout(seconds * 2 / 3)
        bound: Function = pipeline.build()(fn)
        return bound

    def logged(fn: Function, rule: Rule | None) -> Function:
        listener = library.LoggingEventListener()
        wrapped: Function = retry(listener=listener).circuit_breaker(breaker(rule, listener=listener)).build()(fn)
        return wrapped

    return Library(
        "interlock-cb",
        ("interlock-cb",),
        lambda fn, rule: breaker(rule)(fn),
        block,
        "async with",
        retried=retry().build(),
        bounded=bounded,
        answered=library.Pipeline.builder().fallback(lambda _error: FALLBACK).build(),
        logged=logged,
    )


def stamina() -> Library:
    """Its decorator; it logs by default."""
    retry: Any = import_module("stamina").retry
    at_once = {"on": Exception, "attempts": ATTEMPTS, "wait_initial": 0.0, "wait_jitter": 0.0}
    return Library(
        "stamina",
        ("stamina",),
        retried=retry(**at_once),
        bounded=lambda fn, seconds: retry(on=Exception, attempts=ATTEMPTS, timeout=seconds)(fn),
        logged=lambda fn, _rule: retry(**at_once)(fn),
    )


def circuitbreaker() -> Library:
    """Its decorator."""
    circuit: Any = import_module("circuitbreaker").circuit

    def wrapped(fn: Function, rule: Rule | None) -> Function:
        settings = {} if rule is None else {"failure_threshold": rule.failures, "recovery_timeout": rule.open_for}
        guarded: Function = circuit(name=name("claim"), **settings)(fn)
        return guarded

    def answered(fn: Function) -> Function:
        guarded: Function = circuit(failure_threshold=1, fallback_function=lambda: FALLBACK)(fn)
        tried(guarded)  # its fallback answers only while it is open
        return guarded

    return Library("circuitbreaker", ("circuitbreaker",), wrapped, answered=answered)


def purgatory() -> Library:
    """The factory for the function's kind, as a decorator."""
    library: Any = import_module("purgatory")

    def circuit(fn: Function, rule: Rule | None) -> Function:
        factory = (library.AsyncCircuitBreakerFactory if _is_async(fn) else library.SyncCircuitBreakerFactory)()
        settings = () if rule is None else (rule.failures, rule.open_for)
        guarded: Function = factory(name("claim"), *settings)(fn)
        return guarded

    def block(fn: Function, rule: Rule | None) -> Function:
        rule = rule or Rule()
        factory = library.AsyncCircuitBreakerFactory(rule.failures, rule.open_for)

        @asynccontextmanager
        async def enter() -> AsyncIterator[None]:
            async with await factory.get_breaker("claim"):
                yield

        return _inside(fn, enter)

    return Library("purgatory", ("purgatory",), circuit, block, "async with")


LIBRARIES: tuple[Callable[[], Library], ...] = (
    aiguard,
    by_hand,
    interlock,
    pybreaker_alone,
    circuitbreaker,
    purgatory,
    tenacity_alone,
    stamina,
)


def _is_async(fn: Function) -> bool:
    return inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)


def _inside(fn: Function, enter: Callable[[], AbstractAsyncContextManager[Any]]) -> Function:
    """Return `fn` as a person writes it into a library's `with`: the await, or the whole loop."""

    async def call(*args: Any, **kwargs: Any) -> Any:
        async with enter():
            return await fn(*args, **kwargs)

    async def stream(*args: Any, **kwargs: Any) -> Any:
        async with enter():
            async for item in fn(*args, **kwargs):
                yield item

    return stream if inspect.isasyncgenfunction(fn) else call


def _new_pybreaker(rule: Rule | None, settings: dict[str, Any]) -> pybreaker.CircuitBreaker:
    rule = rule or Rule()  # its defaults
    return pybreaker.CircuitBreaker(fail_max=rule.failures, reset_timeout=rule.open_for, **settings)


def _pybreaker(fn: Function, rule: Rule | None, **settings: Any) -> Function:
    return _new_pybreaker(rule, settings)(fn)


def _calling(fn: Function, rule: Rule | None, **settings: Any) -> Function:
    breaker = _new_pybreaker(rule, settings)

    @asynccontextmanager
    async def enter() -> AsyncIterator[None]:
        with breaker.calling():
            yield

    return _inside(fn, enter)


def _tenacity_logging(fn: Function, *, reraise: bool) -> Function:
    log: Any = tenacity.before_sleep_log(logging.getLogger("claims"), logging.WARNING)
    return tenacity.retry(stop=tenacity.stop_after_attempt(ATTEMPTS), before_sleep=log, reraise=reraise)(fn)
