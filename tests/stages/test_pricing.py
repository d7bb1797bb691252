"""What tokens cost, by a table of prices."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from aiguard import Price, Usage
from aiguard.stages.pricing import PriceTable

if TYPE_CHECKING:
    import pytest

LARGE = Price(input=2.5, output=10, cached=1.25)
SMALL = Price(input=0.02, output=0)


def table(**prices: Price) -> PriceTable:
    """Return the table of a boundary."""
    return PriceTable("answer", prices)


def test_a_price_is_for_a_million_tokens() -> None:
    """What comes from a cache has its own, where there is one."""
    prices = table(large=LARGE, small=SMALL)
    assert prices.cost(Usage(1_000_000, 0, 0, "large")) == 2_500_000_000
    assert prices.cost(Usage(1_000_000, 1_000_000, 400_000, "large")) == 12_000_000_000
    assert prices.cost(Usage(1_000_000, 5, 400_000, "small")) == 20_000_000
    assert prices.priced([Usage(1000, 100, 0, "large")]) == [Usage(1000, 100, 0, "large", 0.0035)]


def test_a_fraction_of_the_smallest_unit_is_rounded_up() -> None:
    """So that nothing is free which is not."""
    assert table(m=Price(input=0.000001, output=0)).cost(Usage(1, 0, 0, "m")) == 1


def test_more_from_a_cache_than_was_sent_costs_no_less_than_nothing() -> None:
    """A provider that counts otherwise does not make money."""
    assert table(large=LARGE).cost(Usage(10, 0, 1000, "large")) == 12_500


def test_a_name_may_stand_for_all_that_begin_so() -> None:
    """The longest counts, and a whole name before any."""
    cost = {"m*": 1, "model-*": 2, "model-a": 3, "*": 4}
    prices = PriceTable("answer", {name: Price(input=dollars, output=0) for name, dollars in cost.items()})
    for model, dollars in (("model-a", 3), ("model-a-2", 2), ("mo", 1), ("other", 4), ("model-", 2)):
        assert prices.cost(Usage(1, 0, 0, model)) == dollars * 1000


def test_a_model_without_a_price_counts_as_the_dearest_and_that_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each such model once; the dearest is the one for what was used, not for a token."""
    prices = table(thinks=Price(input=1, output=50), reads=Price(input=5, output=5))
    with caplog.at_level(logging.WARNING, "aiguard"):
        for _ in range(3):
            assert prices.cost(Usage(100, 1, 0, "new")) == 505_000
            assert prices.cost(Usage(1, 100, 0, None)) == 5_001_000
    assert [record.getMessage() for record in caplog.records] == [
        "boundary 'answer': `prices` has none for the model 'new', it counts as the dearest",
        "boundary 'answer': `prices` has none for a response that names no model, it counts as the dearest",
    ]


def test_what_is_told_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A provider that makes up a name for each response does not fill the log."""
    prices = table(m=LARGE)
    with caplog.at_level(logging.WARNING, "aiguard"):
        for number in range(500):
            prices.cost(Usage(1, 0, 0, f"made-up-{number}"))
    assert len(caplog.records) == 100


def test_who_reports_a_cost_of_its_own_is_believed() -> None:
    """Some providers say what a request cost."""
    assert table(m=LARGE).cost(Usage(10**6, 0, 0, "m", usd=0.25)) == 250_000_000


dollars = st.floats(0, 1000).map(lambda value: round(value, 6))
prices_of_models = st.dictionaries(
    st.sampled_from(["a", "b*", "c"]),
    st.builds(Price, input=dollars, output=dollars, cached=st.none() | dollars),
    min_size=1,
)
usages = st.builds(
    Usage,
    input=st.integers(0, 10**6),
    output=st.integers(0, 10**6),
    cached=st.integers(0, 10**6),
    model=st.sampled_from(["a", "b-1", "c", "d", None]),
)


@given(prices=prices_of_models, usage=usages)
def test_no_usage_costs_more_than_its_tokens_at_the_dearest(prices: dict[str, Price], usage: Usage) -> None:
    """What is reserved for so many tokens is enough, of whichever model they turn out to be."""
    made = PriceTable("answer", prices)
    assert 0 <= made.cost(usage) <= made.most(usage.total)


@given(prices=prices_of_models, used=st.lists(usages, min_size=1))
def test_sums_do_not_drift(prices: dict[str, Price], used: list[Usage]) -> None:
    """Each is a whole number of billionths, so that their order does not matter."""
    made = PriceTable("answer", prices)
    priced = made.priced(used)
    assert sum(round((one.usd or 0.0) * 1e9) for one in priced) == sum(made.cost(usage) for usage in used)
