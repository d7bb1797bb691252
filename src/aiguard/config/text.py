"""What the text of a configuration file amounts to: values that know where they stand, and what is wrong with it."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import Any, Final, NamedTuple

DEEPEST: Final = 100
"""Mappings and lists inside each other: far beyond any policy, far below Python's recursion limit."""

LONGEST: Final = 500
"""Digits of a whole number: Python turns that many into a number and back however its limit is set."""

TOO_DEEP: Final = f"more than {DEEPEST} mappings and lists inside each other"
TOO_LONG: Final = f"a whole number of more than {LONGEST} digits"


class Mark(NamedTuple):
    """A place in a text, as an editor shows it: line and column both count from 1, the column in characters."""

    line: int
    column: int


class Flaw(NamedTuple):
    """Something wrong with the text itself: where, and one sentence on what is wrong and what to do."""

    mark: Mark
    reason: str


class UnreadableError(Exception):
    """The text cannot be read on: `flaw` says why."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.reason)
        self.flaw = flaw


class Node(NamedTuple):
    """
    A value of the file that knows where it stands.

    Attributes:
        value: The value: text, number, truth value, `None`, or further nodes by name or in a list. What YAML calls by
            an alias is the same object wherever it is used: it is to be read, not changed.
        mark: Where the value begins.
        key: Where its key begins; of a list item or of the whole: where the value begins.
    """

    value: str | int | float | bool | dict[str, Node] | list[Node] | None
    mark: Mark
    key: Mark

    def plain(self) -> Any:
        """Return the value as plain Python data, newly built."""
        value = self.value
        if isinstance(value, dict):
            return {name: node.plain() for name, node in value.items()}
        if isinstance(value, list):
            return [node.plain() for node in value]
        return value


def decode(data: bytes) -> str | Flaw:
    r"""Return the text of UTF-8 `data` without its byte order mark and with `\n` for `\r\n`, or why there is none."""
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return Flaw(Mark(1, 1), "the file is UTF-16: save it as UTF-8")
    data = data.removeprefix(BOM_UTF8)
    try:
        return data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode().replace("\r\n", "\n")
        byte = data[error.start]
        return Flaw(mark_at(before, len(before)), f"the byte 0x{byte:02X} is not UTF-8: save the file as UTF-8")


def mark_at(text: str, index: int) -> Mark:
    """Return where the character at `index` of `text` stands."""
    return Mark(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def no_pause() -> None:
    """Do nothing: what a reader does between its nodes unless told otherwise."""
