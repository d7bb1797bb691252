"""
Run each claim of docs/comparison.md against every library that is installed, and print what was observed.

    python benchmarks/claims.py [--json FILE]

One experiment a claim, the same for all; only how a library is set up differs, and each is set up as its own
documentation shows. Whether a circuit is open is never asked: what counts is whether a call reaches the component.
`–` means that a library has no such feature.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import logging
import platform
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pybreaker
import tenacity
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script sees only its own folder

from aiguard import Breaker, Retry, guard
from benchmarks.peers.guarded import name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable
    from contextlib import AbstractAsyncContextManager

Function: TypeAlias = Callable[..., Any]

NONE = "–"
ATTEMPTS = 3
CALLERS = 20
STREAK = 5
FALLBACK = "fallback"
PROMPT = "the name of the patient is Ada"


@dataclass(frozen=True, slots=True)
class Lab:
    """
    How time passes in an experiment.

    Attributes:
        run: Runs a coroutine on a loop.
        sleep: How a blocking component takes its time.
        now: Seconds.
        tick: What an experiment counts in; results are given as if it were a tenth of a second.
    """

    run: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.run
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    tick: float = 0.1

    def since(self, start: float) -> str:
        """Return the time since `start` as people read it."""
        return f"{(self.now() - start) / self.tick / 10:.1f} s"


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
    retried: Callable[[Function], Function] | None = None
    bounded: Callable[[Function, float], Function] | None = None
    checked: Callable[[Function], Function] | None = None
    answered: Callable[[Function], Function] | None = None
    logged: Circuit | None = None


class Answer(BaseModel):
    """The contract."""

    label: Literal["bug", "other"]
    score: float


# --- the libraries


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
    return Library("pybreaker", ("pybreaker",), _pybreaker, _calling, "calling()")


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
        _tried(guarded)  # its fallback answers only while it is open
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


# --- the component, and what is done with it


class Component:
    """What is guarded: does what it is told, and counts how often it was reached."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._calls: list[None] = []  # appended to from many threads

    @property
    def reached(self) -> int:
        """How often it was called."""
        return len(self._calls)

    def function(self, seconds: float = 0.0, *, fails: bool = False) -> str:
        """Take so long, then answer or fail."""
        self._calls.append(None)
        if seconds:
            self._lab.sleep(seconds)
        return self._end(fails)

    async def coroutine(self, seconds: float = 0.0, *, fails: bool = False) -> str:
        """Do the same on a loop."""
        self._calls.append(None)
        await asyncio.sleep(seconds)
        return self._end(fails)

    async def stream(self, breaks_before: str = "", *, once: bool = False) -> AsyncIterator[str]:
        """Yield `a`, `b`, `c`, or break before one of them: at every call, or at the first alone."""
        self._calls.append(None)
        for item in "abc":
            if item == breaks_before and (self.reached == 1 or not once):
                raise ConnectionError
            yield item

    def _end(self, fails: bool) -> str:  # noqa: FBT001 - handed on
        if fails:
            raise ConnectionError
        return "ok"


def _tried(call: Function, *args: Any, **kwargs: Any) -> Exception | None:
    """Return what a call raised."""
    try:
        call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - what it raises is the observation
        return error
    return None


async def _tried_async(awaited: Awaitable[Any]) -> Exception | None:
    """Return what an awaited call raised."""
    try:
        await awaited
    except Exception as error:  # noqa: BLE001 - what it raises is the observation
        return error
    return None


async def _consume(stream: Any) -> tuple[list[str], Exception | None]:
    """Return what a consumer received, and what ended it early."""
    items: list[str] = []
    try:
        if inspect.iscoroutine(stream):
            stream = await stream
        async for item in stream:
            items.append(item)  # noqa: PERF401 - what came before the error counts
    except Exception as error:  # noqa: BLE001 - what it raises is the observation
        return items, error
    return items, None


def _awaited(library: Library) -> Circuit | None:
    """Return how the library puts a circuit round a coroutine: pybreaker has only its block for that."""
    return library.block if library.circuit is _pybreaker else library.circuit


# --- the experiments: each returns what a cell says


