"""
Faults injected into components, at a rate.

    with inject("ticket-triage", Fails("overloaded"), rate=0.2, seed=7) as injected:
        ...
    print(injected.hits, "of", injected.calls)
"""

from __future__ import annotations

import asyncio
import random
import secrets
import threading
from typing import TYPE_CHECKING, Any, Final

from aiguard.problem import shown
from aiguard.stream import async_iterated, iterated
from aiguard.testing.faults import (
    GARBAGE,
    Drip,
    Garbage,
    Hang,
    Latency,
    OneOf,
    Truncation,
    program_of,
    raised,
)
from aiguard.testing.gate import Gate
from aiguard.testing.health import Health
from aiguard.testing.interception import Block
from aiguard.testing.route import ShapedStandIn, StandIn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from aiguard.engine.calls import Args, Kwargs
    from aiguard.engine.pipeline import Pipeline
    from aiguard.testing.faults import Fault
    from aiguard.testing.interception import Which
    from aiguard.testing.route import Plan

_ON: Final[Any] = object()
"""In an answer's place: there is none yet, the component is asked."""


class inject(Block):  # noqa: N801 - used as a word, as `contextlib.suppress` is
    """
    Faults that happen to a part of the attempts, while its block is open.

    Args:
        boundary: Whose component: a boundary's name, itself, or the function that it guards; a pattern such as
            `"chat-*"`, for those too that are declared later; `None` for every boundary.
        fault: What happens: one fault, or several in a list, in this order.
        rate: To which part of the attempts, by chance: 0 to 1. A retry is an attempt of its own.
        times: To how many attempts of each boundary at most; by default no limit.
        seed: Of the chance. The n-th attempt of a boundary meets the same with the same seed, whatever other
            boundaries do. By default a new one each time.

    Attributes:
        calls: How many attempts there were.
        hits: How many of them were hit.
        seed: Of the chance: given again, it makes the same.
    """

    def __init__(
        self,
        boundary: Which,
        fault: Fault | Sequence[Fault],
        *,
        rate: float = 1.0,
        times: int | None = None,
        seed: int | str | None = None,
    ) -> None:
        super().__init__(boundary)
        if type(rate) not in {int, float} or not 0.0 <= rate <= 1.0:
            raise ValueError(f"inject: rate={shown(rate)} is no number from 0 to 1")
        if times is not None and (type(times) is not int or times < 1):
            raise ValueError(f"inject: times={shown(times)} is no whole number above 0")
        if seed is not None and type(seed) not in {int, str}:
            raise TypeError(f"inject: seed={shown(seed)} is neither a whole number nor text")
        self._arguments: tuple[Any, ...] = (boundary, fault, rate, times, seed)
        self._program = program_of(fault)
        self._rate = rate
        self._times = times
        self.seed: int | str = secrets.randbits(32) if seed is None else seed
        self._lock = threading.Lock()
        self._attempts: dict[str, int] = {}
        self._hits: dict[str, int] = {}
        self._health = Health()
        self.gate = Gate()
        self.pipelines: set[Pipeline] = set()

    @property
    def calls(self) -> int:
        """How many attempts there were."""
        with self._lock:
            return sum(self._attempts.values())

    @property
    def hits(self) -> int:
        """How many of them were hit."""
        with self._lock:
            return sum(self._hits.values())

    def begin(self) -> None:
        """Get ready. Raises `RuntimeError` where the block was entered before: what hung in it was let go for good."""
        if self.gate.is_open:
            raise RuntimeError("the block was entered before: make an injection for each use")

    def end(self, error: BaseException | None) -> None:
        """Let go of everybody who hangs, and tell a failing test how to see the same again."""
        self.gate.open()
        if isinstance(error, Exception) and self.hits:
            error.add_note(f"aiguard: {self!r}")

    def again(self) -> inject:
        """Return a block like this one that was never entered."""
        boundary, fault, rate, times, seed = self._arguments
        return inject(boundary, fault, rate=rate, times=times, seed=seed)

    def lay(self, plan: Plan) -> None:
        """Add these faults to those of the blocks around this one."""
        plan.direct = False
        plan.health = self._health
        plan.faults.append(self)

    def stand_in(self, fn: Callable[..., Any], pipeline: Pipeline) -> StandIn:
        """Return what meets the faults, and then perhaps calls `fn`."""
        return _Faulty(fn, pipeline, self)

    def drawn(self, pipeline: Pipeline) -> _Drawn | None:
        """Count an attempt; return what happens to it, if anything does."""
        name = pipeline.name
        if self.gate.is_open:  # a call that began inside the block goes on behind it
            return None
        with self._lock:
            number = self._attempts[name] = self._attempts.get(name, 0) + 1
            chance = random.Random(f"{self.seed}/{name}/{number}")  # noqa: S311 - repeatable is what is wanted here
            if chance.random() >= self._rate:
                return None
            hits = self._hits.get(name, 0) + 1
            if self._times is not None and hits > self._times:
                return None
            self._hits[name] = hits
            self.pipelines.add(pipeline)
        return _Drawn(self._program, chance)

    def __repr__(self) -> str:
        faults = ", ".join(map(repr, self._program))
        return f"<inject into {self.aim}: {self.hits} of {self.calls} attempts met {faults}; {self.replay}>"

    @property
    def replay(self) -> str:
        """What makes the same happen again."""
        return f"rate={self._rate:g}, seed={self.seed!r}"


