"""
How one item at a time leaves a component.

A stream's stages wait, all of them, in the innermost `surface(pull)`; items pass them by, straight from the pull to
the caller. So a stage's scope is the whole stream, and an item costs no walk through the pipeline. The clock of a pull
runs only while somebody waits for the component, never while the consumer takes its time.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from aiguard.call import logger
from aiguard.classification import class_name, traceback_of
from aiguard.deadline import earliest, publish, withdraw
from aiguard.engine.clocks import NO_CLOCKS, Clocks
from aiguard.signals import Expired, Halted
from aiguard.switch import FRESH

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from aiguard.call import Call, Journal
    from aiguard.switch import Switch

CLOSING_GRACE: Final = 1.0
"""Seconds that a stream's own cleanup may take once nobody wants its items any more."""


class Consumer(Protocol):
    """
    The guarded stream, as a pull sees it.

    Attributes:
        judge: What each item must pass.
        note: Hears when each item that leaves was asked for; `None` where nobody listens.
        switch: What ends the stream before its next item.
    """

    judge: Callable[[Any], Any] | None
    note: Callable[[float | None, Any], None] | None
    switch: Switch

    def resumed(self, error: BaseException) -> Any:
        """Let the pipeline go on with `error`; return the next item, from wherever it comes, or end the stream."""


class Tally:
    """
    Where a pull counts what it has given.

    Attributes:
        delivered: How many items.
    """

    delivered = 0


class Pull:
    """
    What items are pulled from.

    Attributes:
        began: When the pull under way began; `None` while the consumer is at work.
        hasty: Whether closing must not wait for the source: nobody closes it, the stream was just dropped.
    """

    __slots__ = ("began", "hasty")

    def __init__(self) -> None:
        self.began: float | None = None
        self.hasty = False


class ClockedPull(Pull):
    """
    Items of a component's own iterator, and the clocks that run while they are waited for.

    Attributes:
        source: The component's own iterator.
        tally: Where its items are counted: the call's journal, unless its items are pieces of what the caller gets.
    """

    __slots__ = (
        "_allowed",
        "_call",
        "_clock",
        "_fresh",
        "_idle",
        "_is_ai",
        "_key",
        "_left",
        "_most",
        "_now",
        "_opened",
        "source",
        "tally",
    )

    def __init__(self, source: Any, call: Call, until: float, clocks: Clocks = NO_CLOCKS) -> None:
        super().__init__()
        run = call.run
        now = call.clock.now()
        self.source = source
        self.tally: Journal | Tally = call.journal
        self._call = call
        self._clock = call.clock
        self._now = call.clock.now
        self._is_ai = call.journal.by_ai  # what no AI gives, no halt holds back
        self._key = call.journal.key
        self._opened = now
        self._allowed = self._left = until - now  # of the whole
        self._fresh = True
        self._idle = clocks.idle
        self._most = (now if run.started is None else run.started) + clocks.first_item - now  # of the next item

    @property
    def taken(self) -> float:
        """Seconds for which nobody waited for the component; to be read once the last pull has ended."""
        return self._now() - self._opened - (self._allowed - self._left)

    def _answered(self) -> None:
        """Note the first item: from now on the next one has `idle` to come."""
        self._fresh = False
        self._most = self._idle
        timed = self._call.run.timed
        if timed is not None:
            timed.answered(self._now())

    def _late(self) -> Expired:
        """Return what ends a pull whose time is over."""
        return Expired("" if self._left <= self._most else "first_item" if self._fresh else "idle")


def refuse_second(kind: str) -> NoReturn:
    """Raise what Python raises where a generator is asked for two items at once."""
    msg = f"{kind} already running"
    raise (ValueError if kind == "generator" else RuntimeError)(msg)


def caught(error: BaseException) -> BaseException:
    """Return `error` without the pull's own frame in its traceback: that frame holds the consumer's stream."""
    traceback = traceback_of(error)
    return BaseException.with_traceback(error, traceback.tb_next if traceback is not None else None)


@types.coroutine
def surface(pull: Pull) -> Generator[Pull, None, None]:
    """Hand `pull` to the driver; return when it is exhausted, raise what it raised."""
    yield pull


class InlinePull(ClockedPull):
    """Pulls in the caller's thread."""

    __slots__ = ("_next", "_run", "_scope")

    def __init__(self, source: Iterator[Any], call: Call, until: float, clocks: Clocks = NO_CLOCKS) -> None:
        super().__init__(source, call, until, clocks)
        self._next = source.__next__
        self._scope = call.run.scope
        self._run = call.run

    def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:  # noqa: C901, PLR0912, PLR0915 - one frame an item
        """Return the next item, or what `stream` makes of the end, of an error and of time used up."""
        if self.began is not None:
            refuse_second("generator")
        now = self._now
        switch = stream.switch
        gate = switch.gate
        left = self._left
        limit = self._most
        if left < limit:  # noqa: PLR1730 - `min` is a call: it would double what the clocks cost an item
            limit = left
        self.began = began = now()
        try:
            if (gate.known is not switch.clear or began >= gate.due) and self._is_ai:
                why = switch.halted(self._key)
                if why is not None:
                    raise Halted(why)  # noqa: TRY301 - to the pipeline, as everything else
            token = publish((earliest(began + limit, self._clock), self._clock, self._run))
            scope = self._scope
            scope_token = scope.enter() if scope is not None else None
            try:
                item = self._next() if sent is None else sent()
            finally:
                if scope is not None:
                    scope.leave(scope_token)
                withdraw(token)
            took = now() - began
            if took > limit:
                raise self._late()  # noqa: TRY301 - to the pipeline, as everything else
            self._left = left - took
            if self._fresh:
                self._answered()
            if stream.judge is not None:
                item = stream.judge(item)
                took = now() - began
            if took > FRESH and self._is_ai and (why := switch.halted(self._key)) is not None:
                raise Halted(why)  # noqa: TRY301 - it was waited for, or judged for long, and comes too late
            if stream.note is not None:
                stream.note(began, item)
        except BaseException as raised:  # noqa: BLE001 - the pipeline's stages know what is theirs
            error = caught(raised)
        else:
            self.began = None
            self.tally.delivered += 1
            return item
        self.began = None
        item = None  # what stays in is in no frame of the error
        self._left = left - (now() - began)
        try:
            return stream.resumed(error)
        finally:
            del error

    def close(self) -> None:
        """Close the source."""
        close_source(self.source)


def close_source(source: object) -> None:
    """Close a component's iterator, if it can be closed."""
    close = getattr(source, "close", None)
    if close is not None:
        try:
            close()
        except Exception as error:  # noqa: BLE001 - the answer is out already, or an error that says more
            logger.warning("a stream's cleanup raised %s", class_name(error))