def probes(library: Library, lab: Lab) -> str:
    """Let many callers meet a circuit whose pause is just over, with the component still down."""
    awaited = _awaited(library)
    if library.circuit is None or awaited is None:
        return NONE
    pause = Rule(1, lab.tick)

    async def tasks() -> int:
        component = Component(lab)
        guarded = awaited(component.coroutine, pause)
        await _tried_async(guarded(fails=True))
        await asyncio.sleep(1.5 * lab.tick)
        await asyncio.gather(*(_tried_async(guarded(lab.tick, fails=True)) for _ in range(CALLERS)))
        return component.reached - 1

    component = Component(lab)
    guarded = library.circuit(component.function, pause)
    _tried(guarded, fails=True)
    lab.sleep(1.5 * lab.tick)
    together = threading.Barrier(CALLERS)

    def call(_: int) -> None:
        together.wait()
        _tried(guarded, lab.tick, fails=True)

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, range(CALLERS)))
    return f"{lab.run(tasks())} / {component.reached - 1}"


def serialised(library: Library, lab: Lab) -> str:
    """Call a function of 0.2 s from four threads at once."""
    if library.circuit is None:
        return NONE
    guarded = library.circuit(Component(lab).function, None)
    start = lab.now()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(guarded, [2 * lab.tick] * 4))
    return lab.since(start)


def _opens(wrap: Circuit, lab: Lab, *, streams: bool) -> str:
    async def observe() -> str:
        component = Component(lab)
        guarded = wrap(component.stream if streams else component.coroutine, Rule())
        error = None
        for _ in range(STREAK):
            error = (await _consume(guarded("c")))[1] if streams else await _tried_async(guarded(fails=True))
        before = component.reached
        if not before:
            return f"`{type(error).__name__}`"
        _ = await _consume(guarded()) if streams else await _tried_async(guarded())
        return "opens" if component.reached == before else "stays closed"

    observed: str = lab.run(observe())
    return observed


def _hears(library: Library, lab: Lab, *, streams: bool) -> str:
    if library.circuit is None:
        return NONE
    observed = _opens(library.circuit, lab, streams=streams)
    if observed != "opens" and library.block is not None:
        by_block = _opens(library.block, lab, streams=streams)
        observed += f"; {by_block} with the {'loop' if streams else 'await'} inside `{library.form}`"
    return observed


def hears_coroutine(library: Library, lab: Lab) -> str:
    """Let an `async def` fail as often as the circuit bears."""
    return _hears(library, lab, streams=False)


def hears_stream(library: Library, lab: Lab) -> str:
    """Let as many streams break after their second item."""
    return _hears(library, lab, streams=True)


def _received(library: Library, lab: Lab, breaks_before: str) -> str:
    if library.retried is None:
        return NONE
    items, error = lab.run(_consume(library.retried(Component(lab).stream)(breaks_before, once=True)))
    end = [f"`{type(error).__name__}`"] if error is not None else []
    return ", then ".join([f"`{' '.join(items)}`", *end] if items else end)


def broken_stream(library: Library, lab: Lab) -> str:
    """Break the first stream after two items; a second one would be whole."""
    return _received(library, lab, "c")


def unbegun_stream(library: Library, lab: Lab) -> str:
    """Break the first stream before its first item; a second one would be whole."""
    return _received(library, lab, "a")


def cancelled(library: Library, lab: Lab) -> str:
    """Cancel one call after failures that are one short of opening the circuit."""
    awaited = _awaited(library)
    parts: dict[str, None] = {}

    async def cancel(guarded: Function) -> str:
        task = asyncio.ensure_future(guarded(60.0))
        await asyncio.sleep(lab.tick / 10)
        task.cancel()
        await asyncio.wait([task])
        if task.cancelled():
            return "passes"
        return f"replaced by `{type(task.exception()).__name__}`" if task.exception() else "swallowed"

    async def counted() -> None:
        assert awaited is not None  # noqa: S101 - asked below
        component = Component(lab)
        guarded = awaited(component.coroutine, Rule())
        for _ in range(STREAK - 1):
            await _tried_async(guarded(fails=True))
        parts[await cancel(guarded)] = None
        before = component.reached
        await _tried_async(guarded(fails=True))
        if component.reached == before:
            parts["counted as a failure"] = None
            return
        before = component.reached
        await _tried_async(guarded(fails=True))
        parts["not counted" if component.reached == before else "counted as a success"] = None

    async def repeated() -> None:
        assert library.retried is not None  # noqa: S101 - asked below
        component = Component(lab)
        parts[await cancel(library.retried(component.coroutine))] = None
        parts["not retried" if component.reached == 1 else "retried"] = None

    if awaited is not None:
        lab.run(counted())
    if library.retried is not None:
        lab.run(repeated())
    return ", ".join(parts)


