"""The samples that stand above the pictures of this documentation, and what they recorded."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aiguard.testing import fresh_registry

if TYPE_CHECKING:
    from aiguard import Boundary, Outcome

PAGES = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Call:
    """
    One call as it is drawn.

    Attributes:
        begun: Seconds from the start of the sample.
        outcome: What it ended as.
        name: What tells it from others, where that was said.
    """

    begun: float
    outcome: Outcome[Any]
    name: str | None = None

    @property
    def ended(self) -> float:
        """Seconds from the start of the sample."""
        return self.begun + self.outcome.elapsed


class Move(NamedTuple):
    """
    A change of a breaker's state.

    Attributes:
        moment: Seconds from the start of the sample.
        state: The new one.
        breaker: The breaker's name, where there are several.
    """

    moment: float
    state: str
    breaker: str = ""


@dataclass(frozen=True)
class Recorded:
    """
    What a sample left behind, under these very names.

    Attributes:
        boundary: The boundary that was called.
        calls: Its calls, by when they began: `outcome`, or pairs in `calls`, or triples with a name.
        moves: When its breaker changed to which state; with the breaker's name as the third where there are several.
        received: When the consumer of a stream received which item.
        readings: What was read at some moments: quantities, by their names.
        passed: When which rung was passed over, and why: what the logger says.
        told: What the component was told of its last answer, and when.
    """

    boundary: Boundary
    calls: list[Call]
    moves: list[Move]
    received: list[tuple[float, str]]
    readings: list[tuple[float, dict[str, float]]]
    passed: list[tuple[float, str, str]]
    told: list[tuple[float, str]]


class _Ear(logging.Handler):
    """Hears of rungs that did not answer, at the moment of the sample's clock."""

    def __init__(self, left: dict[str, Any]) -> None:
        super().__init__()
        self._left = left
        self.passed: list[tuple[float, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note a rung that was passed over."""
        if isinstance(record.args, tuple) and record.msg.startswith("rung %r did not answer"):
            rung, why = map(str, record.args)
            self.passed.append((self._left["clock"].elapsed, rung, why))


def _above(picture: str) -> tuple[str, str]:
    """Return the sample above a picture, and its page. Raises `LookupError` where there is not one, or more."""
    pattern = rf"```python\n((?:(?!```).)*)```\n\n!\[[^]]*\]\(images/{picture}\.svg\)"
    pages = {page.name: page.read_text(encoding="utf-8") for page in PAGES.glob("*.md")}
    found = [(sample, page) for page, text in pages.items() for sample in re.findall(pattern, text, flags=re.DOTALL)]
    if len(found) != 1:
        msg = f"{len(found)} samples stand above {picture}.svg, not one"
        raise LookupError(msg)
    return found[0]


def run(picture: str) -> Recorded:
    """Run the sample that stands above `picture` on its page. Raises `LookupError` where there is not one, or more."""
    sample, page = _above(picture)
    left: dict[str, Any] = {"__name__": "sample"}
    ear, logger = _Ear(left), logging.getLogger("aiguard")
    logger.addHandler(ear)
    try:
        with fresh_registry():
            exec(compile(sample, page, "exec", dont_inherit=True), left)  # noqa: S102 - our own page, which is what is to be drawn
    finally:
        logger.removeHandler(ear)
    entries = left["calls"] if "calls" in left else [(0.0, left["outcome"])]
    calls = sorted((Call(*entry) for entry in entries), key=lambda call: call.begun)
    name = calls[0].outcome.boundary
    guarded = {value.boundary for value in left.values() if hasattr(value, "boundary") and hasattr(value, "options")}
    [boundary] = [known for known in guarded if known.name == name]
    moves = [Move(*move) for move in left.get("moves", [])]
    received, readings, told = (left.get(name, []) for name in ("received", "readings", "told"))
    return Recorded(boundary, calls, moves, received, readings, ear.passed, told)
