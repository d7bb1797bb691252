"""What a component's answers cost in tokens, as the provider counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiguard.deadline import current

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Usage:
    """
    Tokens of one request, or of several together.

    Attributes:
        input: Tokens that were sent, those from a cache included.
        output: Tokens that were answered, those of hidden reasoning included.
        cached: How many of `input` came from a cache of the provider's.
        model: The model that the response names; `None` where it names none, or several together are meant.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    model: str | None = None

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output


def report_usage(usage: Usage) -> None:
    """
    Report what a request has used, from inside a component.

    It is counted for the attempt under way, whatever becomes of that. Responses of clients that aiguard knows are read
    without it. Outside any boundary nothing happens.
    """
    frame = current.get()
    metered = frame[2] if frame is not None else None
    if metered is None:
        return
    if metered.used is None:
        metered.used = [usage]
    else:
        metered.used.append(usage)


def total_of(used: Iterable[Usage] | None) -> Usage | None:
    """Return several together; `None` where nothing was reported."""
    each = tuple(used or ())
    if not each:
        return None
    models = {usage.model for usage in each}
    return Usage(
        sum(usage.input for usage in each),
        sum(usage.output for usage in each),
        sum(usage.cached for usage in each),
        models.pop() if len(models) == 1 else None,
    )
