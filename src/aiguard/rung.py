"""The rungs of a ladder that say more than their value or their function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiguard.errors import PolicyError
from aiguard.problem import Problem, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


@dataclass(frozen=True, slots=True)
class Rung:
    """
    A callable rung with more to say than its function.

    Attributes:
        fn: Called with the component's arguments; it may add a keyword-only `failure`.
        ai: Whether it calls an AI component itself: such a rung is skipped when the call was halted.
        inline: Whether it is quick enough to run on the event loop, or in the caller's thread.
        name: What outcome and spans call it; by default the function's name.
    """

    fn: Callable[..., Any]
    ai: bool = False
    inline: bool = False
    name: str | None = None


@dataclass(frozen=True, slots=True)
class BoundaryRung:
    """
    Another guarded component as a rung, by the name of its boundary: what `boundary:` is in a file.

    Attributes:
        boundary: The name of its boundary; it is looked up when the ladder is first needed.
    """

    boundary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """
    The component's last good answer to the same question: what `last_good` returns.

    Two that are set alike are equal, so that a reload which changes nothing about it forgets nothing.

    Attributes:
        by: Called with the component's arguments before each call, in the caller's thread or on its event loop; it
            returns what tells one question from another, as something hashable. Whatever the answer depends on
            belongs in it: tenant, user, language.
        ttl: How old an answer may be, in seconds. No default: only you know.
        size: How many answers are kept; the oldest goes first. 1024: some megabytes where an answer is some
            kilobytes.
    """

    by: Callable[..., Hashable]
    ttl: float
    size: int = 1024

    def __post_init__(self) -> None:
        """Raises `PolicyError` with every setting that is refused."""
        found: list[Problem] = []
        if not callable(self.by):
            found.append(_refused("by", self.by, "must be a function of the component's arguments"))
        elif not _is_hashable(self.by):
            found.append(_refused("by", self.by, "must be hashable itself, as every plain function is"))
        if type(self.ttl) not in {int, float} or not 0 < self.ttl < math.inf:
            found.append(_refused("ttl", self.ttl, "must be a finite number of seconds over 0"))
        if type(self.size) is not int or self.size < 1:
            found.append(_refused("size", self.size, "must be a whole number of answers, 1 or more"))
        if found:
            raise PolicyError(*found)


def last_good(*, by: Callable[..., Hashable], ttl: float, size: int = 1024) -> LastGood:
    """
    Return a rung that serves the component's last good answer to the same question, and says how old it is.

    Kept is what the component answered and the boundary let pass, in this process's memory; never what a rung
    answered. It is served as a fresh copy, held to the contract once more, also when the boundary is switched off, and
    `Outcome.age` says how old it is. The rung takes no share of the deadline. A stream has to be declared with
    `stream="buffer"`.

    Args:
        by: Called with the component's arguments before each call, in the caller's thread or on its event loop, so it
            must be quick; it returns what tells one question from another, as something hashable. Whatever the answer
            depends on belongs in it: tenant, user, language.
        ttl: How old an answer may be, in seconds. No default: only you know.
        size: How many answers are kept; the oldest goes first. 1024: some megabytes where an answer is some
            kilobytes.

    Raises:
        PolicyError: Where a setting is refused.
    """
    return LastGood(by=by, ttl=ttl, size=size)


def _refused(setting: str, value: object, reason: str) -> Problem:
    return Problem(reason, setting=f"last_good.{setting}", value=shown(value))


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except Exception:  # noqa: BLE001 - whatever its own `__hash__` raises
        return False
    return True
