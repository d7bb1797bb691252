"""The safe repair: what it takes off, what it never touches, and that it is linear."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard.contract import Breach, Judge, OutputContract
from aiguard.contract.repair import repaired
from aiguard.errors import PolicyError
from aiguard.failure import FailureKind as Kind


class Noted:
    """Where the judge says that it repaired."""

    repaired: str | None = None


def judged(schema: Any, raw: object, **settings: Any) -> tuple[Any, str | None]:
    """Return what a contract that repairs makes of `raw`, and how it was repaired."""
    note = Noted()
    value = Judge.of(OutputContract(schema, repair="safe", **settings)).judge(raw, note)
    return value, note.repaired


def breach(schema: Any, raw: object, **settings: Any) -> Kind:
    """Return the kind with which a contract that repairs refuses `raw`."""
    with pytest.raises(Breach) as caught:
        Judge.of(OutputContract(schema, repair="safe", **settings)).judge(raw)
    return caught.value.kind


FENCED = '```json\n{"a": 1}\n```'


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('\ufeff{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (FENCED, {"a": 1}),
        (f"\n {FENCED} \n", {"a": 1}),
        ('```\n{"a": 1}\n```', {"a": 1}),
        ('```JSON\n{"a": 1}\n```', {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
        ('{"a": [1, 2, ] ,\n}', {"a": [1, 2]}),
        ('["a", "b",]', ["a", "b"]),
        ("[[1,],]", [[1]]),
        ("[true,]", [True]),
        ('["\\"",]', ['"']),
        ('["\\\\",]', ["\\"]),
        ('["a,]",]', ["a,]"]),
        ('["a\\",]",]', ['a",]']),
        ('\ufeff```json\n{"a": [1,],}\n```', {"a": [1]}),
    ],
)
def test_what_is_whole_but_for_a_slip_is_repaired(raw: Any, value: object) -> None:
    """A byte order mark, a fence around all of it, and commas before a bracket; and it is noted."""
    assert judged(Any, raw) == (value, "safe")


@pytest.mark.parametrize("raw", ['{"a": 1}', "[]", '["a,]"]', '["```json"]'])
def test_what_is_json_is_not_repaired(raw: str) -> None:
    """Nothing is noted where nothing was done."""
    assert judged(Any, raw) == (json.loads(raw), None)


@pytest.mark.parametrize(
    "raw",
    [
        '{"a": 1200',
        '{"a": 1,',
        '["a", "b',
        '```json\n{"a": 1}',
        "```json\n[1, 2,\n```",
        "[,]",
        "{,}",
        "[1,,]",
        '{"a":,}',
        "[1 2]",
        "{'a': 1}",
        '{"a": 1} and {"a": 2}',
        f"{FENCED}\nand\n{FENCED}",
        f"Here it is:\n{FENCED}",
        "```python\n[1]\n```",
        '{"a": 1, // why\n}',
        "\ufeff\ufeff[]",
        ",",
        ",]",
        "```\n```",
        '["\ud800",]',
        b'["\xff",]',
    ],
)
def test_what_would_have_to_be_guessed_stays_malformed(raw: Any) -> None:
    """Nothing is closed, quoted, added or chosen, so what was cut stays cut."""
    assert breach(Any, raw) == Kind.MALFORMED_OUTPUT


def test_a_repaired_answer_is_held_to_the_schema_as_any_other() -> None:
    """Strictly."""
    assert breach(dict[str, int], '{"a": "1",}') == Kind.SCHEMA_VIOLATION
    assert breach(list[float], "[NaN,]") == Kind.SCHEMA_VIOLATION


def test_by_default_nothing_is_repaired() -> None:
    """A contract has to ask for it."""
    with pytest.raises(Breach) as caught:
        Judge.of(OutputContract(list[int])).judge("[1,]")
    assert caught.value.kind == Kind.MALFORMED_OUTPUT


def test_repair_and_extraction_together() -> None:
    """Each candidate is repaired by itself, and two that differ are as ambiguous as before."""
    text = "First {} then"
    assert judged(dict[str, int], text.format('{"a": 1,}'), extract=True) == ({"a": 1}, "safe")
    assert judged(dict[str, int], text.format('{"a": 1}'), extract=True) == ({"a": 1}, None)
    assert judged(dict[str, int], '{"a": 1} is {"a": 1,}', extract=True) == ({"a": 1}, None)
    assert judged(int, "\ufeff12", extract=True) == (12, "safe")
    assert breach(dict[str, int], '{"a": 1} or {"a": 2,}', extract=True) == Kind.AMBIGUOUS_OUTPUT
    assert breach(dict[str, int], '{"a": 1,} or {"a": 2', extract=True) == Kind.MALFORMED_OUTPUT


@pytest.mark.parametrize(("schema", "settings"), [(str, {}), (bytes, {}), (int, {"format": "text"})])
def test_there_is_nothing_to_repair_where_no_json_is_read(schema: Any, settings: dict[str, Any]) -> None:
    """Text is an answer as it stands."""
    with pytest.raises(PolicyError, match="repair='safe' mends JSON, and this contract reads none"):
        Judge.of(OutputContract(schema, repair="safe", **settings))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a,]}[{"\\ \n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='a,]}"'), inner),
)


@given(JSON, st.sampled_from(["", " ", "\n  "]), st.booleans())
def test_trailing_commas_are_all_that_is_taken_off(value: Any, space: str, fence: bool) -> None:  # noqa: FBT001 - drawn
    """Put behind the last value of each container, and taken off again, they leave the text as it was."""
    text = json.dumps(value, indent=1)
    slipped = _slipped(value, space)
    fenced = f"```json\n{slipped}\n```" if fence else slipped
    mended = repaired(fenced)
    assert json.loads(slipped if mended is None else mended) == json.loads(text)


def _slipped(value: Any, space: str) -> str:
    """Return JSON with a comma behind the last value of each container that has one."""
    if isinstance(value, list):
        return "[" + "".join(f"{_slipped(one, space)}{space},{space}" for one in value) + "]"
    if isinstance(value, dict):
        return "{" + "".join(f"{json.dumps(k)}:{_slipped(v, space)}{space},{space}" for k, v in value.items()) + "}"
    return json.dumps(value)


@given(st.text(alphabet='a1,]}[{"\\ \n\ufeff`:'))
def test_what_is_not_repaired_is_refused_and_never_raises(text: str) -> None:
    """Whatever comes out is no longer than what went in, and holds nothing new."""
    mended = repaired(text)
    assert mended is None or (len(mended) < len(text) and set(mended) <= set(text))


@pytest.mark.parametrize(
    "unit",
    [",", ", ", " ,", '"', '",', '\\"', '"\\', ",]", ", ]", "1,", "[1,]", '""', " ", "\n", "`", "```\n", "\ufeff"],
)
def test_a_hostile_megabyte_is_over_soon(unit: str) -> None:
    """Linear in its length; the bound is generous, one that went back would take minutes."""
    text = (unit * (1_000_000 // len(unit) + 1))[:1_000_000]
    began = process_time()
    for opened in (text, f"[{text}", f'["{text}', f"[1{' ' * 500_000},{text[:500_000]}"):
        repaired(opened)
    assert process_time() - began < 4
