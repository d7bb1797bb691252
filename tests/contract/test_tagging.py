"""Unions whose branches a field tells apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from time import process_time
from typing import Annotated, Any, Literal, NotRequired

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_core import SchemaValidator
from typing_extensions import TypeAliasType, TypedDict

from aiguard import OutputContract
from aiguard.contract import Breach, Judge
from aiguard.contract.recursion import walk
from aiguard.contract.tagging import tagged


class One(BaseModel):
    """The first."""

    kind: Literal["1", "one"]
    size: int = 0


class Two(BaseModel):
    """The second."""

    kind: Literal["2"]
    size: float = 0


class Three(TypedDict):
    """The third, a mapping."""

    kind: Literal["3"]


@dataclass
class Four:
    """The fourth, a dataclass."""

    kind: Literal["4"]
    size: int = 0


class Loose(BaseModel):
    """Fits what has no kind, too."""

    kind: Literal["5"] = "5"
    size: int = 0


class Clash(BaseModel):
    """Has the kind of another."""

    kind: Literal["1", "6"]


class Number(BaseModel):
    """Is told by a number."""

    kind: Literal[7]


class Renamed(BaseModel):
    """Is read under another name."""

    kind: Literal["8"] = Field(alias="type")


class Lenient(BaseModel):
    """Makes its kind of what it is given."""

    kind: Literal["9"]

    @field_validator("kind", mode="before")
    @classmethod
    def lower(cls, value: Any) -> Any:
        """Take anything."""
        return value and "9"


class Helpful(BaseModel):
    """Adds its kind."""

    kind: Literal["10"]

    @model_validator(mode="before")
    @classmethod
    def add(cls, value: Any) -> Any:
        """Add what is lacking."""
        return {"kind": "10"} | value if isinstance(value, dict) else value


class Made(BaseModel):
    """Adds its kind, too."""

    kind: Literal["11"]

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"kind": "11"} | given)


class Optional(TypedDict):
    """Need not have a kind."""

    kind: NotRequired[Literal["12"]]


class Add(BaseModel):
    """A node of a tree."""

    op: Literal["add"]
    left: Sum
    right: Sum


class Multiply(BaseModel):
    """Another one."""

    op: Literal["multiply"]
    left: Sum
    right: Sum


Sum = TypeAliasType("Sum", "Add | Multiply | int")

UNIONS: tuple[Any, ...] = (
    *(One | Two, One | Two | Three | Four, list[Two | One], One | Two | int | None, int | One | dict[str, str] | Two),
    *(One | Loose, One | Clash, One | Number, One | Renamed, One | Lenient, One | Helpful, One | Made, One | Optional),
    *(Sum, list[Sum], dict[str, One | Two] | list[One | Two], Annotated[One | Two, Field(union_mode="left_to_right")]),
)

kinds = st.sampled_from(["1", "one", "2", "3", "4", "5", "6", 7, "8", "9", "10", "12", "x", None, True, ["1"]])
objects = st.dictionaries(
    st.sampled_from(["kind", "size", "type"]), kinds | st.integers(0, 3) | st.just(0.5), max_size=3
)
trees = st.recursive(
    st.integers(0, 3) | st.just("x"),
    lambda inner: st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "multiply", "x"]), "left": inner, "right": inner}
    ),
    max_leaves=5,
)
answers = objects | trees | st.lists(objects | trees, max_size=3) | st.none() | st.integers()


def made_of(core: Any, text: str, *, strict: bool) -> str | None:
    """Return what a core schema makes of JSON; `None` where it does not fit."""
    try:
        return repr(SchemaValidator(core, _use_prebuilt=False).validate_json(text, strict=strict, extra="forbid"))
    except ValidationError:
        return None


@pytest.mark.parametrize("schema", UNIONS, ids=repr)
@settings(max_examples=60)
@given(value=answers, strict=st.booleans())
def test_the_same_values_fit_and_become_the_same(schema: Any, value: Any, strict: bool) -> None:  # noqa: FBT001
    """Whatever tells the branches apart, or does not."""
    core = TypeAdapter(schema).core_schema
    text = json.dumps(value)
    assert made_of(tagged(core), text, strict=strict) == made_of(core, text, strict=strict)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (One | Two, ["1", "one", "2"]),
        (list[One | Two | Three | Four], ["1", "one", "2", "3", "4"]),
        (One | Two | int | None, ["1", "one", "2"]),
        (Sum, ["add", "multiply"]),
        (int | One | dict[str, str] | Two, None),  # the order decides between the mapping and its neighbours
        *((One | other, None) for other in (Loose, Clash, Number, Renamed, Lenient, Helpful, Made, Optional, int)),
    ],
    ids=repr,
)
def test_texts_that_have_to_be_there_tell_branches_apart(schema: Any, expected: list[str] | None) -> None:
    """Each text of one branch only, and nothing before it that could change what is there."""
    found = [list(node["choices"]) for node in walk(tagged(TypeAdapter(schema).core_schema)) if "discriminator" in node]
    assert found[:1] == ([] if expected is None else [expected])


def test_a_tree_of_branches_that_look_alike_is_judged_soon() -> None:
    """Also where its last leaf does not fit; and its instances are looked at again, each once."""
    judge: Judge[Any] = Judge.of(OutputContract(Sum))
    text = '{"op":"add","right":1,"left":' * 60 + "%s" + "}" * 60
    began = process_time()
    tree = judge.judge(text % "1")
    assert judge.judge_value(tree) == tree
    for leaf in ('"x"', '{"op":"x"}', '{"op":"add","left":1}'):
        with pytest.raises(Breach, match=r"^\d+ errors? or more"):
            judge.judge(text % leaf)
    with pytest.raises(Breach, match=r"missing at \*\.add\.left\.\*\.add\.right"):
        judge.judge('{"op":"add","right":1,"left":{"op":"add","left":1}}')
    assert process_time() - began < 1.0


def test_a_small_answer_is_told_all_that_is_wrong_with_it() -> None:
    """For each branch, as pydantic has it."""
    with pytest.raises(Breach, match=r"^2 errors: literal_error at 0\.One\.kind, literal_error at 0\.Two\.kind$"):
        Judge.of(OutputContract(list[One | Two])).judge('[{"kind": "x"}]')
