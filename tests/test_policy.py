"""Settings: their defaults, that they cannot be changed, and that they are the same wherever they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from aiguard import (
    Boundary,
    Breaker,
    Budget,
    Bulkhead,
    FailureKind,
    Hedge,
    Policy,
    PolicyError,
    Price,
    Retry,
    RetryBudget,
    guard,
)
from aiguard.failure import RETRIED_BY_DEFAULT
from aiguard.policy import Settings
from aiguard.problem import shown

if TYPE_CHECKING:
    from pydantic import BaseModel

    from aiguard.testing import VirtualClock

TIMEOUT = frozenset({FailureKind.TIMEOUT})
RATE_LIMITED = frozenset({FailureKind.RATE_LIMITED})

PRICE = Price(input=2.5, output=10.0)


async def _awaited() -> int:
    return 1


def test_the_defaults_are_the_designs() -> None:
    """What nobody sets is what the design says."""
    assert Policy().model_dump() == {
        "deadline": None,
        "owner": None,
        "risk": "medium",
        "review_by": None,
        "on_stale": None,
        "output": None,
        "input": None,
        "attempt_timeout": None,
        "retry": None,
        "reask": 0,
        "breaker": None,
        "bulkhead": None,
        "hedge": None,
        "idempotent": True,
        "budget": None,
        "prices": None,
        "retry_budget": {"ratio": 0.2, "floor": 3, "per": 10.0},
        "key": None,
        "dependency": None,
        "fallback": (),
        "fallback_timeout": None,
        "isolation": None,
        "shape": None,
        "stream": None,
        "first_item": None,
        "idle": None,
        "on_break": "raise",
        "mode": "on",
        "contain": "all",
    }
    assert Retry().model_dump() == {"attempts": 3, "wait": None, "stop": None, "on": RETRIED_BY_DEFAULT}
    assert Breaker().model_dump() == {
        "failure_rate": 0.5,
        "minimum_calls": 10,
        "window": 60.0,
        "window_calls": None,
        "slow_call": None,
        "slow_rate": 0.8,
        "open_for": 15.0,
        "open_for_max": 300.0,
        "probes": 3,
        "concurrent_probes": 1,
        "metrics_only": False,
    }
    assert Bulkhead(limit=4).model_dump() == {"limit": 4, "queue": 0, "floor": None, "ceiling": None}
    assert Hedge().model_dump() == {"after": None}
    budget = {"calls": 60, "tokens": None, "usd": None, "per": 60.0, "reserve_tokens": None}
    assert Budget(calls=60).model_dump() == budget
    assert Price(input=1, output=2).model_dump() == {"input": 1.0, "output": 2.0, "cached": None}


def test_what_type_checkers_see_is_what_there_is() -> None:
    """The typed keywords of `guard` are the fields of `Policy`, but for `output`, which it types itself."""
    assert set(Settings.__annotations__) | {"output"} == set(Policy.model_fields)


@pytest.mark.parametrize(
    ("group", "settings", "words"),
    [
        (Breaker, {"window_calls": 5}, ["window_calls", "5", "minimum_calls", "10"]),
        (Breaker, {"window": 60.0, "window_calls": 50}, ["window", "window_calls"]),
        (Breaker, {"slow_rate": 0.5}, ["slow_rate", "slow_call"]),
        (Breaker, {"probes": 2, "concurrent_probes": 3}, ["concurrent_probes", "3", "probes", "2"]),
        (Breaker, {"open_for": 20.0, "open_for_max": 10.0}, ["open_for", "20", "open_for_max", "10"]),
        (Bulkhead, {"queue": 8}, ["queue", "limit"]),
        (Bulkhead, {"limit": 8, "floor": 9}, ["floor", "9", "limit", "8"]),
        (Bulkhead, {"limit": 8, "floor": 20, "ceiling": 10}, ["floor", "20", "ceiling", "10"]),
        (Bulkhead, {"limit": 8, "ceiling": 7}, ["limit", "8", "ceiling", "7"]),
        (Retry, {"attempts": 2, "stop": lambda _: True}, ["attempts", "stop"]),
        (Policy, {"deadline": 2.0, "hedge": Hedge(after=2.0)}, ["hedge.after", "2.0", "deadline", "2"]),
        (
            Policy,
            {"deadline": 2.0, "attempt_timeout": 0.5, "hedge": Hedge(after=0.6)},
            ["hedge.after", "0.6", "attempt_timeout", "0.5"],
        ),
        (Policy, {"hedge": Hedge(), "idempotent": False}, ["hedge", "idempotent"]),
        (Policy, {"reask": 1, "idempotent": False}, ["reask", "1", "idempotent"]),
        (Policy, {"retry": Retry(on=TIMEOUT), "idempotent": False}, ["retry.on", "idempotent"]),
        (Policy, {"hedge": Hedge(), "stream": "passthrough"}, ["hedge", "stream", "passthrough"]),
        (Policy, {"hedge": Hedge(), "bulkhead": Bulkhead(limit=1)}, ["hedge", "bulkhead.limit", "1"]),
        (Policy, {"on_break": "rung", "stream": "passthrough"}, ["on_break", "rung", "fallback"]),
        (Policy, {"on_break": "rung", "stream": "buffer", "fallback": ["x"]}, ["on_break", "rung", "stream", "buffer"]),
        (Policy, {"deadline": 2.0, "first_item": 3.0}, ["first_item", "3.0", "deadline", "2"]),
        (Policy, {"deadline": 2.0, "idle": 3.0}, ["idle", "3.0", "deadline", "2"]),
        (
            Policy,
            {"deadline": 9.0, "attempt_timeout": 1.0, "breaker": Breaker(slow_call=1.5)},
            ["breaker.slow_call", "1.5", "attempt_timeout", "1"],
        ),
        (Policy, {"dependency": "a provider"}, ["dependency", "'a provider'"]),
        (Budget, {"calls": 0}, ["calls", "0"]),
        (Budget, {}, ["calls", "tokens", "usd"]),
        (Budget, {"per": 5.0}, ["calls", "tokens", "usd"]),
        (Budget, {"usd": 0.0}, ["usd", "0.0"]),
        (Budget, {"usd": float("nan")}, ["usd", "nan"]),
        (Budget, {"tokens": 1.5}, ["tokens", "1.5"]),
        (Budget, {"calls": 5, "reserve_tokens": 5}, ["reserve_tokens", "tokens", "usd", "calls"]),
        (Budget, {"tokens": 5, "reserve_tokens": 6}, ["reserve_tokens", "6", "tokens", "5"]),
        (Budget, {"tokens": 5, "reserve_tokens": 0}, ["reserve_tokens", "0"]),
        (Budget, {"tokens": 5, "reserve_tokens": _awaited}, ["reserve_tokens", "coroutine"]),
        (Price, {"input": 1.0}, ["output", "required"]),
        (Price, {"input": -1.0, "output": 1.0}, ["Price.input", "-1.0"]),
        (Policy, {"budget": Budget(usd=5.0)}, ["prices", "budget.usd", "5"]),
        (Policy, {"prices": {}}, ["prices", "{}"]),
        (Policy, {"prices": {"gpt-4.1": {"input": -1.0, "output": 1.0}}}, ["prices.gpt-4.1.input", "-1.0"]),
        (Policy, {"prices": {"gpt-4.1": {"input": 1.0}}}, ["prices.gpt-4.1.output", "required"]),
        (Policy, {"prices": {"gpt-4.1": {"input": 1.0, "output": 1.0, "in": 1}}}, ["prices.gpt-4.1.in", "no such"]),
        (Policy, {"prices": {"gpt-4.1": 3}}, ["prices.gpt-4.1", "3", "Price"]),
        (Policy, {"prices": {"g*t": PRICE}}, ["prices.'g*t'", "*"]),
        (Policy, {"prices": {"": PRICE, 3: PRICE}}, ["prices.''", "prices.3"]),
        (
            Policy,
            {"prices": {"m": PRICE}, "budget": Budget(usd=0.5, reserve_tokens=1_000_000)},
            ["budget.reserve_tokens", "1000000", "prices", "budget.usd", "0.5"],
        ),
        (RetryBudget, {"ratio": -0.1}, ["ratio", "-0.1"]),
    ],
)
def test_settings_that_contradict_each_other_are_refused_by_name(
    group: type[BaseModel], settings: dict[str, Any], words: list[str]
) -> None:
    """A refusal names both settings, and the values that do not go together."""
    with pytest.raises(PolicyError) as caught:
        group(**settings)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("group", "settings"),
    [
        (Breaker, {"window_calls": 10}),
        (Breaker, {"probes": 3, "concurrent_probes": 3}),
        (Breaker, {"slow_call": 1.0, "slow_rate": 0.5}),
        (Bulkhead, {"limit": 8, "floor": 8, "ceiling": 8}),
        (Policy, {"deadline": 2.0, "attempt_timeout": 0.5, "hedge": Hedge(after=0.4)}),
        (Policy, {"hedge": Hedge(), "stream": "buffer", "bulkhead": Bulkhead(limit=1, ceiling=2)}),
        (Policy, {"idempotent": False, "retry": Retry()}),
        (Policy, {"idempotent": False, "retry": Retry(on=RATE_LIMITED)}),
        (Policy, {"deadline": 2.0, "first_item": 2.0, "idle": 2.0, "breaker": Breaker(slow_call=2.0)}),
        (Policy, {"on_break": "rung", "stream": "elements", "fallback": ["x"]}),
        (Policy, {"retry_budget": None}),
        (Budget, {"tokens": 5, "reserve_tokens": 5}),
        (Budget, {"usd": 0.000001}),
        (
            Budget,
            {
                "calls": 1,
                "tokens": 1,
                "usd": 1,
                "per": 1.0,
                "reserve_tokens": len,
            },
        ),
        (Policy, {"prices": {"m*": PRICE, "*": {"input": 1, "output": 0}}}),
        (Policy, {"prices": {"m": PRICE}, "budget": Budget(usd=0.5, reserve_tokens=50_000)}),
    ],
)
def test_settings_at_their_borders_go_together(group: type[BaseModel], settings: dict[str, Any]) -> None:
    """What is just allowed is allowed."""
    assert group(**settings) is not None


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("settings", "counted"),
    [
        ({"retry": Retry()}, True),
        ({"reask": 1}, True),
        ({"hedge": Hedge()}, True),
        ({"dependency": "provider"}, True),  # another boundary of it may spend
        ({}, False),
        ({"retry": Retry(), "retry_budget": None}, False),
        ({"dependency": "provider", "retry_budget": None}, False),
    ],
)
def test_calls_count_where_somebody_may_spend_what_they_add(settings: dict[str, Any], *, counted: bool) -> None:
    """Everywhere else nobody would ever look at the count."""
    assert Policy(**settings).counts_calls is counted


def test_a_policy_cannot_be_changed() -> None:
    """A boundary's settings are read-only, down to their groups."""
    boundary = Boundary("t", deadline=1.0, retry=Retry(), fallback=["floor"])
    with pytest.raises(ValidationError):
        boundary.policy.deadline = 2.0
    assert boundary.policy.retry is not None
    with pytest.raises(ValidationError):
        boundary.policy.retry.attempts = 5
    assert isinstance(boundary.policy.fallback, tuple)


