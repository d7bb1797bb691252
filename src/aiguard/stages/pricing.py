"""
What tokens cost, by a boundary's table of prices.

Money is counted in whole billionths of a dollar: sums of fractions drift, and a cheap model's token costs less than a
millionth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from aiguard.call import logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiguard.strategies import Price
    from aiguard.usage import Usage

BILLIONTHS: Final = 10**9
"""Of a dollar."""

_TRILLIONTHS: Final = 10**6  # in a dollar for a million tokens, as of one token
_MOST_TOLD: Final = 100


class _Rates(NamedTuple):
    """Trillionths of a dollar for one token."""

    input: int
    output: int
    cached: int

    @classmethod
    def of(cls, price: Price) -> _Rates:
        cached = price.input if price.cached is None else price.cached
        return cls(*(round(one * _TRILLIONTHS) for one in (price.input, price.output, cached)))

    def cost(self, usage: Usage) -> int:
        """Return billionths of a dollar, rounded up."""
        cached = min(usage.cached, usage.input)
        cost = (usage.input - cached) * self.input + cached * self.cached + usage.output * self.output
        return -(-cost // 1000)


class PriceTable:
    """
    The prices of one boundary, made ready.

    Args:
        name: The boundary's name.
        prices: What each model costs; a name may end with `*`.
    """

    def __init__(self, name: str, prices: Mapping[str, Price]) -> None:
        self._name = name
        self._exact = {model: _Rates.of(price) for model, price in prices.items() if not model.endswith("*")}
        beginnings = [(model[:-1], _Rates.of(price)) for model, price in prices.items() if model.endswith("*")]
        self._beginnings = sorted(beginnings, key=lambda one: -len(one[0]))
        self._all = (*self._exact.values(), *(rates for _, rates in beginnings))
        self._dearest = max(max(rates) for rates in self._all)
        self._told: set[str | None] = set()

    def most(self, tokens: int) -> int:
        """Return the billionths of a dollar that so many tokens cost at most, of whichever model and kind."""
        return -(-tokens * self._dearest // 1000)

    def cost(self, usage: Usage) -> int:
        """Return what `usage` cost, in billionths of a dollar: as reported, or by the table."""
        if usage.usd is not None:
            return round(usage.usd * BILLIONTHS)
        rates = self._rates(usage.model)
        return rates.cost(usage) if rates is not None else max(rates.cost(usage) for rates in self._all)

    def priced(self, used: Iterable[Usage]) -> list[Usage]:
        """Return each with what it cost."""
        return [replace(usage, usd=self.cost(usage) / BILLIONTHS) for usage in used]

    def _rates(self, model: str | None) -> _Rates | None:
        if model is not None:
            rates = self._exact.get(model)
            if rates is not None:
                return rates
            for beginning, rates in self._beginnings:
                if model.startswith(beginning):
                    return rates
        if model not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(model)
            which = "a response that names no model" if model is None else f"the model {model!r}"
            logger.warning("boundary %r: `prices` has none for %s, it counts as the dearest", self._name, which)
        return None
