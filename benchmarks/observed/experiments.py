"""The experiments: one a claim, the same for every library; each returns what a cell of the table says."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks.observed.component import Component, Lab, consume, tried, tried_async
from benchmarks.observed.contestants import ATTEMPTS, CALLERS, FALLBACK, STREAK, Library, Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.observed.component import Function
    from benchmarks.observed.contestants import Circuit

NONE = "–"
PROMPT = "the name of the patient is Ada"


def _awaited(library: Library) -> Circuit | None:
    """Return how the library puts a circuit round a coroutine: with its block, where its decorator does not await."""
    return library.circuit if library.awaits else library.block


def probes(library: Library, lab: Lab) -> str:
    """Let many callers meet a circuit whose pause is just over, with the component still down."""
    awaited = _awaited(library)
    if library.circuit is None or awaited is None:
        return NONE
    pause = Rule(1, lab.tick)

    async def tasks() -> int:
        component = Component(lab)
        guarded = awaited(component.coroutine, pause)
        await tried_async(guarded(fails=True))
        await asyncio.sleep(1.5 * lab.tick)
        await asyncio.gather(*(tried_async(guarded(lab.tick, fails=True)) for _ in range(CALLERS)))
        return component.reached - 1

    component = Component(lab)
    guarded = library.circuit(component.function, pause)
    tried(guarded, fails=True)
    lab.sleep(1.5 * lab.tick)
    together = threading.Barrier(CALLERS)

    def call(_: int) -> None:
        together.wait()
        tried(guarded, lab.tick, fails=True)

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
            error = (await consume(guarded("c")))[1] if streams else await tried_async(guarded(fails=True))
        before = component.reached
        if not before:
            return f"`{type(error).__name__}`"
        _ = await consume(guarded()) if streams else await tried_async(guarded())
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
    items, error = lab.run(consume(library.retried(Component(lab).stream)(breaks_before, once=True)))
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
            await tried_async(guarded(fails=True))
        parts[await cancel(guarded)] = None
        before = component.reached
        await tried_async(guarded(fails=True))
        if component.reached == before:
            parts["counted as a failure"] = None
            return
        before = component.reached
        await tried_async(guarded(fails=True))
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
        tried(guarded, fails=number % STREAK != 0)
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
        await tried_async(awaited(hang))
        return lab.since(start)

    observed = lab.run(observe())
    start = lab.now()
    tried(blocking, hang)
    return f"{observed} / {lab.since(start)}"


def late(library: Library, lab: Lab) -> str:
    """Let a call that began before the circuit opened end while it is open: badly, and well."""
    awaited = _awaited(library)
    if awaited is None:
        return NONE

    async def let_in(*, fails: bool) -> bool:
        component = Component(lab)
        guarded = awaited(component.coroutine, Rule(1, 3 * lab.tick))
        straggler = asyncio.ensure_future(tried_async(guarded(2 * lab.tick, fails=fails)))
        await asyncio.sleep(lab.tick / 10)
        await tried_async(guarded(fails=True))
        await straggler
        if fails:
            await asyncio.sleep(2 * lab.tick)  # now the pause is over, unless the late failure began it anew
        before = component.reached
        await tried_async(guarded())
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
    reached = [breach for breach, reply in BREACHES.items() if tried(wrap(lambda reply=reply: reply)) is None]
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
            error = tried(guarded, PROMPT)
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
