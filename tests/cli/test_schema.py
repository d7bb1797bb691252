"""`aiguard schema`: a real validator and the loader agree on what a file may say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aiguard import FailureKind, Policy, PolicyError
from aiguard.config.configuration import Configuration
from aiguard.config.schema import file_schema
from aiguard.config.yaml_text import read_yaml, write_yaml
from tests.cli.commands import run

SCHEMA = file_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
HERE = "tests.config.importable"

SAMPLE = f"""
version: 1
defaults:
  owner: support
  breaker: {{failure_rate: 0.5, minimum_calls: 10, window: 1m}}
boundaries:
  empty:
  ticket-triage:
    deadline: 2.5
    owner: {{team: support-ml, person: anna, runbook: "https://example.org/triage"}}
    risk: high
    review_by: 2027-01-31
    on_stale: keep
    attempt_timeout: 800ms
    retry:
      attempts: 3
      wait: {{wait_exponential: {{multiplier: 100ms, max: 2, exp_base: 2}}}}
      on: [timeout, connection, overloaded]
    reask: 1
    breaker: {{window: 30s, open_for: 5, open_for_max: 1m30s, probes: 2, concurrent_probes: 1, slow_call: 700ms}}
    bulkhead: {{limit: 16, queue: 32, floor: 4, ceiling: 64}}
    hedge: {{after: 500ms}}
    idempotent: true
    budget: {{calls: 600, tokens: 90000, usd: 2.5, per: 1m, reserve_tokens: 4000}}
    prices:
      gpt-4.1: {{input: 2, output: 8, cached: 0.5}}
      "gpt-*": {{input: 10, output: 30}}
    retry_budget: {{ratio: 0.1, floor: 1, per: 10s}}
    key: "{HERE}:question"
    dependency: provider
    output:
      schema: "{HERE}:Triage"
      name: triage
      format: json
      extract: true
      checks: ["{HERE}:is_urgent"]
      max_bytes: 1000
    input:
      fields:
        amount: {{range: {{low: 0, high: 1000000}}}}
        country: {{one_of: {{values: [DE, AT], missing: allow}}}}
        ticket: {{text: {{max_length: 8000, max_tokens: 2000, count: "{HERE}:question"}}}}
        row: {{fields: {{age: {{range: {{low: 18, missing: allow}}}}, kind: "{HERE}:Triage"}}}}
        table: {{features: {{columns: [amount, age], missing: allow}}}}
        ruled: {{features: {{columns: {{amount: {{range: {{low: 0}}}}}}}}}}
        wide: {{features: {{columns: 4}}}}
        image: {{array: {{shape: [null, 4], dtype: float32}}}}
        question: {{schema: {{type: string}}}}
      name: triage-in
      version: 2
      on_breach: fallback
    fallback:
      - {{last_good: {{by: "{HERE}:question", ttl: 1h, size: 100}}}}
      - {{boundary: smaller}}
      - {{call: "{HERE}:rules", name: rules, inline: true, ai: false}}
      - {{value: {{category: other, priority: 1}}}}
    fallback_timeout: 0.2
    isolation: thread
    shape: sync
    mode: "off"
    contain: known
  smaller:
    deadline: 1m
    output: "{HERE}:Triage"
    retry:
      wait: {{wait_chain: [wait_none, {{wait_fixed: {{wait: 1s}}}}]}}
      stop: {{stop_after_delay: {{max_delay: 5s}}}}
  stream.v2:
    deadline: 30
    stream: elements
    first_item: 2s
    idle: 500ms
    on_break: raise
    retry: {{wait: "{HERE}:WAIT", on: "{HERE}:RETRY", stop: stop_never}}
    breaker: null
    retry_budget: null
    output: {{schema: {{type: object, properties: {{a: {{type: string}}}}, required: [a]}}}}
directory:
  people:
    anna: {{name: Anna Example, contact: anna@example.org, runbook: "https://example.org/anna"}}
    ben: {{name: Ben Example, contact: ~}}
  teams:
    support-ml: {{members: [anna, ben], runbook: "https://example.org/support"}}