def interleaved(library: Library, lab: Lab) -> str:
    """Let four calls of five fail, with the library's own defaults."""
    if library.circuit is None:
        return NONE
    component = Component(lab)
    guarded = library.circuit(component.function, None)
    for number in range(1, 501):
        _tried(guarded, fails=number % STREAK != 0)
        if component.reached < number:
            return f"after {number - 1} calls"
    return "not in 500 calls"


def in_time(library: Library, lab: Lab) -> str:
    """Let a component hang for a second, within a deadline of 0.3 s for three attempts."""
    if library.bounded is None:
        return NONE
    component = Component(lab)
    hang, seconds = 10 * lab.tick, 3 * lab.tick
    awaited = library.bounded(component.coroutine, seconds)
    blocking = library.bounded(component.function, seconds)

    async def observe() -> str:
        start = lab.now()
        await _tried_async(awaited(hang))
        return lab.since(start)

    observed = lab.run(observe())
    start = lab.now()
    _tried(blocking, hang)
    return f"{observed} / {lab.since(start)}"


def late(library: Library, lab: Lab) -> str:
    """Let a call that began before the circuit opened end while it is open: badly, and well."""
    awaited = _awaited(library)
    if awaited is None:
        return NONE

    async def let_in(*, fails: bool) -> bool:
        component = Component(lab)
        guarded = awaited(component.coroutine, Rule(1, 3 * lab.tick))
        straggler = asyncio.ensure_future(_tried_async(guarded(2 * lab.tick, fails=fails)))
        await asyncio.sleep(lab.tick / 10)
        await _tried_async(guarded(fails=True))
        await straggler
        if fails:
            await asyncio.sleep(2 * lab.tick)  # now the pause is over, unless the late failure began it anew
        before = component.reached
        await _tried_async(guarded())
        return component.reached > before

    wrong = [] if lab.run(let_in(fails=True)) else ["a late failure begins the pause anew"]
    wrong += ["a late success closes it"] if lab.run(let_in(fails=False)) else []
    return ", ".join(wrong) or "no"


def _reply(text: str, finish_reason: str = "stop") -> Any:
    """Return what OpenAI's client returns, as far as anybody reads it here."""
    choice = SimpleNamespace(finish_reason=finish_reason, message=SimpleNamespace(content=text, refusal=None))
    reply = type("ChatCompletion", (SimpleNamespace,), {"__module__": "openai.types.chat"})
    return reply(choices=[choice])


BREACHES = {
    "NaN": _reply('{"label": "bug", "score": NaN}'),
    "`true`": _reply('{"label": "bug", "score": true}'),
    "missing key": _reply('{"label": "bug"}'),
    "truncated": _reply('{"label": "bug", "score": 0.', finish_reason="length"),
}


def invalid(library: Library, _lab: Lab) -> str:
    """Let the component answer outside its contract."""
    wrap = library.checked or library.retried or (lambda fn: library.circuit(fn, None) if library.circuit else fn)
    reached = [breach for breach, reply in BREACHES.items() if _tried(wrap(lambda reply=reply: reply)) is None]
    if library.checked is None:
        return f"{len(reached)} of {len(BREACHES)} (not its job)"
    return f"{len(reached)} of {len(BREACHES)}" + (f": {', '.join(reached)}" if reached else "")


def provenance(library: Library, lab: Lab) -> str:
    """Let a fallback answer, and look at what the caller gets."""
    if library.answered is None:
        return NONE
    got = library.answered(lambda: Component(lab).function(fails=True))()
    if got == FALLBACK:
        return "no: the bare value"
    return f"yes: `source={str(got.source)!r}`, `kind={got.failure.kind.value!r}`"


