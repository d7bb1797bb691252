"""Which types hold themselves, and which unions of them are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, JsonValue, RootModel, TypeAdapter
from typing_extensions import TypeAliasType, TypedDict

from aiguard import OutputContract
from aiguard.contract import Judge
from aiguard.contract.recursion import Recursion
from aiguard.contract.survey import definitions_of
from aiguard.errors import PolicyError


class Leaf(BaseModel):
    """Holds nothing."""

    value: int


class Branch(BaseModel):
    """Holds itself, beside what does not."""

    kids: list[Branch | Leaf] = []
    next: Branch | None = None


class Both(BaseModel):
    """Holds itself in two fields, each with a value of its own."""

    left: Both | None = None
    right: Both | None = None


class Add(BaseModel):
    """One of two with the same fields, and a default for what would tell them apart."""

    op: Literal["add"] = "add"
    left: Sum
    right: Sum


class Subtract(BaseModel):
    """The other."""

    op: Literal["subtract"] = "subtract"
    left: Sum
    right: Sum


Sum = TypeAliasType("Sum", "Add | Subtract | int")


class TaggedAdd(BaseModel):
    """One of two that are told apart."""

    op: Literal["add"]
    left: TaggedSum


class TaggedSubtract(BaseModel):
    """The other."""

    op: Literal["subtract"]
    left: TaggedSum


TaggedSum = TypeAliasType("TaggedSum", "Annotated[TaggedAdd | TaggedSubtract, Field(discriminator='op')] | int")


class And(BaseModel):
    """Keeps what it holds under a key of its own."""

    all: list[Filter] = Field(alias="and")


class Or(BaseModel):
    """Another one."""

    any: list[Filter] = Field(alias="or")


Filter = TypeAliasType("Filter", "And | Or | Leaf")


class Loose(BaseModel):
    """Might be the mapping, too."""

    inner: Loose | dict[str, Loose] | None = None


class Aliased(BaseModel):
    """Reads the key of another."""

    other: Aliased | Reading | None = Field(None, alias="inner")


class Reading(BaseModel):
    """Has that key."""

    inner: Aliased | Reading | None = None


class Typed(TypedDict, total=False):
    """A mapping with declared keys."""

    inner: Typed | Data


@dataclass
class Data:
    """The same as a dataclass."""

    inner: Typed


class Flat(TypedDict):
    """A mapping that holds nothing."""

    a: int


class Lists(BaseModel):
    """Lists of itself, of which one holds lists: an item is one or the other."""

    kids: list[Lists] | list[list[Lists]] = []


class Alike(BaseModel):
    """Lists of what itself might be, or of itself."""

    kids: list[Alike] | list[Alike | int] = []


class Wrapped(RootModel["list[Wrapped] | dict[str, Wrapped] | int"]):
    """A model that is its only field."""


Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | str | int | None")


def recursion_of(schema: Any) -> Recursion:
    """Return what a type says."""
    return Recursion(definitions_of(TypeAdapter(schema).core_schema))


@pytest.mark.parametrize("schema", [int, Leaf, list[Leaf | dict[str, Leaf]], Flat], ids=repr)
def test_most_types_hold_nothing_of_themselves(schema: Any) -> None:
    """Then there is nothing to say."""
    assert not recursion_of(schema).refs


@pytest.mark.parametrize(
    "schema", [Branch, Both, TaggedSum, list[TaggedAdd], Filter, And, Lists, Wrapped, Json, JsonValue], ids=repr
)
def test_what_is_told_apart_may_hold_itself(schema: Any) -> None:
    """By a discriminator, by keys of its own, by being an object or an array; or it is held once for each value."""
    recursion = recursion_of(schema)
    assert recursion.refs
    assert recursion.doubled() is None
    Judge.of(OutputContract(schema))


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (Sum, "Add | Subtract"),
        (list[Add], "Add | Subtract"),
        (Loose, "Loose | dict"),
        (Aliased, "Aliased | Reading"),
        (Typed, "Typed | Data"),
        (Alike, "list | list"),
    ],
)
def test_a_union_that_would_double_the_work_of_each_level_is_refused(schema: Any, named: str) -> None:
    """Thirty levels of it would outlast any deadline."""
    assert recursion_of(schema).doubled() == named
    with pytest.raises(PolicyError, match="name a discriminator"):
        Judge.of(OutputContract(schema))


def test_what_is_not_refused_is_judged_soon_however_deep_it_is() -> None:
    """A misfit at the end is looked for in each branch, and once in each."""
    deep = '{"and":[' * 90 + '{"value":"x"}' + "]}" * 90
    judge = Judge.of(OutputContract(Filter))
    with pytest.raises(Exception, match=r"^1 error or more: misfit at"):
        judge.judge(deep)
