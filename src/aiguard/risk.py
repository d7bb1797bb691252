"""What is at stake at a boundary, and which defaults follow from it: one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Risk = Literal["low", "medium", "high"]
OnStale = Literal["keep", "off"]


class Tier(NamedTuple):
    """
    What a risk sets where nobody says otherwise.

    Attributes:
        on_stale: What holds where a process no longer knows whether the boundary is halted: `"keep"` goes on with what
            it knew last, `"off"` halts it.
        halt_ends: Whether a halt is over at its `until`; where not, a person resumes.
        halter_resumes: Whether who halted may resume.
        must: Whether `aiguard check` calls what is missing around it (an owner, a floor, a review, a drill) an error.
    """

    on_stale: OnStale
    halt_ends: bool
    halter_resumes: bool
    must: bool


TIERS: Final[Mapping[Risk, Tier]] = {
    "low": Tier(on_stale="keep", halt_ends=True, halter_resumes=True, must=False),
    "medium": Tier(on_stale="keep", halt_ends=True, halter_resumes=True, must=False),
    "high": Tier(on_stale="off", halt_ends=False, halter_resumes=False, must=True),
}
