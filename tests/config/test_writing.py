"""From policies to a file and back."""

from __future__ import annotations

from typing import Any

import pytest
import tenacity
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aiguard import (
    Array,
    Boundary,
    Breaker,
    Budget,
    Bulkhead,
    FailureKind,
    Features,
    Hedge,
    InputContract,
    JsonSchema,
    OneOf,
    OutputContract,
    Owner,
    Policy,
    PolicyError,
    Price,
    Range,
    Retry,
    RetryBudget,
    Rung,
    Text,
    guard,
    last_good,
)
from aiguard.config import tenacity_names
from aiguard.config.configuration import Configuration
from aiguard.config.environment import name_in_environment
from aiguard.config.writing import write
from aiguard.failure import INVALID_OUTPUTS, REJECTIONS
from aiguard.rung import BoundaryRung
from tests.config import importable

seconds = st.floats(0.001, 1e6) | st.integers(1, 3600)
names = st.text(st.sampled_from("abzABZ019._-"), min_size=1, max_size=100)
texts = st.text(max_size=20) | st.sampled_from(
    ["on", "off", "null", "~", "1", "1e3", "0x1", "2026-01-01", " a ", "a: b"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
simple_waits = st.one_of(
    st.builds(tenacity.wait_none),
    st.builds(tenacity.wait_fixed, seconds),
    st.builds(tenacity.wait_random, seconds, seconds),
    st.builds(tenacity.wait_incrementing, seconds, seconds),
    st.builds(tenacity.wait_exponential, multiplier=seconds, max=seconds, exp_base=st.integers(2, 9), min=seconds),
    st.builds(tenacity.wait_random_exponential, max=seconds),
    st.builds(tenacity.wait_exponential_jitter, initial=seconds, jitter=seconds),
)
waits = simple_waits | st.lists(simple_waits, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([tenacity.wait_chain(*parts), tenacity.wait_combine(*parts)])
)
stops = st.one_of(
    st.just(tenacity.stop_never),
    st.builds(tenacity.stop_after_attempt, st.integers(1, 99)),
    st.builds(tenacity.stop_after_delay, seconds),
    st.builds(
        lambda a, b: tenacity.stop_any(tenacity.stop_after_attempt(a), tenacity.stop_after_delay(b)),
        st.integers(1, 9),
        seconds,
    ),
)
kinds = st.frozensets(
    st.sampled_from(sorted(set(FailureKind) - REJECTIONS - INVALID_OUTPUTS - {FailureKind.DEADLINE_EXHAUSTED}))
)


def some(**settings: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return any selection of settings."""
    return st.fixed_dictionaries({}, optional=settings)


retries = (some(attempts=st.integers(1, 100), wait=st.none() | waits, on=kinds) | some(stop=stops, wait=waits)).map(
    lambda given: Retry(**given)
)
breakers = (
    some(failure_rate=st.floats(0.01, 1), minimum_calls=st.integers(1, 99), window=seconds, probes=st.integers(1, 9))
    | some(window_calls=st.integers(10, 999), metrics_only=st.booleans())
    | st.fixed_dictionaries({"slow_call": seconds}, optional={"slow_rate": st.floats(0.01, 1)})
).map(lambda given: Breaker(**given))
bulkheads = st.one_of(
    st.builds(Bulkhead, limit=st.integers(1, 999), queue=st.integers(0, 999)),
    st.builds(Bulkhead, limit=st.integers(5, 9), floor=st.integers(1, 5), ceiling=st.integers(9, 99)),
)
dollars = st.floats(0, 1e4) | st.integers(0, 99)
prices = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=1, max_size=20)
    | st.sampled_from(["gpt-*", "*"]),
    st.builds(Price, input=dollars, output=dollars) | st.builds(Price, input=dollars, output=dollars, cached=dollars),
    min_size=1,
    max_size=3,
)
budgets = st.one_of(
    st.builds(Budget, calls=st.integers(1, 999), per=seconds),
    st.builds(Budget, tokens=st.integers(9, 999), reserve_tokens=st.integers(1, 9) | st.just(importable.question)),
)
retry_budgets = some(ratio=st.floats(0, 100), floor=st.integers(0, 99), per=seconds).map(
    lambda given: RetryBudget(**given)
)
contracts: st.SearchStrategy[Any] = st.one_of(
    st.just(importable.Triage),
    some(
        name=texts,
        format=st.sampled_from(["json", "python"]),
        extract=st.booleans(),
        checks=st.just((importable.is_urgent,)),
        max_bytes=st.integers(1, 10**9),
        version=st.none() | st.integers(1, 99) | st.sampled_from(["2026-11", "v2"]),
        repair=st.sampled_from(["off", "safe"]),
        on_check_error=st.sampled_from([None, "reject", "accept"]),
    ).map(lambda given: OutputContract(importable.Triage, **given)),
    st.just(
        OutputContract(JsonSchema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}))
    ),
)
missing = st.sampled_from(["reject", "allow"])
plain_rules = st.one_of(
    st.builds(Range, st.none() | st.integers(-9, 0), st.none() | st.floats(1, 9), missing=missing),
    st.lists(st.booleans() | st.integers() | texts, min_size=1, max_size=3).map(lambda given: OneOf(*given)),
    st.builds(Text, st.integers(1, 99), missing=missing),
    st.builds(Text, st.integers(1, 99), max_tokens=st.integers(1, 9), count=st.just(importable.question)),
)
input_rules: st.SearchStrategy[Any] = st.recursive(
    plain_rules
    | st.just(importable.Triage)
    | st.just(JsonSchema({"type": "integer"}))
    | st.builds(Features, st.integers(1, 9) | st.lists(names, min_size=1, max_size=3, unique=True), missing=missing)
    | st.builds(Features, st.dictionaries(names, plain_rules, min_size=1, max_size=3))
    | st.builds(Array, st.lists(st.none() | st.integers(0, 9), max_size=3), dtype=st.sampled_from([None, "int8"])),
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=4,
)
inputs: st.SearchStrategy[Any] = st.just(importable.Triage) | st.builds(
    InputContract,
    st.just(importable.Triage) | st.dictionaries(names, input_rules, min_size=1, max_size=3),
    name=names,
    version=st.none() | st.integers(1, 9) | st.just("v2"),
    on_breach=st.sampled_from(["reject", "warn"]),
)
rungs = st.one_of(
    values,
    st.just(importable.rules),
    some(ai=st.booleans(), inline=st.booleans(), name=texts.filter(bool))
    .filter(lambda given: any(given.values()))
    .map(lambda given: Rung(importable.rules, **given)),
    st.builds(lambda ttl, size: last_good(by=importable.question, ttl=ttl, size=size), seconds, st.integers(1, 9999)),
    names.map(BoundaryRung),
)
lines = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=9)
owners = st.builds(Owner, team=lines, person=st.none() | lines, runbook=st.none() | lines)
policies = some(
    deadline=st.none() | seconds,
    owner=st.none() | texts | owners,
    risk=st.sampled_from(["low", "medium", "high"]),
    review_by=st.none() | st.dates(),
    on_stale=st.sampled_from(["keep", "off", None]),
    output=contracts,
    input=inputs,
    retry=st.none() | retries,
    reask=st.integers(0, 10),
    breaker=st.none() | breakers,
    bulkhead=st.none() | bulkheads,
    hedge=st.none() | some(after=st.floats(1e-9, 1e-4)).map(lambda given: Hedge(**given)),
    budget=st.none() | budgets,
    prices=st.none() | prices,
    retry_budget=st.none() | retry_budgets,
    key=st.just(importable.question),
    dependency=st.none() | names,
    first_item=st.none() | st.floats(1e-9, 1e-4),
    idle=st.none() | st.floats(1e-9, 1e-4),
    fallback=st.lists(rungs, max_size=4),
    isolation=st.sampled_from(["inline", "thread", None]),
    shape=st.sampled_from(["sync", "async", "generator", "async_generator"]),
    stream=st.sampled_from(["passthrough", "buffer"]),
    mode=st.sampled_from(["on", "off"]),
    contain=st.sampled_from(["all", "known"]),
).map(lambda given: fitting(dict(given)))


def fitting(given: dict[str, Any]) -> Policy:
    """Return the policy that `given` says, without what contradicts the rest."""
    if given.get("deadline") is not None and given.get("breaker") is not None:
        slow = given["breaker"].slow_call
        if slow is not None and slow > given["deadline"]:
            del given["breaker"]
    if given.get("stream") == "passthrough" or getattr(given.get("bulkhead"), "most", None) == 1:
        given.pop("hedge", None)
    return Policy(**given)


def plain(policy: Policy) -> Any:
    """Return a policy as something that can be compared: tenacity's objects know no equality."""
    if policy.retry is None:
        return policy, None
    written = [tenacity_names.written(one) for one in (policy.retry.wait, policy.retry.stop) if one is not None]
    return policy.model_copy(update={"retry": policy.retry.model_copy(update={"wait": None, "stop": None})}), written


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(names, policies, max_size=3))
def test_any_policy_survives_the_file(given: dict[str, Policy]) -> None:
    """Policy → YAML → policy is the identity, for every policy that a file can hold."""
    assume(len({name_in_environment(name) for name in given}) == len(given))
    assume(not any(BoundaryRung(other) in policy.fallback for policy in given.values() for other in given))
    read = Configuration("aiguard.yaml", write(given).encode(), {}).checked()
    assert list(read.boundaries) == list(given)
    for name, policy in given.items():
        again = read.policy(name, Policy())
        assert plain(again) == plain(policy)
        assert repr(again.fallback) == repr(policy.fallback), "types too: 1 equals true"
        assert again.model_fields_set == policy.model_fields_set


@pytest.mark.usefixtures("clock")
def test_what_the_code_says_can_be_taken_over_as_a_file() -> None:
    """Functions by their paths, guarded ones by their boundary, models as data."""

    @guard("smaller", deadline=1.0)
    async def smaller(ticket: str) -> str:
        return ticket

    policy = Policy(
        deadline=2,
        output=importable.Triage,
        fallback=(smaller, importable.rules, importable.Triage(category="other", priority=1)),
        retry=Retry(wait=tenacity.wait_fixed(2)),
        breaker=Breaker(),
    )
    assert write({"ticket-triage": policy}) == (
        "version: 1\n"
        "boundaries:\n"
        "  ticket-triage:\n"
        "    deadline: 2.0\n"
        "    output: tests.config.importable:Triage\n"
        "    retry:\n"
        "      wait:\n"
        "        wait_fixed:\n"
        "          wait: 2.0\n"
        "    breaker: {}\n"
        "    fallback:\n"
        "      - boundary: smaller\n"
        "      - call: tests.config.importable:rules\n"
        "      - value:\n"
        "          category: other\n"
        "          priority: 1\n"
    )


def test_what_has_no_form_in_a_file_is_told() -> None:
    """Everything at once: lambdas, local functions, objects of one's own."""

    def local(ticket: str) -> str:
        return ticket

    policies = {
        "a": Policy(fallback=(local, lambda ticket: ticket, object(), {1: 2}), output=list[int]),
        "b": Policy(retry=Retry(wait=lambda _: 1.0, on=tenacity.retry_if_exception_type(OSError))),
        "c": Policy(retry=Retry(wait=tenacity.wait_exception(lambda _: 1.0))),
    }
    with pytest.raises(PolicyError) as caught:
        write(policies)
    assert [(problem.boundary, problem.setting) for problem in caught.value.problems] == [
        ("a", "output"),
        ("a", "fallback[0]"),
        ("a", "fallback[1]"),
        ("a", "fallback[2]"),
        ("a", "fallback[3]"),
        ("b", "retry.wait"),
        ("b", "retry.on"),
        ("c", "retry.wait"),
    ]
    assert all("has no form in a file" in str(problem) for problem in caught.value.problems)


@pytest.mark.usefixtures("clock")
def test_a_boundary_under_a_written_file_is_what_it_was() -> None:
    """What `write` says of a declared boundary leaves it as it is."""
    boundary = Boundary("t", deadline=2.0, retry=Retry(attempts=5), fallback=["floor"])
    read = Configuration("aiguard.yaml", write({"t": boundary.policy}).encode(), {}).checked()
    assert read.policy("t", boundary.policy) == boundary.policy
