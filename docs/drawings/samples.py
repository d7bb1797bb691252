"""The samples that stand above the pictures of this documentation, and what they recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    """

    begun: float
    outcome: Outcome[Any]

    @property
    def ended(self) -> float:
        """Seconds from the start of the sample."""
        return self.begun + self.outcome.elapsed


@dataclass(frozen=True)
class Recorded:
    """
    What a sample left behind, under these very names.

    Attributes:
        boundary: The boundary that was called.
        calls: Its calls, by when they began: `outcome`, or pairs in `calls`.
        moves: When its breaker changed to which state.
        received: When the consumer of a stream received which item.
    """

    boundary: Boundary
    calls: list[Call]
    moves: list[tuple[float, str]]
    received: list[tuple[float, str]]


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
    with fresh_registry():
        exec(compile(sample, page, "exec", dont_inherit=True), left)  # noqa: S102 - our own page, which is what is to be drawn
    pairs = left["calls"] if "calls" in left else [(0.0, left["outcome"])]
    calls = sorted((Call(begun, outcome) for begun, outcome in pairs), key=lambda call: call.begun)
    name = calls[0].outcome.boundary
    guarded = [value.boundary for value in left.values() if hasattr(value, "boundary") and hasattr(value, "options")]
    [boundary] = [known for known in guarded if known.name == name]
    return Recorded(boundary, calls, left.get("moves", []), left.get("received", []))
