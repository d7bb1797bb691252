"""One thing that is wrong with a policy, told so that its reader can mend it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN: Final = 80
"""Characters of a value that a message shows."""

PATH_SHOWN: Final = 400
"""Of a path more: its end is what tells one from another."""


class Position(NamedTuple):
    """
    Where in the configuration something stands.

    Attributes:
        source: The file, or the variable of the environment.
        line: Counted from 1; 0 for a variable, and for the file as a whole.
        column: Counted from 1, in characters; 0 as above.
    """

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing that is wrong with a policy.

    Attributes:
        reason: What is wrong, and what to do where that is known.
        boundary: The name of the boundary, where it is about one.
        setting: The setting, as a path: `deadline`, `retry.attempts`, `fallback[1]`.
        value: The value that was refused, as it is shown.
        position: Where it stands, for what a file or the environment says.
    """

    reason: str
    boundary: str | None = None
    setting: str | None = None
    value: str | None = None
    position: Position | None = None

    def __str__(self) -> str:
        parts = [str(self.position)] if self.position is not None else []
        if self.boundary is not None:
            parts.append(f"boundary {self.boundary!r}")
        if self.setting is not None:
            parts.append(f"setting `{self.setting}`" + (f"={self.value}" if self.value is not None else ""))
        return ": ".join([*parts, self.reason])


def shown(value: object, limit: int = SHOWN) -> str:
    """Return `value` as a message shows it: its `repr`, cut, or its type where that fails."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a broken repr must not hide the real message
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown_path(path: os.PathLike[str]) -> str:
    """Return a path as a message shows it: whole, unless it is longer than anybody reads."""
    return shown(os.fspath(path), PATH_SHOWN)


def nearest(word: str, words: Iterable[str]) -> str:
    """Return a hint at the one of `words` that was perhaps meant; empty where none is near."""
    import difflib  # noqa: PLC0415 - only a refusal needs it

    near = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""
