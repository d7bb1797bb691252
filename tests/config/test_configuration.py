"""What a file and the environment say of a boundary, and how everything that is wrong is told."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import pytest
import tenacity

from aiguard import (
    Breaker,
    Budget,
    Bulkhead,
    FailureKind,
    OutputContract,
    Policy,
    PolicyError,
    Position,
    Price,
    Retry,
    Rung,
)
from aiguard.config.configuration import Configuration
from aiguard.contract import JsonSchema
from aiguard.rung import BoundaryRung, last_good
from tests.config import importable

HERE = "tests.config.importable"


def configuration(text: str, file: str = "aiguard.yaml", **environ: str) -> Configuration:
    """Read a file with this text."""
    return Configuration(file, dedent(text).encode(), environ).checked()


def policy(block: str, code: Policy | None = None, **environ: str) -> Policy:
    """Return the policy of boundary `t`, whose block in the file this is."""
    indented = "\n".join(f"    {line}" for line in dedent(block).strip().splitlines())
    text = f"version: 1\nboundaries:\n  t:\n{indented}\n"
    return Configuration("aiguard.yaml", text.encode(), environ).checked().policy("t", code or Policy())


def problems(text: str, file: str = "aiguard.yaml", **environ: str) -> list[str]:
    """Return what is wrong with a file, line by line."""
    with pytest.raises(PolicyError) as caught:
        configuration(text, file, **environ)
    return [str(problem) for problem in caught.value.problems]


# --- every form


@pytest.mark.parametrize(
    ("block", "setting", "value"),
    [
        ("deadline: 2", "deadline", 2.0),
        ("deadline: 2.5", "deadline", 2.5),
        ("deadline: 1m30s", "deadline", 90.0),
        ("deadline: 800ms", "deadline", 0.8),
        ("owner: support-ml", "owner", "support-ml"),
        ("owner: on", "owner", "on"),
        ("attempt_timeout: 300ms", "attempt_timeout", 0.3),
        ("mode: off", "mode", "off"),
        ("mode: on", "mode", "on"),
        ("reask: 2", "reask", 2),
        ("contain: known", "contain", "known"),
        ("isolation: inline", "isolation", "inline"),
        ("shape: async", "shape", "async"),
        ("stream: buffer", "stream", "buffer"),
        ("fallback_timeout: 0", "fallback_timeout", 0.0),
        ("fallback_timeout: 100ms", "fallback_timeout", 0.1),
        ("retry: {attempts: 5}", "retry", Retry(attempts=5)),
        ("retry: {}", "retry", Retry()),
        ("retry: null", "retry", None),
        ("retry:", "retry", None),
        (
            "retry: {'on': [timeout, auth]}",
            "retry",
            Retry(on=frozenset({FailureKind.TIMEOUT, FailureKind.AUTH})),
        ),
        (f"retry: {{wait: '{HERE}:WAIT'}}", "retry", Retry(wait=importable.WAIT)),
        (f"retry: {{on: '{HERE}:RETRY'}}", "retry", Retry(on=importable.RETRY)),
        ("breaker: {open_for: 1m, open_for_max: 1h}", "breaker", Breaker(open_for=60.0, open_for_max=3600.0)),
        ("bulkhead: {limit: 4, queue: 8}", "bulkhead", Bulkhead(limit=4, queue=8)),
        (
            f"budget: {{tokens: 9000, reserve_tokens: '{HERE}:question'}}",
            "budget",
            Budget(tokens=9000, reserve_tokens=importable.question),  # type: ignore[arg-type]
        ),
        (
            "prices: {gpt-4.1: {input: 2, output: 8.5, cached: null}, 'o*': {input: 0, output: 0}}",
            "prices",
            {"gpt-4.1": Price(input=2.0, output=8.5, cached=None), "o*": Price(input=0.0, output=0.0)},
        ),
        (f"output: '{HERE}:Triage'", "output", importable.Triage),
        (f"output: '{HERE}:CONTRACT'", "output", importable.CONTRACT),
        (
            (
                f"output: {{schema: '{HERE}:Triage', extract: true, name: t, checks: ['{HERE}:is_urgent'],"
                " version: 3, repair: safe, ambiguous: reject, on_check_error: accept}"
            ),
            "output",
            OutputContract(
                importable.Triage,
                extract=True,
                name="t",
                checks=(importable.is_urgent,),
                version=3,
                repair="safe",
                on_check_error="accept",
            ),
        ),
        (
            "output: {schema: {type: object, properties: {a: {type: integer}}}}",
            "output",
            OutputContract(JsonSchema({"type": "object", "properties": {"a": {"type": "integer"}}})),
        ),
        ("fallback: []", "fallback", ()),
        ("fallback: [{value: {a: [1, 2.5, null, 'x', true]}}]", "fallback", ({"a": [1, 2.5, None, "x", True]},)),
        ("fallback: [{value: null}]", "fallback", (None,)),
        ("fallback: [{value: off}]", "fallback", ("off",)),
        (f"fallback: [{{call: '{HERE}:rules'}}]", "fallback", (importable.rules,)),
        (
            f"fallback: [{{call: '{HERE}:rules', ai: true, inline: true, name: r}}]",
            "fallback",
            (Rung(importable.rules, ai=True, inline=True, name="r"),),
        ),
        (
            f"fallback: [{{last_good: {{by: '{HERE}:question', ttl: 10m}}}}]",
            "fallback",
            (last_good(by=importable.question, ttl=600.0),),
        ),
        ("fallback: [{boundary: smaller}]", "fallback", (BoundaryRung("smaller"),)),
    ],
)
def test_a_setting_is_read(block: str, setting: str, value: object) -> None:
    """Each setting in each form that a file may give it."""
    read = getattr(policy(block), setting)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        ("wait_none", tenacity.wait_none()),
        ("{wait_fixed: {wait: 2}}", tenacity.wait_fixed(2)),
        ("{wait_fixed: {wait: 200ms}}", tenacity.wait_fixed(0.2)),
        ("{wait_random: {min: 1, max: 3}}", tenacity.wait_random(1, 3)),
        ("{wait_incrementing: {start: 1, increment: 2, max: 9}}", tenacity.wait_incrementing(1, 2, 9)),
        ("{wait_exponential: {multiplier: 1, max: 1m, exp_base: 3}}", tenacity.wait_exponential(1, 60, 3)),
        ("{wait_random_exponential: {max: 5}}", tenacity.wait_random_exponential(max=5)),
        ("{wait_exponential_jitter: {initial: 1, jitter: 2}}", tenacity.wait_exponential_jitter(initial=1, jitter=2)),
    ],
)
def test_tenacitys_waits_have_names(wait: str, expected: Any) -> None:
    """By name, with the arguments of the class; times may have units."""
    retry = policy(f"retry: {{wait: {wait}}}").retry
    assert retry is not None
    assert type(retry.wait) is type(expected)
    assert vars(retry.wait) == vars(expected)


def test_waits_and_stops_are_made_of_others() -> None:
    """Chains and combinations are lists."""
    retry = policy(
        """
        retry:
          wait: {wait_chain: [{wait_fixed: {wait: 1}}, {wait_combine: [wait_none, {wait_fixed: {wait: 2}}]}]}
          stop: {stop_any: [{stop_after_delay: {max_delay: 1m}}, {stop_after_attempt: {max_attempt_number: 7}}]}
        """
    ).retry
    assert retry is not None
    first, second = retry.wait.strategies  # type: ignore[union-attr]
    assert first.wait_fixed == 1
    assert [type(one).__name__ for one in second.wait_funcs] == ["wait_none", "wait_fixed"]
    delay, attempts = retry.stop.stops  # type: ignore[union-attr]
    assert (delay.max_delay, attempts.max_attempt_number) == (60, 7)


# --- layers


def test_environment_over_file_over_code_over_defaults() -> None:
    """Setting by setting, groups too."""
    read = configuration(
        """
        version: 1
        defaults: {owner: everybody, attempt_timeout: 9, retry: {attempts: 9}, breaker: {probes: 9, window: 99}}
        boundaries:
          ticket-triage: {deadline: 7, breaker: {window: 7}}
        """,
        AIGUARD__TICKET_TRIAGE__BREAKER__MINIMUM_CALLS="5",
        AIGUARD__TICKET_TRIAGE__DEADLINE="5m",
        PATH="/bin",
    )
    code = Policy(attempt_timeout=1.0, deadline=2.0, breaker=Breaker(open_for=1.0, probes=1))
    merged = read.policy("ticket-triage", code)
    assert merged == Policy(
        deadline=300.0,
        owner="everybody",
        attempt_timeout=1.0,
        retry=Retry(attempts=9),
        breaker=Breaker(minimum_calls=5, window=7.0, open_for=1.0, probes=1),
    )
    assert read.policy("another", Policy(deadline=1.0, attempt_timeout=0.5)).owner == "everybody"


def test_a_boundary_nobody_speaks_of_keeps_its_policy() -> None:
    """The very object: nothing is checked or built again."""
    code = Policy(deadline=1.0)
    assert configuration("version: 1").policy("t", code) is code


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("AIGUARD__T__MODE", "off", {"mode": "off"}),
        ("AIGUARD__T__RETRY", "{attempts: 4}", {"retry": {"attempts": 4}}),
        ("AIGUARD__T__RETRY", "null", {"retry": None}),
        ("AIGUARD__T__RETRY__ATTEMPTS", "4", {"retry": {"attempts": 4}}),
        ("AIGUARD__T__FALLBACK", "[{value: [1]}]", {"fallback": [[1]]}),
        ("AIGUARD__T__OWNER", "12ab", {"owner": "12ab"}),
        ("AIGUARD__T__OWNER__TEAM", "support-ml", {"owner": {"team": "support-ml"}}),
        ("AIGUARD__T__OWNER__RUNBOOK", "https://x", {"owner": {"runbook": "https://x"}}),
        ("AIGUARD__T__REVIEW_BY", "2027-01-31", {"review_by": "2027-01-31"}),
    ],
)
def test_a_variable_is_read_as_yaml(variable: str, value: str, expected: dict[str, Any]) -> None:
    """Scalars, lists and mappings, in the forms of the file."""
    read = Configuration(None, b"", {variable: value})
    assert read.environment.block("t").settings == expected


def test_a_name_with_two_underscores_is_told_from_a_group() -> None:
    """`A__RETRY__ATTEMPTS` speaks of `a`, and of a boundary `a__retry` only where the rest is a setting of it."""
    read = Configuration(None, b"", {"AIGUARD__A__B__RETRY__ATTEMPTS": "4"})
    assert read.environment.block("a__b").settings == {"retry": {"attempts": 4}}
    assert read.environment.block("a").settings == {}


def test_an_empty_variable_takes_nothing_away() -> None:
    """A template that left it empty means nothing by it: `null` would."""
    with pytest.raises(PolicyError, match=r"^AIGUARD__T__BREAKER: is empty: unset it, or write `null`"):
        Configuration(None, b"", {"AIGUARD__T__BREAKER": " "}).checked()


def test_json_is_json() -> None:
    """With characters as `json.dumps` writes them; what only YAML would take is refused with its place."""
    data = json.dumps({"version": 1, "boundaries": {"t": {"deadline": 2, "owner": "hi \U0001f600 \\ud83d"}}})
    assert "\\ud83d\\ude00" in data
    read = Configuration("a.json", data.encode(), {}).checked()
    assert read.policy("t", Policy()).owner == "hi \U0001f600 \\ud83d"
    assert problems('{"version" 1}', "a.json") == ["a.json:1:12: this is not JSON: Expecting ':' delimiter"]
    assert "NaN" in problems('{"version": NaN}', "a.json")[0]


def test_toml_says_the_same() -> None:
    """The same shape, the same settings."""
    text = f"""
        version = 1
        [defaults]
        owner = "everybody"
        [boundaries.ticket-triage]
        deadline = "1m30s"
        retry = {{attempts = 5}}
        mode = "off"
        [[boundaries.ticket-triage.fallback]]
        call = "{HERE}:rules"
        [[boundaries.ticket-triage.fallback]]
        value = {{category = "other", priority = 1}}
        """
    assert configuration(text, "aiguard.toml").policy("ticket-triage", Policy()) == Policy(
        owner="everybody",
        deadline=90.0,
        retry=Retry(attempts=5),
        mode="off",
        fallback=(importable.rules, {"category": "other", "priority": 1}),
    )


# --- what is wrong


@pytest.mark.parametrize(
    ("block", "position", "words"),
    [
        ("deadlin: 2", (4, 5), ["`deadlin`=2", "did you mean `deadline`?"]),
        ("risk: hig", (4, 5), ["`risk`='hig'", "'low', 'medium' or 'high'"]),
        ("review_by: 2027-02-30", (4, 5), ["`review_by`='2027-02-30'", "day is out of range"]),
        ("review_by: soon", (4, 5), ["`review_by`='soon'", "must be a date, such as '2027-01-31'"]),
        ("owner: {tem: x}", (4, 13), ["`owner.tem`='x'", "did you mean `team`?"]),
        ("owner: {team: x, runbook: 7}", (4, 22), ["`owner.runbook`=7", "string"]),
        ("breaker: {risk: 1}", (4, 15), ["`breaker.risk`=1", "no such setting"]),
        ("breaker: {windw: 1}", (4, 15), ["`breaker.windw`=1", "did you mean `window`?"]),
        ("deadline: -1", (4, 5), ["`deadline`=-1", "greater than 0"]),
        ("deadline: .inf", (4, 5), ["`deadline`=inf", "finite"]),
        ("deadline: true", (4, 5), ["`deadline`=True", "number"]),
        ("deadline: 5 minutes", (4, 15), ["`deadline`='5 minutes'", "h, m, s, ms"]),
        ("deadline: '2'", (4, 15), ["`deadline`='2'", "seconds as a number"]),
        ("retry: {attempts: 3s}", (4, 13), ["`retry.attempts`='3s'", "integer"]),
        ("retry: 3", (4, 12), ["`retry`=3", "must be a mapping"]),
        ("prices: 3", (4, 5), ["`prices`=3", "must be a mapping of names of models"]),
        ("prices: {gpt-4.1: {input: 2, output: -8}}", (4, 34), ["`prices.gpt-4.1.output`=-8", "greater than"]),
        ("prices: {gpt-4.1: {in: 2}}", (4, 24), ["`prices.gpt-4.1.in`=2", "no such setting"]),
        ("prices: {gpt-4.1: 2}", (4, 14), ["`prices.gpt-4.1`=2", "must be a `Price`"]),
        ("prices: {'g*t': {input: 2, output: 8}}", (4, 5), ["`prices.'g*t'`", "at its end only"]),
        ("budget: {tokens: 5, reserve_tokens: 6}", (4, 5), ["`budget`", "no call would get in"]),
        ("budget: {tokens: 5, reserve_tokens: nowhere:most}", (4, 41), ["there is no module 'nowhere'"]),
        ("retry: {attempts: 2, stop: stop_never}", (4, 5), ["`retry`", "contradict"]),
        ("retry: {on: [auth, tiemout]}", (4, 24), ["`retry.on[1]`='tiemout'", "did you mean `timeout`?"]),
        ("retry: {stop: {stop_after_delay: {}}}", (4, 19), ["missing", "max_delay"]),
        ("deadline: '2'", (4, 15), ["without quotes"]),
        ("fallback: [{valu: 1}]", (4, 16), ["did you mean `value`?"]),
        (f"fallback: ['{HERE}:rules']", (4, 16), [f"did you mean `call: {HERE}:rules`?"]),
        ("fallback: [{boundary: a b}]", (4, 27), ["boundary name 'a b'"]),
        ("retry: {wait: {wait_chain: []}}", (4, 32), ["one at least"]),
        ("retry: {wait: {wait_none: {}}}", (4, 31), ["write `wait_none` alone"]),
        (f"output: {{schema: '{HERE}:Triage', name: 3}}", (4, 62), ["`output.name`=3", "must be text"]),
        (f"output: {{schema: '{HERE}:Triage', extract: yes}}", (4, 65), ["`output.extract`='yes'", "true or false"]),
        ("retry: {'on': [circuit_open]}", (4, 13), ["cannot be retried"]),
        ("retry: {wait: wait_fixd}", (4, 19), ["did you mean `wait_fixed`?"]),
        ("retry: {wait: {wait_fixed: {wiat: 1}}}", (4, 33), ["`retry.wait.wait_fixed.wiat`=1", "did you mean `wait`?"]),
        ("retry: {wait: {wait_fixed: {wait: soon}}}", (4, 39), ["'soon'", "h, m, s, ms"]),
        ("retry: {wait: {wait_fixed: {}}}", (4, 19), ["missing", "wait"]),
        ("retry: {wait: {wait_exponential: {exp_base: 2s}}}", (4, 49), ["must be a number"]),
        ("mode: halted", (4, 5), ["`mode`='halted'", "'on' or 'off'"]),
        ("mode: false", (4, 5), ["`mode`=False"]),
        ("owner: 7", (4, 5), ["`owner`=7", "string"]),
        ("output: nowhere:Type", (4, 13), ["there is no module 'nowhere'"]),
        (f"output: {HERE}:Triag", (4, 13), ["has no 'Triag'", "did you mean `Triage`?"]),
        ("output: Triage", (4, 13), ["'package.module:name'"]),
        (f"output: {{schem: '{HERE}:Triage'}}", (4, 14), ["`output.schem`", "did you mean `schema`?"]),
        (f"output: {{schema: '{HERE}:Triage', format: yaml}}", (4, 13), ["format='yaml'"]),
        ("output: {schema: {type: integer, minimun: 1}}", (4, 22), ["minimun"]),
        ("fallback: {value: 1}", (4, 15), ["must be a list of rungs"]),
        ("fallback: [rules]", (4, 16), ["`fallback[0]`='rules'", "value, call, last_good, boundary"]),
        ("fallback: [{value: 1, call: 'a:b'}]", (4, 16), ["one of value"]),
        ("fallback: [{value: 1, name: x}]", (4, 27), ["`fallback[0].name`"]),
        (f"fallback: [{{call: '{HERE}:NUMBER'}}]", (4, 23), ["is no function", "int"]),
        (f"fallback: [{{call: '{HERE}:rules', ai: maybe}}]", (4, 60), ["`fallback[0].ai`='maybe'", "true or false"]),
        (f"fallback: [{{last_good: {{by: '{HERE}:question'}}}}]", (4, 28), ["`ttl` is required"]),
        (f"fallback: [{{last_good: {{by: '{HERE}:question', ttl: -1}}}}]", (4, 28), ["ttl"]),
        ("fallback: [{boundary: t}]", (4, 27), ["cannot fall back to itself"]),
        ("attempt_timeout: 3\ndeadline: 2", (4, 5), ["`attempt_timeout`=3", "must not be over `deadline` (2)"]),
    ],
)
def test_what_is_wrong_is_told_with_its_place(block: str, position: tuple[int, int], words: list[str]) -> None:
    """File, line, column, key, value, and the nearest valid key."""
    with pytest.raises(PolicyError) as caught:
        policy(block)
    (problem,) = caught.value.problems
    assert problem.position == Position("aiguard.yaml", *position)
    assert problem.boundary == "t"
    assert str(problem).startswith(f"aiguard.yaml:{position[0]}:{position[1]}: boundary 't': ")
    for word in words:
        assert word in str(problem)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """In all boundaries, and of the environment too."""
    told = problems(
        f"""
        version: 2
        default: {{}}
        boundaries:
          a b: {{deadline: 1}}
          one: {{deadline: 0, ownr: x, retry: {{attempts: 0, wait: nothing}}}}
          two:
            output: {HERE}:Nothing
            fallback: [{{value: 1}}, {{call: nowhere:f}}, 7]
          three: 5
          ONE: {{}}
          ring-a: {{fallback: [{{boundary: ring-b}}]}}
          ring-b: {{fallback: [{{boundary: ring-a}}]}}
        control: {{halt: [x]}}
        """,
        AIGUARD__ONE__DEADLIN="1",
        AIGUARD__ONE__REASK="many",
    )
    expected = [
        ("AIGUARD__ONE__DEADLIN: ", "did you mean `deadline`?"),
        ("AIGUARD__ONE__REASK: ", "`reask`='many'"),
        ("aiguard.yaml:2:10: ", "reads version 1"),
        ("aiguard.yaml:3:1: ", "did you mean `defaults`?"),
        ("aiguard.yaml:5:3: ", "'a b'"),
        ("aiguard.yaml:6:", "`deadline`=0"),
        ("aiguard.yaml:6:", "`ownr`='x'"),
        ("aiguard.yaml:6:", "`retry.attempts`=0"),
        ("aiguard.yaml:6:", "`retry.wait`='nothing'"),
        ("aiguard.yaml:8:", "'Nothing'"),
        ("aiguard.yaml:9:", "'nowhere'"),
        ("aiguard.yaml:9:", "`fallback[2]`=7"),
        ("aiguard.yaml:10:10: ", "must be a mapping"),
        ("aiguard.yaml:11:3: ", "cannot tell it from 'one'"),
        ("aiguard.yaml:12:", "'ring-a'"),
        ("aiguard.yaml:13:", "'ring-b'"),
        ("aiguard.yaml:14:18: ", "`control.halt[0]`='x'"),
    ]
    for start, word in expected:
        assert any(line.startswith(start) and word in line for line in told), (start, word, told)
    assert len(told) == len(expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be a mapping"),
        ("[1]", "must be a mapping"),
        ("boundaries: {}", "`version: 1` is required"),
        ("version: 1.0", "reads version 1"),
        ("version: '1'", "reads version 1"),
        ("version: 1\nboundaries: [a]", "must be a mapping of names"),
        ("version: 1\ndefaults: {fallback: [{boundary: x}], deadline: x}", "`deadline`='x'"),
        ("a: [", "aiguard.yaml:"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, words: str) -> None:
    """Each with a position in the file."""
    told = problems(text)
    assert any(words in line for line in told)
    assert all(line.startswith("aiguard.yaml:") for line in told)


def test_only_known_endings_are_read() -> None:
    """What a file is, its name says."""
    assert problems("version: 1", "aiguard.ini") == ["aiguard.ini: must end in one of .yaml, .yml, .json, .toml"]


def test_defaults_that_make_a_boundary_its_own_fallback_are_refused() -> None:
    """The default ladder leads to a boundary, which has that ladder too."""
    read = configuration("version: 1\ndefaults: {fallback: [{boundary: x}]}")
    assert read.policy("y", Policy()).fallback == (BoundaryRung("x"),)
    with pytest.raises(PolicyError, match=r"aiguard.yaml:2:12: boundary 'x': setting `fallback`: .*itself"):
        read.policy("x", Policy())


def test_a_problem_of_the_merged_policy_points_to_who_said_it() -> None:
    """The file's attempt is longer than the code's deadline: the file's line is named, or the variable."""
    read = configuration("version: 1\nboundaries:\n  t:\n    attempt_timeout: 5\n")
    with pytest.raises(PolicyError, match=r"^aiguard.yaml:4:5: boundary 't': setting `attempt_timeout`=5"):
        read.policy("t", Policy(deadline=1.0))
    read = Configuration(None, b"", {"AIGUARD__T__ATTEMPT_TIMEOUT": "5"})
    with pytest.raises(PolicyError, match=r"^AIGUARD__T__ATTEMPT_TIMEOUT: boundary 't': setting"):
        read.policy("t", Policy(deadline=1.0))


def test_names_that_the_environment_cannot_tell_apart_are_refused() -> None:
    """Also where only the code declares them."""
    read = Configuration(None, b"", {})
    read.policy("a.b", Policy())
    read.policy("a.b", Policy())
    with pytest.raises(PolicyError, match=r"cannot tell it from 'a\.b': both are A_B there"):
        read.policy("a-b", Policy())
