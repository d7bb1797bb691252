"""Strict mode: what has no owner, or is not in the file, does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiguard.errors import PolicyError
from aiguard.problem import Position, Problem, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "AIGUARD_STRICT"

_WORDS: Final = {"": False, "0": False, "1": True}


def is_strict(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for strict mode. Raises `PolicyError` where it says neither yes nor no."""
    word = environ.get(VARIABLE, "")
    if word not in _WORDS:
        raise PolicyError(Problem(f"must be 1 or 0, not {shown(word)}", position=Position(VARIABLE)))
    return _WORDS[word]
