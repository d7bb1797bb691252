"""
Where the elements of a JSON array begin and end, in text that comes piece by piece.

Each byte is looked at once, what was given away is forgotten, and nothing recurses. The scanner only finds the ends;
whether what lies between them is JSON, the parser says that reads it.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from aiguard.contract.breach import Breach
from aiguard.contract.plain import DEEPEST
from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANK: Final = re.compile(rb"[ \t\n\r]*+")
_IN_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_IN_CONTAINER: Final = re.compile(rb'[^"\[\]{}]*+')
_IN_SCALAR: Final = re.compile(rb"[^,\]]*+")
_IN_PROSE: Final = re.compile(rb"[^\[{]*+")

_QUOTE, _BACKSLASH, _COMMA, _OPENING, _CLOSING = b'"\\,[]'
_OPENERS: Final = frozenset(b"[{")
_BEHIND_ELEMENT: Final = frozenset({_COMMA, _CLOSING})
_FIRST_OF_SCALAR: Final = frozenset(b"-0123456789tfnNI")
_FIRST_IN_ARRAY: Final = frozenset(b'"{[]-0123456789')
_WORDS: Final = (b"true", b"false", b"null")
_LOOK_AHEAD: Final = 64


class _At(Enum):
    """Where the scanner stands."""

    OUTSIDE = auto()
    """Before the array, or behind it."""
    ASIDE = auto()
    """In brackets that belong to the prose."""
    FIRST = auto()
    """Behind the opening bracket."""
    NEXT = auto()
    """Behind a comma."""
    SCALAR = auto()
    """In a number or a word."""
    NESTED = auto()
    """In a string, an array or an object."""
    BEHIND = auto()
    """Behind an element."""


class ArrayScanner:
    """
    Finds the elements of one JSON array.

    Args:
        prose: Whether other text may stand around the array. It begins at the first outermost bracket that is followed
            by what an array may begin with.
    """

    __slots__ = ("_at", "_buffer", "_closed", "_depth", "_in_string", "_position", "_prose", "_seen", "_start")

    def __init__(self, *, prose: bool = False) -> None:
        self._prose = prose
        self._at = _At.OUTSIDE
        self._buffer = bytearray()
        self._start = 0  # what lies before it is done with
        self._position = 0  # what lies before it has been looked at
        self._depth = 0
        self._in_string = False
        self._seen = False
        self._closed = False

    @property
    def held(self) -> int:
        """How many bytes it holds."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """
        Yield the elements that `data` closes; to be read to its end before more is fed.

        A string, an array or an object is closed by its last byte, a number or a word by the comma or bracket behind.

        Raises:
            Breach: If this can be no JSON array any more.
        """
        buffer = self._buffer
        del buffer[: self._start]
        self._position -= self._start
        self._start = 0
        buffer += data
        while self._step():
            if self._at is _At.BEHIND and self._start < self._position:
                element = bytes(buffer[self._start : self._position])
                self._start = self._position
                yield element

    def end(self) -> None:
        """
        Note that nothing follows.

        Raises:
            Breach: If there was no array, or it was never closed.
        """
        if self._closed and self._at is _At.OUTSIDE:
            return
        if self._at is not _At.OUTSIDE or self._position < len(self._buffer):
            raise Breach(FailureKind.TRUNCATED, "the answer ended before its array was closed")
        if self._seen:
            raise _malformed()
        raise Breach(FailureKind.EMPTY_OUTPUT, "nothing but white space, or nothing at all")

    def _step(self) -> bool:
        """Go on to the next end of something; `False` where that is still to come."""
        if self._at is _At.SCALAR or self._at is _At.NESTED or self._at is _At.ASIDE:
            if not (self._leave_scalar() if self._at is _At.SCALAR else self._leave_nested()):
                return False
            if self._at is _At.ASIDE:
                self._start = self._position
                self._at = _At.OUTSIDE
            else:
                self._at = _At.BEHIND
            return True
        if self._at is _At.OUTSIDE and self._prose:
            return self._search()
        position = _end(_BLANK, self._buffer, self._position)
        self._start = self._position = position
        if position == len(self._buffer):
            return False
        self._position = position + 1
        self._enter(self._buffer[position])
        return True

    def _enter(self, byte: int) -> None:
        """Take the byte behind white space."""
        at = self._at
        if at is _At.BEHIND:
            if byte not in _BEHIND_ELEMENT:
                raise _malformed()
            self._start = self._position
            self._at = _At.NEXT if byte == _COMMA else _At.OUTSIDE
            self._closed = byte == _CLOSING
        elif at is _At.OUTSIDE:
            if byte != _OPENING or self._closed:
                self._seen = True
                raise _malformed()
            self._at = _At.FIRST
        elif byte == _CLOSING and at is _At.FIRST:
            self._start = self._position
            self._at = _At.OUTSIDE
            self._closed = True
        elif byte in _FIRST_OF_SCALAR:
            self._at = _At.SCALAR
        elif byte == _QUOTE or byte in _OPENERS:
            self._at = _At.NESTED
            self._in_string = byte == _QUOTE
            self._depth = 0 if byte == _QUOTE else 1
        else:
            raise _malformed()

    def _leave_scalar(self) -> bool:
        self._position = position = _end(_IN_SCALAR, self._buffer, self._position)
        return position < len(self._buffer)

    def _leave_nested(self) -> bool:  # noqa: C901 - one loop over the bytes
        """Go behind the byte that closes the outermost string, array or object; `False` where it is still to come."""
        buffer, position, depth = self._buffer, self._position, self._depth
        end = len(buffer)
        while True:
            if self._in_string:
                position = _end(_IN_STRING, buffer, position)
                if position == end or buffer[position] == _BACKSLASH:  # what is escaped by it is still to come
                    break
                position += 1
                self._in_string = False
                if not depth:
                    self._position = position
                    return True
            position = _end(_IN_CONTAINER, buffer, position)
            if position == end:
                break
            byte = buffer[position]
            position += 1
            if byte == _QUOTE:
                self._in_string = True
            elif byte in _OPENERS:
                depth += 1
                if depth >= DEEPEST:  # the array itself is a level too
                    raise Breach(FailureKind.MALFORMED_OUTPUT, f"nested deeper than {DEEPEST} levels")
            else:
                depth -= 1
                if not depth:
                    self._position = position
                    return True
        self._position, self._depth = position, depth
        if self._at is _At.ASIDE:
            self._start = position
        return False

    def _search(self) -> bool:
        """Look through prose for a bracket; `False` where it, or what tells of it, is still to come."""
        buffer = self._buffer
        position = _end(_IN_PROSE, buffer, self._position)
        self._seen = self._seen or _end(_BLANK, buffer, self._position) < len(buffer)
        self._start = self._position = position
        if position == len(buffer):
            return False
        begins = _begins_array(buffer, position)
        if begins is None:
            return False
        self._position = position + 1
        if begins:
            if self._closed:
                raise Breach(FailureKind.AMBIGUOUS_OUTPUT, "more than one JSON array in the text")
            self._at = _At.FIRST
        else:
            self._at = _At.ASIDE
            self._in_string = False
            self._depth = 1
        return True


def _begins_array(buffer: bytearray, position: int) -> bool | None:
    """Return whether the bracket at `position` opens a JSON array; `None` where what follows is still to come."""
    if buffer[position] != _OPENING:
        return False
    ahead = bytes(buffer[position + 1 : position + 1 + _LOOK_AHEAD])
    rest = ahead.lstrip(b" \t\n\r")
    if not rest:
        return True if len(ahead) == _LOOK_AHEAD else None
    if rest[0] in _FIRST_IN_ARRAY or rest.startswith(_WORDS):
        return True
    whole = len(ahead) == _LOOK_AHEAD
    return None if not whole and any(word.startswith(rest) for word in _WORDS) else False


def _end(pattern: re.Pattern[bytes], buffer: bytearray, position: int) -> int:
    found = pattern.match(buffer, position)
    assert found is not None  # noqa: S101 - for the type checker: each pattern matches nothing too
    return found.end()


def _malformed() -> Breach:
    return Breach(FailureKind.MALFORMED_OUTPUT, "not a JSON array")
