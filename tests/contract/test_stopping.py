"""An answer that does not fit is found to be so soon; one that does is the same as ever."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from pydantic_core import SchemaValidator
from typing_extensions import TypedDict

from aiguard import JsonSchema, OutputContract
from aiguard.contract import Breach, Judge
from aiguard.contract.recursion import Recursion
from aiguard.contract.rewriting import may_be_read_first, read_first, stopping, terse
from aiguard.contract.stopping import LARGE
from aiguard.contract.survey import definitions_of


class Color(StrEnum):
    """Words."""

    RED = "red"


class Mixed(Enum):
    """A word and a number."""

    A = "a"
    ONE = 1


class Model(BaseModel):
    """Fields of several types."""

    a: int = 0
    b: str | float = "x"
    kids: list[Model] = []


class Keyed(TypedDict, total=False):
    """Declared keys."""

    a: int
    b: Literal["a", 1, True]


@dataclass
class Data:
    """A dataclass."""

    a: int = 0
    b: float | None = None


class Root(RootModel[list[int]]):
    """A list that is a model."""


class Lax(BaseModel):
    """Takes `"1"` for 1."""

    model_config = ConfigDict(strict=False)
    a: int = 0
    b: bool = False


def plus_one(value: int) -> int:
    """Return the next number."""
    return value + 1


PLAIN: tuple[Any, ...] = (
    *(int, float, str, bool, None, Any, list[int], list[Any], dict[str, int], dict[Color, int]),
    *(Color, Mixed, Model, Keyed, Data, Root, Lax, list[Model | Data], Model | Keyed, int | float, float | str | None),
    *(Literal["a", 1], Annotated[str, Field(min_length=2)], Annotated[float, Field(ge=0, le=1)]),
    *(Annotated[int, AfterValidator(plus_one)], Annotated[int, BeforeValidator(lambda value: value)]),
    Annotated[int, WrapValidator(lambda value, validate: validate(value))],
)
"""Types whose values JSON and Python write the same way."""

OTHERS: tuple[Any, ...] = (
    *(dt.date, dt.datetime, dt.timedelta, Decimal, UUID, bytes, set[int], tuple[int, str], dict[int, str]),
    *(list[dt.time], Model | dt.date),
)

numbers = st.integers() | st.sampled_from([2**53 + 1, 2**63, -(2**63) - 1, 10**30]) | st.floats()
words = st.sampled_from(["a", "b", "red", "1", "true", "nan", "", "kids", " x"]) | st.text(max_size=3)
keys = st.sampled_from(["a", "b", "kids", "red", "z"])
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def outcome(validate: Any, text: str, **settings: Any) -> Any:
    """Return a value, or the types and places of all errors."""
    try:
        return repr(validate(text, **settings))
    except ValidationError as error:
        return sorted((str(one["loc"]), one["type"]) for one in error.errors(include_input=False, include_url=False))


@pytest.mark.parametrize("schema", PLAIN, ids=range(len(PLAIN)))
@settings(max_examples=25)
@given(value=values, strict=st.booleans())
def test_json_that_is_read_first_is_held_to_the_same(schema: Any, value: Any, strict: bool) -> None:  # noqa: FBT001
    """Value for value and error for error."""
    core = TypeAdapter(schema).core_schema
    assert may_be_read_first(core)
    text = json.dumps(value)
    as_json = SchemaValidator(core, _use_prebuilt=False).validate_json
    read = SchemaValidator(read_first(core), _use_prebuilt=False).validate_json
    assert outcome(read, text, strict=strict, extra="forbid") == outcome(as_json, text, strict=strict, extra="forbid")


@pytest.mark.parametrize("schema", OTHERS, ids=range(len(OTHERS)))
def test_what_json_writes_in_another_way_is_not_read_first(schema: Any) -> None:
    """A date is text in JSON alone."""
    assert not may_be_read_first(TypeAdapter(schema).core_schema)


@pytest.mark.parametrize("schema", [*PLAIN, *OTHERS], ids=range(len(PLAIN) + len(OTHERS)))
@settings(max_examples=25)
@given(value=values)
def test_whoever_stops_early_takes_the_same(schema: Any, value: Any) -> None:
    """And makes the same of it."""
    core = TypeAdapter(schema).core_schema
    early = stopping(terse(core, Recursion(definitions_of(core)).refs))
    text = json.dumps(value)
    whole = outcome(SchemaValidator(core, _use_prebuilt=False).validate_json, text, strict=True)
    found = outcome(SchemaValidator(early, _use_prebuilt=False).validate_json, text, strict=True)
    assert found == whole or (isinstance(whole, list) and isinstance(found, list) and 0 < len(found) <= len(whole))


def message(schema: Any, raw: object) -> str:
    """Return why an answer is refused."""
    with pytest.raises(Breach) as caught:
        Judge.of(OutputContract(schema)).judge(raw)
    return caught.value.message


def test_all_errors_of_a_small_answer_are_told() -> None:
    """Of a large one the first that was found, in each list."""
    assert message(list[int], "[" + '"x",' * 7 + "0]").startswith("7 errors: int_type at 0, int_type at 1")
    assert message(list[int], "[" + '"x",' * 700 + "0]") == "1 error or more: int_type at 0"
    assert message(list[int], ["x"] * 700) == "1 error or more: int_type at 0"
    large = json.dumps({"a": [0] * 700 + ["x"], "b": ["x", "y"]})
    assert message(dict[str, list[int]], large) == "2 errors or more: int_type at *.700, int_type at *.0"
    assert message(int, "[" + "1," * 3000 + "1]") == "1 error: int_type at the root"


def test_an_error_deep_in_a_large_answer_is_told_with_its_place_where_that_is_soon_found() -> None:
    """Not below so many levels."""
    sound = [{"a": 1, "kids": []}] * 300
    assert message(Model, json.dumps({"kids": [*sound, {"a": "x"}]})) == "1 error or more: int_type at kids.300.a"
    deep = '{"kids":[' * 60 + '{"a":"x"}' + "]}" * 60
    assert message(Model, deep) == "1 error or more: misfit at the root"
    assert message(Model, '{"kids":[' * 6 + '{"a":"x"}' + "]}" * 6).startswith("1 error: int_type at kids.0.kids.0.")


@pytest.mark.parametrize(
    ("schema", "item"),
    [
        (list[Model], {"a": 1, "b": 2.5, "kids": [{"a": 2}]}),
        (list[Data], {"a": 1, "b": 2}),
        (list[Any], {"a": [1, 2.5, None, "x"]}),
        (list[dt.date], "2020-02-02"),
        (list[set[int]], [1, 2]),
    ],
    ids=repr,
)
def test_a_large_answer_is_the_same_as_a_small_one(schema: Any, item: Any) -> None:
    """Whichever way it is read."""
    judge: Judge[Any] = Judge.of(OutputContract(schema))
    (alone,) = judge.judge(json.dumps([item]))
    many = json.dumps([item] * (LARGE // len(json.dumps(item)) + 1))
    assert len(many) > LARGE
    found = judge.judge(many)
    assert found == [alone] * len(found)
    assert judge.judge(many.encode()) == found


def test_a_number_beyond_all_floats_is_what_json_says_where_infinity_is_allowed() -> None:
    """However long the answer is around it."""

    class Infinite(BaseModel):
        model_config = ConfigDict(allow_inf_nan=True)
        numbers: list[float]

    for padding in (1, LARGE):
        text = json.dumps({"numbers": [0] * padding + [10**400]})
        assert Judge.of(OutputContract(Infinite)).judge(text).numbers[-1] == float("inf")


def test_a_json_schema_stops_early_too() -> None:
    """Its small answers have all their errors, its large ones some."""
    schema: Any = JsonSchema({"type": "array", "items": {"type": "integer"}})
    assert message(schema, '["x", "y"]') == "2 errors: int_type at 0, int_type at 1"
    assert message(schema, json.dumps(["x"] * 700)) == "1 error or more: int_type at 0"