class _Records(logging.Handler):
    """Keeps all that is logged, with whatever a record carries beside its message."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.text += f"{record.getMessage()} {record.__dict__}\n"


def leaks(library: Library, _lab: Lab) -> str:
    """Let the component's exception quote its prompt, as clients do, and look where it shows."""
    wrap = library.logged or library.circuit
    if wrap is None:
        return NONE
    reached: list[str] = []

    def component(prompt: str) -> str:
        reached.append(prompt)
        msg = f"no answer to {prompt!r}"
        raise ConnectionError(msg)

    guarded = wrap(component, Rule(ATTEMPTS))
    records, root = _Records(), logging.getLogger()
    level = root.level
    root.addHandler(records)
    root.setLevel(logging.DEBUG)
    shown: dict[str, None] = {}
    try:
        for _ in range(2 * ATTEMPTS):
            before = len(reached)
            error = _tried(guarded, PROMPT)
            if PROMPT in str(error):
                shown["the error" if len(reached) > before else "the rejection"] = None
            elif PROMPT in "".join(traceback.format_exception(error)):
                shown["a traceback"] = None
    finally:
        root.removeHandler(records)
        root.setLevel(level)
    if PROMPT in records.text:
        shown["the log"] = None
    return ", ".join(shown) or "nowhere"


CLAIMS: dict[str, Callable[[Library, Lab], str]] = {
    "20 callers meet a half-open circuit set to one probe: so many get through (tasks / threads)": probes,
    "4 threads call a function of 0.2 s through one breaker: time in all": serialised,
    "An `async def` fails 5 times: the breaker": hears_coroutine,
    "5 streams (async generators) break after two items: the breaker": hears_stream,
    "A stream breaks after `a b`, under retry: the consumer receives": broken_stream,
    "A stream breaks before its first item, under retry: the consumer receives": unbegun_stream,
    "A task is cancelled: the cancellation": cancelled,
    "80 % of the calls fail, interleaved with successes, default settings: it opens": interleaved,
    "A component hangs, one deadline of 0.3 s over three attempts: time until an answer (async / sync)": in_time,
    "A call from before the trip ends after it: does that move the state": late,
    f"Answers outside their contract that reach the caller ({', '.join(BREACHES)})": invalid,
    "A fallback answered: can the caller tell": provenance,
    "The component's exception quotes the prompt: that shows in": leaks,
}


def installed() -> tuple[list[Library], list[str]]:
    """Return the libraries that are here, and the names of those that are not."""
    found, missing = [], []
    for build in LIBRARIES:
        try:
            library = build()
        except ModuleNotFoundError as error:
            missing.append(str(error.name))
        else:
            found.append(library)
    return found, missing


def headed(library: Library) -> str:
    """Return the title of a library with the versions that ran."""
    title = library.title
    for package in library.packages:
        known = package if package in title else title
        try:
            title = title.replace(known, f"{known} {version(package)}", 1)
        except PackageNotFoundError:
            continue
    return title


def observe(libraries: Iterable[Library], lab: Lab) -> dict[str, dict[str, str]]:
    """Return what was observed: by claim, by library."""
    return {claim: {it.title: experiment(it, lab) for it in libraries} for claim, experiment in CLAIMS.items()}


def markdown(libraries: list[Library], observed: dict[str, dict[str, str]]) -> str:
    """Return the table."""
    rows = [["", *(headed(library) for library in libraries)], ["---"] * (len(libraries) + 1)]
    rows += [[claim, *(cells[library.title] for library in libraries)] for claim, cells in observed.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main(arguments: list[str] | None = None) -> int:
    """Run everything that is installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every cell to this file")
    options = parser.parse_args(arguments)

    logging.getLogger().addHandler(logging.NullHandler())  # what libraries log would stand in the table
    libraries, missing = installed()
    observed = observe(libraries, Lab())
    python = f"{platform.python_implementation()} {platform.python_version()}"
    sys.stdout.write(markdown(libraries, observed))
    sys.stdout.write(f"\n{python}, {platform.system()} {platform.machine()}.\n")
    if missing:
        sys.stdout.write(f"Not installed, and left out: {', '.join(missing)}.\n")
    if options.json:
        document = {"python": python, "libraries": {it.title: headed(it) for it in libraries}, "observed": observed}
        options.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