def test_a_changed_list_of_rungs_does_not_show(clock: VirtualClock) -> None:
    """The ladder is the one that was declared, whatever becomes of the list."""
    del clock
    ladder = ["floor"]

    @guard("t", deadline=1.0, isolation="inline", fallback=ladder)
    def component() -> str:
        raise ConnectionError

    ladder.clear()
    assert component() == "floor"


@pytest.mark.parametrize(
    ("on", "kinds"),
    [
        ({FailureKind.TIMEOUT}, {FailureKind.TIMEOUT}),
        ({"timeout", "server_error"}, {FailureKind.TIMEOUT, FailureKind.SERVER_ERROR}),
        (["unclassified"], {FailureKind.UNCLASSIFIED}),
        ("auth", {FailureKind.AUTH}),
        (set(), set()),
    ],
)
def test_kinds_may_be_written_as_words(on: object, kinds: set[FailureKind]) -> None:
    """A set of kinds, a list of their values or one of them: a file has no enums."""
    retry = Retry(on=on)  # type: ignore[arg-type]
    assert frozenset(kinds) == retry.on


@pytest.mark.parametrize("seconds", [1, 1.0, 0.001, 86_400])
def test_whole_seconds_are_seconds(seconds: float) -> None:
    """`deadline=2` is two seconds: nobody has to write `2.0`."""
    assert Policy(deadline=seconds).deadline == seconds


def test_a_policy_made_directly_is_checked_too() -> None:
    """`Policy(…)` refuses what `guard` refuses, with a PolicyError."""
    with pytest.raises(PolicyError, match="deadline"):
        Policy(deadline=-1.0)
    with pytest.raises(PolicyError, match="no such setting"):
        Policy(dead_line=1.0)  # type: ignore[call-arg]
    with pytest.raises(PolicyError, match="attempt_timeout"):
        Policy(deadline=1.0, attempt_timeout=2.0)


@pytest.mark.parametrize(("value", "text"), [(1, "1"), ("a", "'a'"), ("x" * 100, "'" + "x" * 78 + "…")])
def test_a_value_is_shown_in_short(value: object, text: str) -> None:
    """An error message shows a value, not all of it."""
    assert shown(value) == text
