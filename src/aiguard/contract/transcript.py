"""The text of a client's stream, and whether its provider says that it is no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from aiguard.contract.breach import Breach
from aiguard.contract.pieces import piece_reader_of
from aiguard.contract.response import reader_of
from aiguard.contract.watch import Watch
from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from aiguard.usage import Usage


class Transcript:
    """
    What the events of one stream bring, one after the other.

    Why an answer ended is said by one of the last events, which need not be the very last: what comes after it may tell
    of usage. So that is told by `check`, whenever it is asked.
    """

    __slots__ = ("_watch",)

    def __init__(self) -> None:
        self._watch: Watch | None = None

    def text_of(self, piece: Any) -> Any:
        """
        Return the text that a client's event, or its whole response, brings; what is nothing of a client's as it is.

        Raises:
            Breach: It cannot be read, or is a whole response that is no answer.
        """
        cls = cast("Hashable", type(piece))
        read = piece_reader_of(cls)
        if read is not None:
            if self._watch is None:
                self._watch = Watch(_unreported)
            self._watch.see(piece)
        else:
            read = reader_of(cls)
        if read is None:
            return piece
        try:
            return read(piece)
        except Breach:
            raise
        except Exception as error:  # noqa: BLE001 - attributes may be missing, or raise anything
            cause = error
        raise Breach(FailureKind.MALFORMED_OUTPUT, "a piece of the stream cannot be read", cause)

    def check(self) -> None:
        """Raise `Breach` where an event said that it is no answer: cut, refused, filtered, given up."""
        if self._watch is not None and (verdict := self._watch.verdict) is not None:
            raise verdict


def text_of_all(events: Sequence[object]) -> str | None:
    """
    Return the text that the events of a whole stream bring; `None` where not all of them are events of clients.

    Raises:
        Breach: They cannot be read, or one of them said that it is no answer.
    """
    if not events or any(piece_reader_of(cast("Hashable", type(event))) is None for event in events):
        return None
    transcript = Transcript()
    texts = [transcript.text_of(event) for event in events]
    transcript.check()
    if not all(text is None or isinstance(text, str) for text in texts):
        raise Breach(FailureKind.MALFORMED_OUTPUT, "a piece of the stream is no text")
    return "".join(filter(None, texts))


def _unreported(_: Usage) -> None:
    """Leave it to whatever the stream comes through: nothing is counted twice."""
