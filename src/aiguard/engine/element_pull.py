"""
Elements of a JSON array, from the pieces of text that a component gives.

The pieces are pulled as the items of any stream are, one clock for each; what they close is given on, element by
element, each held to the contract as it leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.contract.elements import NOT_YET
from aiguard.engine.pulls import Pull, Tally, caught, refuse_second
from aiguard.signals import Halted
from aiguard.switch import FRESH

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call
    from aiguard.contract.elements import ElementReader
    from aiguard.engine.async_pull import AsyncPull
    from aiguard.engine.pulls import ClockedPull, Consumer, InlinePull
    from aiguard.engine.thread_pull import ThreadPull
    from aiguard.switch import Switch


class _Elements(Pull):
    """
    What the two kinds of pulls share: each is the consumer of the pull that the pieces come from.

    Attributes:
        judge: Pieces need none.
        note: Pieces are not what leaves.
        switch: What ends the stream before its next item.
    """

    __slots__ = ("_clock", "_inner", "_journal", "_reader", "judge", "note", "switch")

    switch: Switch

    def __init__(self, inner: ClockedPull, reader: ElementReader, call: Call) -> None:
        super().__init__()
        inner.tally = Tally()
        self._inner: Any = inner
        self._reader = reader
        self._journal = call.journal
        self._clock = call.clock
        self.judge: Callable[[Any], Any] | None = None
        self.note: Callable[[float | None, Any], None] | None = None

    @property
    def source(self) -> Any:
        """The component's own iterator."""
        return self._inner.source

    @property
    def taken(self) -> float:
        """Seconds for which nobody waited for the component."""
        taken: float = self._inner.taken
        return taken

    def _begin(self, stream: Consumer, kind: str) -> float:
        """Note that an element is asked for, and return when; refuse a second one at the same time."""
        if self.began is not None:
            refuse_second(kind)
        self.began = began = self._clock.now()
        self.switch = stream.switch
        return began


class ElementPull(_Elements):
    """Elements of a sync stream."""

    __slots__ = ()

    def __init__(self, inner: InlinePull | ThreadPull, reader: ElementReader, call: Call) -> None:
        super().__init__(inner, reader, call)

    def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:
        """Return the next element, or what `stream` makes of the end, of an error and of time used up."""
        reader = self._reader
        began = self._begin(stream, "generator")
        try:
            if (why := stream.switch.halted(self._journal.key)) is not None:
                raise Halted(why)  # noqa: TRY301 - to the pipeline, as everything else
            element = NOT_YET if sent is not None else reader.next()
            while element is NOT_YET:
                reader.feed(self._inner.pull(self, sent))
                sent = None
                element = reader.next()
            if self._clock.now() - began > FRESH and (why := stream.switch.halted(self._journal.key)) is not None:
                raise Halted(why)  # noqa: TRY301 - to the pipeline, as everything else
            if stream.note is not None:
                stream.note(began, element)
        except BaseException as raised:  # noqa: BLE001 - the pipeline's stages know what is theirs
            error = caught(raised)
        else:
            self.began = None
            self._journal.delivered += 1
            return element
        self.began = None
        element = None  # what stays in is in no frame of the error
        try:
            return stream.resumed(error)
        finally:
            del error

    def resumed(self, error: BaseException) -> Any:
        """Raise how the pieces ended; their end is the end of the elements only where the array is whole."""
        if issubclass(type(error), StopIteration):
            self._reader.end()
        raise error

    def close(self) -> None:
        """Close the component's iterator."""
        self._inner.hasty = self.hasty
        self._inner.close()


class AsyncElementPull(_Elements):
    """Elements of an async stream."""

    __slots__ = ()

    def __init__(self, inner: AsyncPull, reader: ElementReader, call: Call) -> None:
        super().__init__(inner, reader, call)

    async def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:
        """Return the next element, or what `stream` makes of the end, of an error and of time used up."""
        reader = self._reader
        began = self._begin(stream, "asynchronous generator")
        try:
            if (why := stream.switch.halted(self._journal.key)) is not None:
                raise Halted(why)  # noqa: TRY301 - to the pipeline, as everything else
            element = NOT_YET if sent is not None else reader.next()
            while element is NOT_YET:
                reader.feed(await self._inner.pull(self, sent))
                sent = None
                element = reader.next()
            if self._clock.now() - began > FRESH and (why := stream.switch.halted(self._journal.key)) is not None:
                raise Halted(why)  # noqa: TRY301 - to the pipeline, as everything else
            if stream.note is not None:
                stream.note(began, element)
        except BaseException as raised:  # noqa: BLE001 - the pipeline's stages know what is theirs
            error = caught(raised)
        else:
            self.began = None
            self._journal.delivered += 1
            return element
        self.began = None
        element = None  # what stays in is in no frame of the error
        try:
            return await stream.resumed(error)
        finally:
            del error, stream

    async def resumed(self, error: BaseException) -> Any:
        """Raise how the pieces ended; their end is the end of the elements only where the array is whole."""
        if issubclass(type(error), StopAsyncIteration):
            self._reader.end()
        raise error

    def forget(self) -> None:
        """Let go of everything."""
        self._inner.forget()

    async def close(self) -> None:
        """Close the component's iterator; its cleanup may await, for a while."""
        await self._inner.close()
