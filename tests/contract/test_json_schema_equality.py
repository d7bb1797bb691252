"""When JSON Schema calls two values equal."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard.contract.json_schema_equality import Keys

numbers = st.sampled_from([0, -0.0, 1, 1.0, 1.5, 2**53, 2**53 + 1, float(2**53), 10**22, 1e22, 1e300, 10**400, -1])
texts = st.sampled_from(["", "1", "a", "'", '"', "true", "[]", "#", "a,b", "é", "\ud800", "x" * 90]) | st.text(
    max_size=3
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def written(value: Any) -> str:
    """Return a value as JSON in one way only: whole numbers without a fraction, keys in their order."""
    return json.dumps(whole(value), sort_keys=True)


def whole(value: Any) -> Any:
    """Return a value with each number that is whole as an integer."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return list(map(whole, value))
    return {key: whole(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(st.lists(values, max_size=6))
def test_keys_are_equal_where_values_are(given: list[Any]) -> None:
    """As whoever writes each of them down would find."""
    keys = Keys()
    found = [keys.of(one) for one in given]
    expected = list(map(written, given))
    for index, one in enumerate(found):
        for other in range(index):
            assert (one == found[other]) == (expected[index] == expected[other]), (given[index], given[other])
    assert found == [Keys().of(one) for one in given]
    assert Keys().are_distinct(given) == (len(set(expected)) == len(expected))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([[[1]]], [[1]]),
        ([["x" * 90]], [["x" * 89]]),
        ([[[[[["x" * 90]]]]]], [[[[[["x" * 90, 1]]]]]]),
        ({"a": [1]}, {"a": {"0": 1}}),
        (["a,b"], ["a", "b"]),
        ([None], ["None"]),
        ([True], ["True"]),
        ([1], ["1"]),
        ([2**53 + 1], [2.0**53]),
    ],
)
def test_what_looks_alike_is_not_equal(one: Any, other: Any) -> None:
    """However it is nested, and however long."""
    assert Keys().of(one) != Keys().of(other)


def test_a_value_is_looked_through_once_however_often_its_key_is_asked_for() -> None:
    """Every level of an answer asks for the keys of the next: a thousand levels of work, else, for each value."""
    keys = Keys()
    levels: list[Any] = [[1, 2]]
    for _ in range(150):
        levels.append([levels[-1], [0, len(levels)]])
    wide = [levels[-1], *([index, index] for index in range(20_000))]
    began = process_time()
    for _ in range(50):
        assert keys.are_distinct(wide)
        assert all(map(keys.are_distinct, levels))
    assert process_time() - began < 2.0
