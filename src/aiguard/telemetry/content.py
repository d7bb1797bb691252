"""
Content on its way out: the text of arguments and answers, as a redaction lets it leave.

The text is made as they pass, and waits in a queue; a thread of its own gives it to the redaction, cuts what is left,
and tells it. Whatever goes wrong on that way, the content stays here: a redaction that raises, hangs or returns
anything but text, a full queue, content that is too long. What is dropped so is counted and told of once.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from aiguard.call import logger
from aiguard.telemetry import metrics, names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

Part: TypeAlias = Literal["input", "output", "refused"]

LONGEST: Final = 1024
"""Bytes of a part that leave: enough to see what was asked, and backends cut longer attributes anyway."""

QUEUE: Final = 16_000_000
"""Characters that wait for the redaction: where it is slower than the calls, the memory of the process is not its."""

EACH: Final = 512
"""Characters that a part counts beside its text: what waits with it takes memory too."""


class Content(NamedTuple):
    """
    What a redaction is asked about.

    Attributes:
        boundary: The boundary that it went into or came out of.
        part: `"input"`, the arguments; `"output"`, the value that left, a rung's too; `"refused"`, an answer that
            broke the contract.
        text: It, whole: a string as it is, anything else as JSON.
    """

    boundary: str
    part: Part
    text: str


Redaction: TypeAlias = "Callable[[Content], str | None]"


class Emit(Protocol):
    """Tells what a redaction let pass."""

    def __call__(
        self, said: dict[str, AttributeValue], whose: Mapping[str, AttributeValue], context: Context | None, /
    ) -> None:
        """Tell it as a log event of the call with this context."""


class TooLongError(Exception):
    """
    A value has no text that may leave.

    Attributes:
        why: Why not, without a word of it.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Capture:
    """
    What of this process is captured.

    Attributes:
        tap: Takes it; `None` costs a call that is heard one look, and one that is not heard nothing.
    """

    __slots__ = ("tap",)

    def __init__(self) -> None:
        self.tap: Tap | None = None


class _Waiting(NamedTuple):
    content: Content
    whose: Mapping[str, AttributeValue]
    context: Context | None


class Tap:
    """
    Content on its way to a redaction.

    Args:
        redact: What decides on it.
        boundaries: The names of those whose content it takes.
        text_of: Returns the text of a value: `content_text.py`'s.
        emit: Tells what it let pass.
    """

    def __init__(
        self, redact: Redaction, boundaries: frozenset[str], text_of: Callable[[object], str], emit: Emit
    ) -> None:
        self._redact = redact
        self._text_of = text_of
        self._emit = emit
        self._boundaries = boundaries
        self._told: set[str] = set()
        self._closed = False
        self.forked()

    def forked(self) -> None:
        """Begin with an empty queue: in a forked process what waits is the parent's, and so is who works it off."""
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._held = 0
        self._worker: threading.Thread | None = None

    def take(self, part: Part, value: object, whose: Mapping[str, AttributeValue], context: Context | None) -> None:
        """Take a part of a call; its text is made here, before anybody can change it."""
        boundary = str(whose[names.BOUNDARY])
        if boundary not in self._boundaries:
            return
        try:
            waiting = _Waiting(Content(boundary, part, self._text_of(value)), whose, context)
        except TooLongError as error:
            self._drop(boundary, error.why)
            return
        except Exception as error:  # noqa: BLE001 - what cannot be written stays here
            self._drop(boundary, f"its text cannot be made ({type(error).__name__})")
            return
        if not self._queue(waiting):
            self._drop(boundary, "too much waits for the redaction")

    def close(self) -> None:
        """End it: of what waits, or is just being looked at, nothing leaves any more."""
        with self._changed:
            self._closed = True
            self._held -= sum(map(_size, self._waiting))
            self._waiting.clear()
            self._changed.notify_all()

    def drain(self, timeout: float) -> None:
        """Wait until nothing waits any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._held == 0, timeout)

    def _queue(self, waiting: _Waiting) -> bool:
        """Return whether there was room for it, and somebody to work it off; one that is closed has no need of it."""
        size = _size(waiting)
        with self._changed:
            if self._closed:
                return True
            if self._held + size > QUEUE:
                return False
            if self._worker is None:
                worker = threading.Thread(target=self._work, name="aiguard-content", daemon=True)
                try:
                    worker.start()
                except RuntimeError:  # the interpreter ends, or the system has no more threads
                    return False
                self._worker = worker
            self._held += size
            self._waiting.append(waiting)
            self._changed.notify_all()
            return True

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                waiting = self._waiting.popleft()
            try:
                self._release(waiting)
            finally:
                with self._changed:
                    self._held -= _size(waiting)
                    self._changed.notify_all()
                del waiting

    def _release(self, waiting: _Waiting) -> None:
        content = waiting.content
        try:
            text: Any = self._redact(content)
        except BaseException as error:  # noqa: BLE001 - where it ends this thread, Python prints what it raised
            self._drop(content.boundary, f"the redaction raised {type(error).__name__}")
            return
        if text is None:
            return
        if type(text) is not str:
            self._drop(content.boundary, f"the redaction returned {type(text).__name__}")
            return
        encoded = text.encode("utf-8", "replace")
        said: dict[str, AttributeValue] = {
            names.CONTENT_PART: content.part,
            names.CONTENT_TEXT: encoded[:LONGEST].decode("utf-8", "ignore"),
            names.CONTENT_CUT: len(encoded) > LONGEST,
        }
        if not self._closed:
            self._emit(said, waiting.whose, waiting.context)

    def _drop(self, boundary: str, why: str) -> None:
        metrics.lost(names.CONTENT)
        if why not in self._told:
            self._told.add(why)
            logger.warning(
                "content of %r is dropped: %s; `%s` counts it, this is told once", boundary, why, names.DROPPED
            )


def _size(waiting: _Waiting) -> int:
    return len(waiting.content.text) + EACH


CAPTURE: Final = Capture()


def _forked() -> None:
    if CAPTURE.tap is not None:
        CAPTURE.tap.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
