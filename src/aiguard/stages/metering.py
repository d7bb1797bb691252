"""
What an attempt is expected to use of each unit of a budget, and what it did use.

    answered, or answered what breaks a contract      what it reported; where it reported nothing, what was reserved
    refused by the component, or by a boundary in it  what it reported, or nothing
    anything else: timed out, broken off, called off  what was reserved, or more where it reported more

What ended in any other way may still be going on at the provider's, who bills it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.failure import INVALID_OUTPUTS, OPENS_AT_ONCE, REJECTIONS, FailureKind

if TYPE_CHECKING:
    from aiguard.call import Call
    from aiguard.events import Run
    from aiguard.stages.pricing import PriceTable
    from aiguard.strategies import Budget

Amounts: TypeAlias = tuple[int, ...]
"""How much of each unit, in that order; whole numbers, since sums of fractions drift."""

CALL: Final[Amounts] = (1, 0, 0)

REMEMBERED: Final = 100
"""Of so many attempts, the last ones, it is known what they used."""

_K = FailureKind
_ANSWERED: Final = INVALID_OUTPUTS | {_K.REFUSAL, _K.CONTENT_FILTER}
_REFUSED: Final = REJECTIONS | OPENS_AT_ONCE | {_K.RATE_LIMITED, _K.OVERLOADED, _K.BAD_REQUEST, _K.CONTEXT_LENGTH}
"""Kinds by which a component says that it did not begin."""


class Largest:
    """
    The most that one of the last attempts used.

    Attributes:
        tokens: In tokens.
        money: In billionths of a dollar.
    """

    def __init__(self) -> None:
        self._last: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self.tokens = 0
        self.money = 0

    def add(self, tokens: int, money: int) -> None:
        """Note what an attempt used; one at a time."""
        last = self._last
        gone = last[0] if len(last) == REMEMBERED else (0, 0)
        last.append((tokens, money))
        if tokens >= self.tokens:
            self.tokens = tokens
        elif gone[0] == self.tokens:
            self.tokens = max(one for one, _ in last)
        if money >= self.money:
            self.money = money
        elif gone[1] == self.money:
            self.money = max(one for _, one in last)


class Meter:
    """
    Counts in tokens and money what a budget limits.

    Args:
        name: The boundary's name.
        budget: The budget.
        prices: What the models cost, where that is known.
        largest: The most that one of the last attempts used.
    """

    def __init__(self, name: str, budget: Budget, prices: PriceTable | None, largest: Largest) -> None:
        self._name = name
        self._reserve = budget.reserve_tokens
        self._prices = prices
        self._largest = largest
        self._limits = limits_of(budget)
        self._told = False

    def expected(self, call: Call) -> Amounts:
        """Return what is to be set aside for an attempt of `call`."""
        reserve = self._reserve
        tokens = reserve if reserve is None or isinstance(reserve, int) else self._asked(reserve, call)
        if tokens is None:
            _, tokens_limit, money_limit = self._limits
            # one at least, so that nobody gets in where nothing is left; and never so many that nobody ever does
            return 1, min(max(1, self._largest.tokens), tokens_limit), min(max(1, self._largest.money), money_limit)
        return 1, tokens, self._prices.most(tokens) if self._prices is not None else 0

    def used(self, run: Run) -> Amounts | None:
        """Return what an attempt has reported; `None` where that is nothing."""
        if run.used is None:
            return None
        used = tuple(run.used)  # a thread that was left behind may add to it meanwhile
        money = sum(map(self._prices.cost, used)) if self._prices is not None else 0
        return 1, sum(usage.total for usage in used), money

    def _asked(self, reserve: Any, call: Call) -> int | None:
        """Return what the policy's own function says; `None` where that is of no use."""
        try:
            tokens = reserve(*call.args, **call.kwargs)
            if type(tokens) is int and tokens >= 0:
                return max(1, tokens)
            why = f"it gave {type(tokens).__name__}"
        except Exception as error:  # noqa: BLE001 - its fault must not become the caller's
            why = class_name(error)
        if not self._told:
            self._told = True
            logger.warning(
                "boundary %r: `budget.reserve_tokens` gave no number of tokens, as many as the largest of the last "
                "attempts used are reserved: %s",
                self._name,
                why,
            )
        return None


def is_whole(kind: FailureKind | None) -> bool:
    """Whether an attempt that answered (`kind` is `None`), or failed so, went to its end."""
    return kind is None or kind in _ANSWERED


def counted(kind: FailureKind | None, used: Amounts | None, reserved: Amounts) -> Amounts:
    """Return what an attempt counts for that answered (`kind` is `None`), or failed."""
    if is_whole(kind):
        return reserved if used is None else used
    if kind in _REFUSED:
        return CALL if used is None else used
    return at_least(used, reserved)


def at_least(used: Amounts | None, reserved: Amounts) -> Amounts:
    """Return what an attempt counts for that nobody knows the end of."""
    return reserved if used is None else tuple(map(max, used, reserved))


UNLIMITED: Final = 10**30
"""More than there is of anything."""


def limits_of(budget: Budget) -> Amounts:
    """Return how much of each unit may be spent."""
    money = UNLIMITED if budget.usd is None else round(budget.usd * 10**9)
    return budget.calls or UNLIMITED, budget.tokens or UNLIMITED, money
