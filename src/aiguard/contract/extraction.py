"""
Where in a text its JSON is: brackets counted once from left to right, in linear time.

No trial parse per bracket, and no regular expression that ever goes back: on a hostile text both take quadratic time
or worse.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MOST = 3
"""So many candidates are looked at; a text with more does not say which of them is the answer."""

_DEEPEST = 200  # where pydantic's parser stops too
_MOST_GROUPS = 2_000  # no answer has so many; beyond it a text only costs time
_MOST_PARTS = 500
_FENCE = "```"
_LABELS = frozenset({"", "json"})
_CLOSER = {"{": "}", "[": "]"}
_FIRST_IN_OBJECT = frozenset('"}')
_FIRST_IN_ARRAY = frozenset('"{[]-0123456789tfnNI')
_LOOK_AHEAD = 64
_REST_OF_STRING = re.compile(r'(?:[^"\\]++|\\.)*+"', re.DOTALL)  # possessive: it goes over each letter once


class _Part(NamedTuple):
    start: int
    end: int
    fenced: bool


def candidates(text: str, openers: str) -> list[str]:
    """
    Return what may be the one JSON value of `text`, at most `MOST` + 1 of them; none where the text looks cut.

    Args:
        text: What a model wrote.
        openers: The brackets an answer may begin with: `"{"`, `"["`, both, or `""` for a value without brackets,
            which is looked for only in code fences.
    """
    found: list[str] = []
    parts = _parts(text)
    for part in parts:
        groups, closed = _groups(text, part.start, part.end)
        if not closed and (part.fenced or part is parts[-1]):
            return []  # cut in the middle: what was complete before it may be a part of the answer only
        wanted = [text[start:end] for start, end in groups if _is_like_json(text, start, openers)]
        if not openers and part.fenced and not groups:
            wanted = [text[part.start : part.end].strip()]
        found.extend(one for one in dict.fromkeys(wanted) if one and one not in found)
        if len(found) > MOST:
            return found[: MOST + 1]
    return found


def fenced(text: str) -> str | None:
    """Return what stands in the code fence that is all of `text`; `None` where there is no such fence."""
    opening = _fence(text, 0)
    if opening < 0 or text[:opening].strip():
        return None
    start, label = _after_label(text, opening + len(_FENCE))
    closing = _fence(text, start)
    if label not in _LABELS or closing < 0 or text[closing + len(_FENCE) :].strip():
        return None
    return text[start:closing]


def _parts(text: str) -> list[_Part]:
    # a fence begins a line: in a JSON string no line can begin
    parts: list[_Part] = []
    position = 0
    while len(parts) < _MOST_PARTS and (opening := _fence(text, position)) >= 0:
        start, label = _after_label(text, opening + len(_FENCE))
        closing = _fence(text, start)
        if closing < 0:
            break
        parts.append(_Part(position, opening, fenced=False))
        if label in _LABELS:  # other languages are illustrations, not answers
            parts.append(_Part(start, closing, fenced=True))
        position = closing + len(_FENCE)
    parts.append(_Part(position, len(text), fenced=False))
    return parts


def _fence(text: str, position: int) -> int:
    while (found := text.find(_FENCE, position)) >= 0:
        line = text.rfind("\n", position, found) + 1 or position
        if not text[line:found].strip(" \t") and (line == 0 or text[line - 1] == "\n"):
            return found
        position = text.find("\n", found)
        if position < 0:
            break
    return -1


def _after_label(text: str, start: int) -> tuple[int, str]:
    end = start
    while end < len(text) and end - start < _LOOK_AHEAD and text[end].isalnum():
        end += 1
    return end, text[start:end].lower()


def _groups(text: str, start: int, end: int) -> tuple[list[tuple[int, int]], bool]:
    """Return the outermost bracket groups of `text[start:end]`, and whether all of them close."""
    groups: list[tuple[int, int]] = []
    brace = bracket = start - 1
    position = start
    while True:
        # each search is repeated only once its last find is behind us, or many of one kind would make it quadratic
        if start - 1 <= brace < position:
            brace = _find(text, "{", position, end)
        if start - 1 <= bracket < position:
            bracket = _find(text, "[", position, end)
        opening = min(brace, bracket)
        if opening == end:
            return groups, True
        position = _group_end(text, opening, end)
        if position < 0 or len(groups) == _MOST_GROUPS:
            return groups, False
        groups.append((opening, position))


def _find(text: str, what: str, position: int, end: int) -> int:
    found = text.find(what, position, end)
    return end if found < 0 else found


def _group_end(text: str, opening: int, end: int) -> int:
    """Return the position behind the bracket that closes the one at `opening`, or -1 where none does."""
    waiting = [_CLOSER[text[opening]]]
    position = opening + 1
    find = text.find  # looked up once: a text may be all quotes
    while position < end:
        letter = text[position]
        position += 1
        if letter == '"':
            quote = find('"', position, end)
            position = quote + 1 if quote >= 0 and text[quote - 1] != "\\" else _string_end(text, position, end)
            if position < 0:
                return -1
        elif letter in "{[":
            if len(waiting) == _DEEPEST:
                return -1
            waiting.append(_CLOSER[letter])
        elif letter in "}]":
            if waiting.pop() != letter:
                return -1
            if not waiting:
                return position
    return -1


def _string_end(text: str, position: int, end: int) -> int:
    rest = _REST_OF_STRING.match(text, position, end)
    return rest.end() if rest else -1


def _is_like_json(text: str, start: int, openers: str) -> bool:
    opener = text[start]
    if opener not in openers:
        return False
    ahead = text[start + 1 : start + _LOOK_AHEAD].lstrip()
    return not ahead or ahead[0] in (_FIRST_IN_OBJECT if opener == "{" else _FIRST_IN_ARRAY)
