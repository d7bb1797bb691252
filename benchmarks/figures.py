"""The arithmetic: medians of slices, ratios taken slice by slice, budgets."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.catalogue import Features


@dataclass(frozen=True, slots=True)
class Figure:
    """
    What one subject cost; the 25th percentile says how much of the median is the machine's noise.

    Attributes:
        times: How many times a guarded call it is, by the slices that ran side by side; `None` where nothing compares.
        has: What it has of `benchmarks.peers.catalogue.FEATURES`; `None` where that says nothing about it.
    """

    group: str
    name: str
    label: str
    unit: str
    median: float
    p25: float
    times: float | None = None
    has: Features | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure that has a budget; without a `limit` it only informs."""

    group: str
    name: str
    label: str
    unit: str
    value: float
    limit: float | None = None

    @property
    def met(self) -> bool:
        """Whether the value is within its budget; NaN never is."""
        return self.limit is None or self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Section:
    """One group of subjects that ran interleaved."""

    title: str
    figures: tuple[Figure, ...]
    verdicts: tuple[Verdict, ...]


def figure(
    group: str,
    name: str,
    label: str,
    unit: str,
    values: Sequence[float],
    *,
    times: float | None = None,
    has: Features | None = None,
) -> Figure:
    """Condense the slices of one subject."""
    lower = quantiles(values, n=4, method="inclusive")[0] if len(values) > 1 else values[0]
    return Figure(group, name, label, unit, median(values), lower, times, has)


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """
    Return how many times `base` the values are: the median of the ratios of slices that ran side by side.

    The ratio of two medians would keep the noise that both slices of a round shared.
    """
    return median(value / other for value, other in zip(values, base, strict=True))


def difference(values: Sequence[float], base: Sequence[float]) -> float:
    """Return what the values add to `base`: the median of the differences of slices that ran side by side."""
    return median(value - other for value, other in zip(values, base, strict=True))


def missed(sections: Sequence[Section]) -> list[Verdict]:
    """Return every verdict over its budget."""
    return [verdict for section in sections for verdict in section.verdicts if not verdict.met]
