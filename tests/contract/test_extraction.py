"""JSON in prose: found, or not, and never something else."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from aiguard.contract import Breach, Judge, OutputContract, extraction
from aiguard.contract.extraction import MOST, candidates
from aiguard.failure import FailureKind as Kind


class Item(BaseModel):
    """What is looked for."""

    a: int


JUDGE = Judge.of(OutputContract(Item, extract=True))


@pytest.mark.parametrize(
    "text",
    [
        'Sure! {"a": 1}',
        '{"a": 1} Hope this helps.',
        'Here:\n```json\n{"a": 1}\n```\nDone.',
        'Here:\n```\n{"a": 1}\n```',
        '```JSON\n  {"a": 1}  \n```',
        '```json {"a": 1}```',
        '```json\n{"a": 1}\n',
        '\ufeff{"a": 1}',
        '{"a": 1} and once more {"a":1}',
        'Use {placeholder} and [1], then {"a": 1}',
        'the range [0, 1) it is\n```json\n{"a": 1}\n```\nDone.',
        '```python\nprint({"a": 2})\n```\n{"a": 1}',
        'it"s {"a": 1}',
        'first {"b": 1}, no: {"a": 1}',
    ],
)
def test_a_value_in_prose_is_found(text: str) -> None:
    """In a fence or out of it, with other brackets around."""
    assert JUDGE.judge(text) == Item(a=1)
    assert JUDGE.judge(text.encode()) == Item(a=1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("no JSON at all", Kind.MALFORMED_OUTPUT),
        ("{a: 1}", Kind.MALFORMED_OUTPUT),
        ('x {"a": 1', Kind.MALFORMED_OUTPUT),
        ('x {"a": 1} {"a": ', Kind.MALFORMED_OUTPUT),
        ('x {"a": 1} {"a": "', Kind.MALFORMED_OUTPUT),
        ('```json\n{"a": 1\n```\n', Kind.MALFORMED_OUTPUT),
        ('x [{"a": 1}]', Kind.MALFORMED_OUTPUT),
        ('x {b: {"a": 1}}', Kind.MALFORMED_OUTPUT),
        ('x {"a": 1]', Kind.MALFORMED_OUTPUT),
        ('x {"b": 1}', Kind.SCHEMA_VIOLATION),
        ('x {"a": "1"}', Kind.SCHEMA_VIOLATION),
        ('x {"b": {"a": 1}}', Kind.SCHEMA_VIOLATION),
        ('x {"a": 1} {"a": 2}', Kind.AMBIGUOUS_OUTPUT),
        ('{"a": 2}\n```json\n{"a": 1}\n```', Kind.AMBIGUOUS_OUTPUT),
        ('{"b": 1} {"b": 2} {"b": 3} {"a": 1}', Kind.AMBIGUOUS_OUTPUT),
        ("   ", Kind.EMPTY_OUTPUT),
    ],
)
def test_what_is_not_one_whole_value_is_not_found(text: str, kind: Kind) -> None:
    """Cut, nested in another value, or one of several: then nobody gave it as the answer."""
    with pytest.raises(Breach) as caught:
        JUDGE.judge(text)
    assert caught.value.kind == kind
    assert caught.value.__context__ is None


def test_it_is_opt_in_and_comes_after_strict_parsing() -> None:
    """What parses but does not fit is never searched for something that does."""
    with pytest.raises(Breach) as caught:
        Judge.of(OutputContract(Item)).judge('x {"a": 1}')
    assert caught.value.kind == Kind.MALFORMED_OUTPUT
    with pytest.raises(Breach) as caught:
        JUDGE.judge('[{"a": 1}]')
    assert caught.value.kind == Kind.SCHEMA_VIOLATION


def test_numbers_are_finite_here_too() -> None:
    """A candidate with NaN is none."""
    judge = Judge.of(OutputContract(list[float], extract=True))
    assert judge.judge("x [NaN] [1.0]") == [1.0]
    with pytest.raises(Breach) as caught:
        judge.judge("x [NaN]")
    assert caught.value.kind == Kind.SCHEMA_VIOLATION


def test_a_value_without_brackets_is_found_in_a_fence_only() -> None:
    """In prose every number might be one."""
    judge = Judge.of(OutputContract(int, extract=True))
    assert judge.judge("It is\n```json\n42\n```") == 42
    with pytest.raises(Breach):
        judge.judge("It is 42.")


def test_bytes_that_are_no_text_are_malformed() -> None:
    """Whatever stands in them."""
    with pytest.raises(Breach) as caught:
        JUDGE.judge(b'\xff {"a": 1}')
    assert caught.value.kind == Kind.MALFORMED_OUTPUT


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
).filter(lambda value: isinstance(value, (dict, list)))
ANYTHING = Judge.of(OutputContract(dict[str, Any] | list[Any], extract=True))
PROSE = st.text(st.characters(exclude_characters="{}[]`", exclude_categories=["Cs"]))


@given(PROSE, JSON, PROSE, st.booleans(), st.sampled_from([None, 2]))
def test_any_json_in_plain_prose_is_found(
    before: str, value: Any, after: str, fenced: object, indent: int | None
) -> None:
    """Quotes, backslashes and fences in its strings included."""
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    if fenced:
        written = f"\n```json\n{written}\n```\n"
    assert ANYTHING.judge(f"{before} {written} {after}") == value


@given(st.text(st.sampled_from('{}[]"\\`\n ,:1a')), JSON, st.text(st.sampled_from('{}[]"\\`\n ,:1a')))
def test_what_is_found_stands_in_the_text(before: str, value: Any, after: str) -> None:
    """Among any brackets and quotes: a whole value of the text leaves, or a breach."""
    text = before + json.dumps(value) + after
    try:
        found = ANYTHING.judge(text)
    except Breach:
        return
    assert any(found == _parsed(one) for one in [text, *candidates(text, "{[")])


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


@given(st.text(), st.sampled_from(["{", "[", "{[", ""]))
def test_any_text_has_few_candidates(text: str, openers: str) -> None:
    """It never raises."""
    assert len(candidates(text, openers)) <= MOST + 1


HOSTILE = {
    "openers": "[",
    "objects in objects": '{"a":',
    "closed": "{}",
    "prose groups": "[x]",
    "placeholders": "{x} ",
    "escaped quotes": '\\"',
    "quotes": '"',
    "backslashes": "\\",
    "fences": "\n```json\n",
    "half fences": "```",
    "spaces": " ",
    "spaces and fences": "   ```",
    "an array that never ends": '"a",',
}


def _hostile(name: str, size: int) -> str:
    piece = HOSTILE[name]
    start = '["' if name in {"escaped quotes", "backslashes"} else "["
    return "x " + ("" if name in {"prose groups", "placeholders", "closed"} else start) + piece * (size // len(piece))


def _steps(text: str) -> int:
    count = 0

    def trace(frame: Any, event: str, _arg: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != extraction.__file__:
            return None
        count += event == "line"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        candidates(text, "{[")
    finally:
        sys.settrace(previous)
    return count


@pytest.mark.parametrize("name", HOSTILE)
def test_it_takes_linear_time(name: str) -> None:
    """Twice the text, twice the steps at most."""
    assert _steps(_hostile(name, 20_000)) <= 2.2 * _steps(_hostile(name, 10_000)) + 100


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("size", [20_000, 1_000_000])
def test_a_hostile_text_costs_little(name: str, size: int) -> None:
    """Far below what a trial parse per bracket or a regular expression takes: seconds to minutes."""
    text = _hostile(name, size)
    started = time.process_time()
    with pytest.raises(Breach):
        JUDGE.judge(text)
    assert time.process_time() - started < (0.1 if size == 20_000 else 2.0)


@settings(max_examples=20)
@given(st.integers(195, 205))
def test_it_goes_as_deep_as_the_parser(depth: int) -> None:
    """Deeper values are not found, and nothing recurses."""
    text = "x " + "[" * depth + "]" * depth
    assert len(candidates(text, "[")) == (depth <= 200)
