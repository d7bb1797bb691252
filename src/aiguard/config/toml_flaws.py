"""What is wrong with a TOML text: `tomllib`'s complaints in one plain sentence, and nesting too deep for it."""

from __future__ import annotations

import re
from typing import Final

from aiguard.config.text import DEEPEST, LONGEST, TOO_DEEP, TOO_LONG, Flaw, mark_at

LINES: Final = r"""(?:\"{3}(?:[^"\\]|\\.|"{1,2}+(?!"))*+"{3,5}+|'{3}(?:[^']|'{1,2}+(?!'))*+'{3,5}+)"""
"""Text of several lines; for a pattern in which a dot is a line break too."""

LINE: Final = r"""(?:"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
"""Text of one line, in either kind of quotes."""

_NOT_TOML: Final = "this is not TOML"
_OPENING: Final = frozenset("[{")
_CLOSING: Final = frozenset("]}")
_UNCLOSED: Final = frozenset({'"""', "'''", '"', "'"})
_TOKEN: Final = re.compile(rf"""{LINES}|"{{3}}|'{{3}}|{LINE}|["']|\#[^\n]*+|[][{{}}.=,\n]""", re.DOTALL)
_LONG_NUMBER: Final = re.compile(rf"[0-9_]{{{LONGEST}}}")
_WHERE: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)

_STATEMENT: Final = {
    "Cannot declare": "this table stands above already, or a value that nothing can be added to",
    "Cannot overwrite": "this key stands above already",
    "Cannot mutate": "adds to a value that is complete where it stands above",
    "Cannot redefine": "adds to a table that has its own header above: put it below that",
}
"""By the beginning of tomllib's words, what is wrong with a whole setting or header."""

_QUOTE: Final = {
    "Unterminated": "this quote is never closed",
    "Expected \"'": "this quote is never closed",
    "Illegal character '\\n'": "this quote is not closed in its line",
    "Found invalid character '\\n'": "this quote is not closed in its line",
}
"""By the beginning of tomllib's words, what is wrong with a quote."""

_ESCAPE: Final = {
    "Unescaped": "no such escape: write `\\\\` for a backslash, or use single quotes",
    "Invalid hex": "too few digits: `\\u` has 4, `\\U` has 8",
    "Escaped character": "this escape is no character",
}
"""By the beginning of tomllib's words, what is wrong with an escape."""

_PLACE: Final = {
    "Duplicate inline": "this key stands twice in the inline table",
    "Invalid statement": "neither `key = value` nor `[table]`; a key of other letters than a to z needs quotes",
    "Invalid initial": "a key is missing here; one of other letters than a to z needs quotes",
    "Expected '='": "`=` is missing after the key",
    "Expected newline": "something follows the value: one setting a line",
    "Expected ": "the header of a table is not closed",
    "Unclosed array": "`,` or `]` is missing",
    "Unclosed inline": "`,` or `}` is missing",
    "Invalid value": "this is no value: text needs quotes; `true`, `false`, `inf` and `nan` are in small letters",
    "Illegal character": "a control character cannot stand here: remove it, or write it as an escape",
    "Found invalid": "a control character cannot stand here: remove it",
    "Invalid date": "this date or time does not exist; one that does would be text, in quotes",
}
"""By the beginning of tomllib's words, what is wrong where it stopped."""


def flaw_of(error: ValueError, text: str) -> Flaw:
    """Return what is wrong with `text`, given what tomllib raised."""
    said = _WHERE.fullmatch(str(error))
    if said is None:
        found = _LONG_NUMBER.search(text)  # int() has a limit of its own, and names no place
        return Flaw(mark_at(text, found.start()), TOO_LONG) if found else Flaw(mark_at(text, 0), _NOT_TOML)
    words, line, column = said.groups()
    index = _index(text, int(line), int(column)) if line else len(text)
    for reasons, begin in ((_STATEMENT, _statement), (_QUOTE, _quote), (_ESCAPE, _backslash)):
        reason = _reason(words, reasons)
        if reason:
            return Flaw(mark_at(text, begin(text, index)), reason)
    return Flaw(mark_at(text, index), _reason(words, _PLACE) or _NOT_TOML)


def depth_flaw(text: str) -> Flaw | None:
    """Return where `text` is nested too deep, as far as one setting alone can be; `None` if nowhere."""
    brackets = dots = 0
    for token in _TOKEN.finditer(text):
        kind = token[0]
        if kind == ".":
            dots += 1
        elif len(kind) == 1:
            dots = 0
            brackets += (kind in _OPENING) - (kind in _CLOSING)
        if brackets + dots > DEEPEST:
            return Flaw(mark_at(text, token.start()), TOO_DEEP)
    return None


def _reason(words: str, reasons: dict[str, str]) -> str:
    return next((reason for beginning, reason in reasons.items() if words.startswith(beginning)), "")


def _index(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    return start + column - 1


def _statement(text: str, index: int) -> int:
    """Return where the setting, or the header, that `index` stands in begins."""
    start = brackets = 0
    for token in _TOKEN.finditer(text, 0, index):
        kind = token[0]
        brackets += (kind in _OPENING) - (kind in _CLOSING)
        if kind == "\n" and not brackets:
            start = token.end()
    return start + len(text[start:index]) - len(text[start:index].lstrip(" \t"))


def _quote(text: str, index: int) -> int:
    """Return where the quote begins that is still open at `index`."""
    tokens = _TOKEN.finditer(text, 0, index)
    return next((token.start() for token in tokens if token[0] in _UNCLOSED), index)


def _backslash(text: str, index: int) -> int:
    """Return where the escape begins that was read up to `index`."""
    begin = text.rfind("\\", 0, index)
    return begin if begin >= 0 else index