class _Drawn:
    """What happens to one attempt: before its component is asked, to what it answers, and behind that."""

    def __init__(self, program: tuple[Fault, ...], chance: random.Random) -> None:
        self.before: list[Any] = []
        self.behind: list[Any] = []
        self.cut: Truncation | None = None
        self.drip = 0.0
        for fault in _flat(program, chance):
            if isinstance(fault, Drip):
                self.drip += fault.seconds
            elif isinstance(fault, Truncation) and self.cut is None:
                self.cut = fault
            elif isinstance(fault, Latency):
                (self.before if self.cut is None else self.behind).append(
                    Latency(fault.seconds + fault.jitter * chance.random())
                )
            else:
                (self.before if self.cut is None else self.behind).append(fault)


def _flat(program: tuple[Fault, ...], chance: random.Random) -> Iterator[Fault]:
    for fault in program:
        if isinstance(fault, OneOf):
            yield from _flat(fault.chosen(chance.random()), chance)
        else:
            yield fault


class _Faulty(StandIn):
    """A component that meets faults now and then."""

    def __init__(self, fn: Callable[..., Any], pipeline: Pipeline, injection: inject) -> None:
        super().__init__(fn)
        self._pipeline = pipeline
        self._injection = injection

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the component, as it is or with what happens to this attempt."""
        drawn = self._injection.drawn(self._pipeline)
        fn = self._fn if drawn is None else _Hit(self._fn, self._pipeline, self._injection.gate, drawn)
        return fn(*args, **kwargs)


class _Hit(ShapedStandIn):
    """A component, for one attempt, and what happens to it."""

    def __init__(self, fn: Callable[..., Any], pipeline: Pipeline, gate: Gate, drawn: _Drawn) -> None:
        super().__init__(fn, pipeline.shape)
        self._pipeline = pipeline
        self._gate = gate
        self._drawn = drawn

    def answer(self, args: Args, kwargs: Kwargs) -> Any:
        """Answer for a plain function."""
        drawn = self._drawn
        answer = self._meet(drawn.before)
        if answer is not _ON:
            return answer
        answer = self._fn(*args, **kwargs)
        self._wait(drawn.drip)
        if drawn.cut is None:
            return answer
        instead = self._meet(drawn.behind)
        return drawn.cut.of(answer) if instead is _ON else instead

    async def answer_async(self, args: Args, kwargs: Kwargs) -> Any:
        """Answer for an async one."""
        drawn = self._drawn
        answer = await self._meet_async(drawn.before)
        if answer is not _ON:
            return answer
        answer = await self._fn(*args, **kwargs)
        await _wait_async(drawn.drip)
        if drawn.cut is None:
            return answer
        instead = await self._meet_async(drawn.behind)
        return drawn.cut.of(answer) if instead is _ON else instead

    def items(self, args: Args, kwargs: Kwargs) -> Iterator[Any]:
        """Answer for a generator function."""
        drawn = self._drawn
        item = self._meet(drawn.before)
        if item is not _ON:
            yield item
            return
        source: Any = iterated(self._fn(*args, **kwargs))
        left = drawn.cut.items if drawn.cut is not None else -1
        sent: Any = None
        try:
            while left:
                try:
                    item = next(source) if sent is None else source.send(sent)
                except StopIteration:
                    return
                self._wait(drawn.drip)
                sent = yield item
                left -= 1
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
        item = self._meet(drawn.behind)
        if item is not _ON:
            yield item

    async def items_async(self, args: Args, kwargs: Kwargs) -> AsyncIterator[Any]:
        """Answer for an async generator function."""
        drawn = self._drawn
        item = await self._meet_async(drawn.before)
        if item is not _ON:
            yield item
            return
        result = self._fn(*args, **kwargs)
        source: Any = async_iterated(await result if hasattr(result, "__await__") else result)
        left = drawn.cut.items if drawn.cut is not None else -1
        sent: Any = None
        try:
            while left:
                try:
                    item = await (anext(source) if sent is None else source.asend(sent))
                except StopAsyncIteration:
                    return
                await _wait_async(drawn.drip)
                sent = yield item
                left -= 1
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()
        item = await self._meet_async(drawn.behind)
        if item is not _ON:
            yield item

    def _meet(self, faults: list[Any]) -> Any:
        """Let faults happen, one after the other; return what is answered, or `_ON`."""
        for fault in faults:
            if isinstance(fault, Latency):
                self._wait(fault.seconds)
            elif isinstance(fault, Hang):
                self._gate.hang(self._pipeline)
            elif isinstance(fault, Garbage):
                return GARBAGE
            else:
                raise raised(fault)
        return _ON

    async def _meet_async(self, faults: list[Any]) -> Any:
        for fault in faults:
            if isinstance(fault, Latency):
                await _wait_async(fault.seconds)
            elif isinstance(fault, Hang):
                await self._gate.hang_async()
            elif isinstance(fault, Garbage):
                return GARBAGE
            else:
                raise raised(fault)
        return _ON

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._gate.hold(self._pipeline, seconds)


async def _wait_async(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
