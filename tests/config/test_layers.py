"""Settings laid over each other, as a table."""

from __future__ import annotations

from typing import Any

import pytest
import tenacity

from aiguard import Breaker, Policy, Price, Retry
from aiguard.config.layers import explicit, laid

STOP = tenacity.stop_after_delay(3)


def _prices(sent: float, answered: float) -> dict[str, Any]:
    return {"prices": {"m": {"input": sent, "output": answered}}}


@pytest.mark.parametrize(
    ("under", "over", "both"),
    [
        ({}, {"deadline": 1.0}, {"deadline": 1.0}),
        ({"deadline": 1.0}, {}, {"deadline": 1.0}),
        ({"deadline": 1.0}, {"deadline": 2.0}, {"deadline": 2.0}),
        ({"deadline": 1.0, "owner": "a"}, {"owner": "b"}, {"deadline": 1.0, "owner": "b"}),
        ({"owner": "a"}, {"owner": None}, {"owner": None}),
        ({"breaker": {"window": 9.0}}, {"breaker": {"probes": 1}}, {"breaker": {"window": 9.0, "probes": 1}}),
        ({"breaker": Breaker(window=9.0)}, {"breaker": {"probes": 1}}, {"breaker": {"window": 9.0, "probes": 1}}),
        ({"breaker": {"probes": 1}}, {"breaker": Breaker(window=9.0)}, {"breaker": {"window": 9.0, "probes": 1}}),
        ({"breaker": {"probes": 1}}, {"breaker": None}, {"breaker": None}),
        ({"breaker": None}, {"breaker": {"probes": 1}}, {"breaker": {"probes": 1}}),
        ({"breaker": {"probes": 1}}, {"breaker": {}}, {"breaker": {"probes": 1}}),
        ({"prices": {"m": Price(input=1, output=2)}}, {"prices": {"m": {"output": 3}}}, _prices(1.0, 3.0)),
        ({"fallback": ["a", "b"]}, {"fallback": ["c"]}, {"fallback": ["c"]}),
        ({"retry": Retry(stop=STOP)}, {"retry": {"attempts": 2}}, {"retry": {"attempts": 2}}),
        ({"retry": {"attempts": 2}}, {"retry": {"stop": STOP}}, {"retry": {"stop": STOP}}),
        ({"retry": Retry(wait=None)}, {"retry": {"attempts": 2}}, {"retry": {"wait": None, "attempts": 2}}),
    ],
)
def test_the_upper_layer_wins_setting_by_setting(under: Any, over: Any, both: Any) -> None:
    """What it does not speak of stays; groups are laid by their own settings, lists as a whole."""
    before = dict(under), dict(over)
    assert laid(under, over) == both
    assert (under, over) == before, "neither layer is changed"


def test_what_a_policy_leaves_to_the_defaults_is_not_said() -> None:
    """Only what was written counts, even where it is the default's own value."""
    assert explicit(Policy(deadline=1.0, mode="on", breaker=None)) == {"deadline": 1.0, "mode": "on", "breaker": None}
    assert explicit(Retry()) == {}
