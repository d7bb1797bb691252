"""What a component's answers cost in tokens, as the provider counts them."""

from __future__ import annotations

import math
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
        usd: What it cost in US dollars, by the `prices` of the boundary; `None` where it has none. Who reports a cost
            of its own is believed.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    model: str | None = None
    usd: float | None = None

    def __post_init__(self) -> None:
        """Raises `ValueError` for what cannot be added up."""
        for count in (self.input, self.output, self.cached):
            if type(count) is not int or count < 0:
                msg = f"Usage: tokens are whole numbers from 0 on, not {count!r}"
                raise ValueError(msg)
        usd = self.usd
        if usd is not None and not 0 <= usd < math.inf:
            msg = f"Usage: `usd` is a number from 0 on, not {usd!r}"
            raise ValueError(msg)

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output


def report_usage(usage: Usage) -> None:
    """
    Report what a request has used, from inside a component.

    It is counted for the attempt under way, whatever becomes of that. Responses of clients that aiguard knows are read
    without it. Outside any boundary nothing happens.

    Raises:
        TypeError: It is no `Usage`.
    """
    if type(usage) is not Usage:
        msg = f"report_usage() takes a Usage, not {type(usage).__qualname__}"
        raise TypeError(msg)
    frame = current.get()
    metered = frame[2] if frame is not None else None
    if metered is None:
        return
    # of several threads that report at once, each is heard: this is one step, which an `if` would not be
    vars(metered).setdefault("used", []).append(usage)


def total_of(used: Iterable[Usage] | None) -> Usage | None:
    """Return several together; `None` where nothing was reported."""
    each = tuple(used or ())
    if not each:
        return None
    costs = [usage.usd for usage in each]
    models = {usage.model for usage in each}
    return Usage(
        sum(usage.input for usage in each),
        sum(usage.output for usage in each),
        sum(usage.cached for usage in each),
        models.pop() if len(models) == 1 else None,
        None if None in costs else sum(costs),  # type: ignore[arg-type]
    )
