"""
The safe repair of JSON that is whole but for a slip of the pen: a byte order mark, a code fence, a trailing comma.

Nothing is added, closed or guessed, so a text that was cut stays broken. What comes out is parsed as strictly as
anything else.
"""

from __future__ import annotations

import re
from typing import Final

from aiguard.contract.extraction import fenced

_MARK: Final = "\ufeff"

# linear on any text: no quantifier gives back what it took, and no two of them can take the same letters
_TRAILING: Final = re.compile(r",(?=[ \t\r\n]*+[\]}])")
_NOTHING_BEFORE: Final = re.compile(r"[\[{,:][ \t\r\n]*+,")
_ESCAPES: Final = (("\\\\", "\0\0"), ('\\"', "\0\1"))


def repaired(text: str) -> str | None:
    """Return `text` without what can be taken off safely; `None` where there is nothing to take off."""
    body = text.removeprefix(_MARK)
    body = fenced(body) or body
    body = without_trailing_commas(body) or body
    return None if body == text else body


def without_trailing_commas(text: str) -> str | None:
    """Return `text` without the commas that stand between a last value and its bracket; `None` where there are none."""
    if "\0" in text:
        return None  # no JSON, and it stands for escapes below
    hidden = text
    for escape, mask in _ESCAPES:  # so that each quote that is left begins a string or ends one
        hidden = hidden.replace(escape, mask)
    pieces = hidden.split('"')
    outside = '"'.join(pieces[::2])  # each string is one quote here, which no pattern goes over
    if _NOTHING_BEFORE.search(outside):
        return None
    whole = _TRAILING.sub("", outside)
    if len(whole) == len(outside):
        return None
    pieces[::2] = whole.split('"')
    mended = '"'.join(pieces)
    for escape, mask in reversed(_ESCAPES):
        mended = mended.replace(mask, escape)
    return mended