control: {{halt: [support-ml, ben], resume: [anna]}}
"""


def accepted(text: str) -> tuple[bool, bool]:
    """Return whether the schema accepts a file, and whether the loader does."""
    node, flaws = read_yaml(text.encode())
    assert node is not None
    assert flaws == []
    try:
        Configuration("aiguard.yaml", text.encode(), {}).checked()
    except PolicyError:
        return VALIDATOR.is_valid(node.plain()), False
    return VALIDATOR.is_valid(node.plain()), True


def test_the_command_prints_the_schema() -> None:
    """Indented by two, for a file that is kept beside the policies."""
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == SCHEMA
    assert result.stdout.startswith('{\n  "$schema": "https://json-schema.org/draft/2020-12/schema",\n')
    assert result.stdout.endswith("}\n")


def test_the_schema_is_a_schema() -> None:
    """By the draft that it names; every reference leads somewhere, and every definition is used."""
    Draft202012Validator.check_schema(SCHEMA)
    text = json.dumps(SCHEMA)
    assert [name for name in SCHEMA["$defs"] if f'"#/$defs/{name}"' not in text] == []


def test_everything_that_a_file_may_say_is_accepted() -> None:
    """By both; the sample has every setting there is."""
    assert accepted(SAMPLE) == (True, True)
    node, _ = read_yaml(SAMPLE.encode())
    assert node is not None
    blocks = [block for block in node.plain()["boundaries"].values() if block]
    assert set().union(*blocks) == set(Policy.model_fields)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "version: 2",
        "version: '1'",
        "version: true",
        "version: null",
        "version: 1\nboundary: {}",
        "version: 1\ndirectory: []",
        "version: 1\ndirectory: {persons: {}}",
        "version: 1\ndirectory: {people: {anna: {}}}",
        "version: 1\ndirectory: {people: {anna: {name: 7}}}",
        "version: 1\ndirectory: {people: {anna: {name: Anna, phone: '7'}}}",
        "version: 1\ndirectory: {teams: {shop: {members: []}}}",
        "version: 1\ndirectory: {teams: {shop: {runbook: x}}}",
        "version: 1\ncontrol: [anna]",
        "version: 1\ncontrol: {halt: anna}",
        "version: 1\ncontrol: {stop: [anna]}",
        "version: 1\nboundaries: []",
        "version: 1\nboundaries: {'two words': {}}",
        "version: 1\nboundaries: {'': {}}",
        f"version: 1\nboundaries: {{{'x' * 101}: {{}}}}",
        "version: 1\nboundaries: {a: 3}",
        "version: 1\ndefaults: []",
        "version: 1\ndefaults: {deadlin: 1}",
    ],
)
def test_a_file_of_another_form_is_rejected_by_both(text: str) -> None:
    """Its sections, its version, its names."""
    assert accepted(text) == (False, False)


@pytest.mark.parametrize(
    "block",
    [
        "deadlin: 2",
        "budget: 3",
        "budget: {calls: 0}",
        "budget: {usd: 0}",
        "budget: {tokens: many}",
        "budget: {tokens: 5, reserve_tokens: 0}",
        "budget: {tokens: 5, reserve_tokens: many}",
        "prices: 3",
        "prices: {}",
        "prices: {m: 3}",
        "prices: {m: null}",
        "prices: {m: {input: -1, output: 1}}",
        "prices: {m: {in: 1}}",
        "prices: {'m*m': {input: 1, output: 1}}",
        "prices: {'': {input: 1, output: 1}}",
        "hedge: 0.5",
        "breaker: {metrics_only: maybe}",
        "idempotent: null",
        "key: question",
        "dependency: 3",
        "on_break: stop",
        "retry_budget: {ratio: -1}",
        "deadline: -1",
        "deadline: soon",
        "deadline: '1.5'",
        "deadline: 2 s",
        "deadline: true",
        "deadline: [2]",
        "attempt_timeout: -3",
        "fallback_timeout: -1",
        "owner: 3",
        "reask: -1",
        "reask: 11",
        "reask: many",
        "retry: 3",
        "retry: {attempts: 0}",
        "retry: {attempts: 101}",
        "retry: {attempts: null}",
        "retry: {times: 3}",
        "retry: {on: timeout}",
        "retry: {on: [sometimes]}",
        "retry: {wait: wait_long}",
        "retry: {wait: 2}",
        "retry: {wait: {wait_fixed: 2}}",
        "retry: {wait: {wait_fixed: {seconds: 2}}}",
        "retry: {wait: {wait_exponential: {exp_base: 2s}}}",
        "retry: {wait: {wait_chain: wait_none}}",
        "retry: {wait: {wait_none: {}, wait_fixed: {wait: 1}}}",
        "retry: {wait: stop_never}",
        "retry: {stop: wait_none}",
        "breaker: on",
        "breaker: {failure_rate: 0}",
        "breaker: {failure_rate: 50}",
        "breaker: {minimum_calls: 0}",
        "breaker: {probes: none}",
        "breaker: {window: -1}",
        "bulkhead: 16",
        "bulkhead: {limit: 0}",
        "bulkhead: {limit: 1, queue: -1}",
        "output: triage",
        "output: []",
        "output: {}",
        "output: {name: triage}",
        "output: {schema: 3}",
        f"output: {{schema: '{HERE}:Triage', format: xml}}",
        f"output: {{schema: '{HERE}:Triage', max_bytes: 0}}",
        f"output: {{schema: '{HERE}:Triage', checks: '{HERE}:is_urgent'}}",
        f"output: {{schema: '{HERE}:Triage', strict: true}}",
        "input: triage",
        "input: []",
        "input: {}",
        "input: {name: score-in}",
        "input: {fields: []}",
        "input: {fields: {}}",
        "input: {fields: {a: 3}}",
        "input: {fields: {a: {}}}",
        "input: {fields: {a: {rang: {low: 0}}}}",
        "input: {fields: {a: {range: {low: 0}, text: {}}}}",
        "input: {fields: {a: {range: {least: 0}}}}",
        "input: {fields: {a: {range: {low: '0'}}}}",
        "input: {fields: {a: {range: {low: true}}}}",
        "input: {fields: {a: {range: {missing: ignore}}}}",
        "input: {fields: {a: {one_of: {}}}}",
        "input: {fields: {a: {one_of: [DE]}}}",
        "input: {fields: {a: {one_of: {values: DE}}}}",
        "input: {fields: {a: {one_of: {values: []}}}}",
        "input: {fields: {a: {one_of: {values: [null]}}}}",
        "input: {fields: {a: {one_of: {values: [[1]]}}}}",
        "input: {fields: {a: {text: {max_length: 0}}}}",
        "input: {fields: {a: {text: {max_length: 9, max_tokens: 1, count: len}}}}",
        "input: {fields: {a: {features: {}}}}",
        "input: {fields: {a: {features: {columns: 0}}}}",
        "input: {fields: {a: {features: {columns: []}}}}",
        "input: {fields: {a: {features: {columns: [a, a]}}}}",
        "input: {fields: {a: {features: {columns: {}}}}}",
        "input: {fields: {a: {array: {}}}}",
        "input: {fields: {a: {array: {shape: [-1]}}}}",
        "input: {fields: {a: {array: {shape: [1], dtype: 3}}}}",
        "input: {fields: {a: {fields: {}}}}",
        "input: {fields: {a: {schema: 3}}}",
        f"input: {{fields: '{HERE}:Triage', name: two words}}",
        f"input: {{fields: '{HERE}:Triage', version: 0}}",
        f"input: {{fields: '{HERE}:Triage', version: '2 '}}",
        f"input: {{fields: '{HERE}:Triage', on_breach: stop}}",
        f"input: {{fields: '{HERE}:Triage', owner: a}}",
        "fallback: unknown",
        "fallback: [unknown]",
        "fallback: [{}]",
        "fallback: [{valu: 1}]",
        "fallback: [{value: 1, call: 'builtins:print'}]",
        "fallback: [{value: 1, name: unknown}]",
        "fallback: [{call: print}]",
        "fallback: [{call: 'builtins:print', ai: maybe}]",
        "fallback: [{boundary: [a]}]",
        f"fallback: [{{last_good: {{by: '{HERE}:question'}}}}]",
        f"fallback: [{{last_good: {{by: '{HERE}:question', ttl: -1}}}}]",
        f"fallback: [{{last_good: {{by: '{HERE}:question', ttl: 1, size: 0}}}}]",
        "fallback: [{last_good: {ttl: 1}}]",
        "isolation: process",
        "shape: coroutine",
        "stream: items",
        "mode: canary",
        "mode: true",
        "mode: null",
        "contain: some",
    ],
)
@pytest.mark.parametrize("place", ["defaults", "boundaries"])
def test_a_mistake_is_rejected_by_both(block: str, place: str) -> None:
    """An editor underlines what the loader would refuse."""
    inside = f"{{t: {{{block}}}}}" if place == "boundaries" else f"{{{block}}}"
    assert accepted(f"version: 1\n{place}: {inside}\n") == (False, False)


TIMES = st.sampled_from([1, 0.5, 0, -1, 3600, "1s", "800ms", "1m30s", "2 s", "", "soon", None, True, [1]])
NUMBERS = st.sampled_from([0, 1, 2, 10, 100, 1000, -1, 0.5, 1.0, "1", None, True])
IMPORTS = st.sampled_from(
    [f"{HERE}:Triage", f"{HERE}:rules", f"{HERE}:question", f"{HERE}:nothing", "plain", "", 3, None]
)
WAITS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.sampled_from(["wait_none", "wait_fixed", "wait_random", "stop_never", f"{HERE}:WAIT", "plain", None, 3]),
        st.fixed_dictionaries({"wait_fixed": st.fixed_dictionaries({"wait": TIMES})}),
        st.fixed_dictionaries(
            {"wait_random": st.fixed_dictionaries({}, optional={"min": TIMES, "max": TIMES, "mix": TIMES})}
        ),
        st.fixed_dictionaries({"stop_after_attempt": st.fixed_dictionaries({"max_attempt_number": NUMBERS})}),
    ),
    lambda inner: st.one_of(
        *(st.fixed_dictionaries({name: st.lists(inner, max_size=2)}) for name in ("wait_chain", "stop_any"))
    ),
    max_leaves=3,
)
RUNGS = st.one_of(
    st.sampled_from([1, "text", None, {}, {"value": None}, {"value": [1]}, {"boundary": "other"}, {"boundary": 3}]),
    st.fixed_dictionaries({"call": IMPORTS}, optional={"ai": st.sampled_from([True, "yes"]), "value": NUMBERS}),
    st.fixed_dictionaries(
        {"last_good": st.fixed_dictionaries({"by": IMPORTS}, optional={"ttl": TIMES, "size": NUMBERS})}
    ),
)
OUTPUTS = st.one_of(
    IMPORTS,
    st.fixed_dictionaries(
        {},
        optional={
            "schema": st.one_of(IMPORTS, st.just({"type": "string"})),
            "name": st.just("n"),
            "format": st.sampled_from(["json", "xml"]),
            "extract": st.sampled_from([True, False]),
            "max_bytes": NUMBERS,
            "checks": st.lists(IMPORTS, max_size=2),
        },
    ),
)
BLOCKS = st.fixed_dictionaries(
    {},
    optional={
        "deadline": TIMES,
        "attempt_timeout": TIMES,
        "owner": st.sampled_from(["me", "", 3, None]),
        "reask": NUMBERS,
        "retry": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {},
                optional={
                    "attempts": NUMBERS,
                    "wait": WAITS,
                    "stop": WAITS,
                    "on": st.one_of(
                        IMPORTS,
                        st.lists(st.sampled_from([*(kind.value for kind in FailureKind), "sometimes"]), max_size=3),
                    ),
                },
            ),
        ),
        "breaker": st.one_of(
            st.sampled_from([None, {}, 3]),
            st.fixed_dictionaries({}, optional={"failure_rate": NUMBERS, "window": TIMES, "probes": NUMBERS}),
        ),
        "bulkhead": st.fixed_dictionaries(
            {}, optional={"limit": NUMBERS, "queue": NUMBERS, "size": NUMBERS, "floor": NUMBERS}
        ),
        "hedge": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"after": TIMES})),
        "budget": st.one_of(
            st.none(), st.fixed_dictionaries({}, optional={"calls": NUMBERS, "per": TIMES, "usd": NUMBERS})
        ),
        "prices": st.dictionaries(
            st.sampled_from(["m", "m*", "*m", ""]),
            st.one_of(st.none(), st.fixed_dictionaries({}, optional={"input": NUMBERS, "output": NUMBERS})),
            max_size=2,
        ),
        "retry_budget": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"ratio": NUMBERS, "floor": NUMBERS})),
        "key": IMPORTS,
        "idle": TIMES,
        "on_break": st.sampled_from(["raise", "rung", "stop", None]),
        "idempotent": st.sampled_from([True, False, None, "no"]),
        "output": OUTPUTS,
        "fallback": st.one_of(st.none(), st.lists(RUNGS, max_size=3)),
        "fallback_timeout": TIMES,
        "mode": st.sampled_from(["on", "off", "canary", None, True]),
        "stream": st.sampled_from(["buffer", "passthrough", "elements", "items", None]),
        "shape": st.sampled_from(["sync", "generator", "coroutine", None]),
        "nothing": st.just(1),
    },
)


@given(BLOCKS)
def test_what_the_loader_accepts_the_schema_accepts(block: dict[str, Any]) -> None:
    """Of settings right and wrong in any company; an editor never underlines what works."""
    text = write_yaml({"version": 1, "boundaries": {"t": block}})
    by_schema, by_loader = accepted(text)
    assert by_schema or not by_loader, text
