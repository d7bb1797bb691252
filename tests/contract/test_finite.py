"""Where NaN and infinity are looked for, and where nothing needs it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, TypeAdapter
from typing_extensions import TypedDict

from aiguard.contract.finite import compile_check, is_finite
from aiguard.contract.survey import definitions_of


def check_of(schema: Any) -> Any:
    """Compile the check of a type."""
    core = TypeAdapter(schema).core_schema
    return compile_check(core, definitions_of(core))


class Clean(BaseModel):
    """No float that could hide anything."""

    a: str
    b: int | None
    c: list[Literal["x"]]
    d: float = Field(ge=0, le=1)
    e: Annotated[float, Field(allow_inf_nan=False)]
    f: Decimal
    g: dict[str, tuple[int, ...]]


class Careful(BaseModel):
    """Refuses by its own configuration."""

    model_config = ConfigDict(allow_inf_nan=False)
    a: float
    b: list[float]


class Plain(BaseModel):
    """One float that anything fits."""

    a: str
    b: float


class Node(BaseModel):
    """Recursive, with floats."""

    weight: float
    kids: list[Node] = []


class Bare(BaseModel):
    """Recursive, without."""

    name: str
    kid: Bare | None = None


class Record(TypedDict, total=False):
    """A dict with declared keys."""

    a: float


@dataclass
class Point:
    """A dataclass."""

    x: float


class Root(RootModel[list[float]]):
    """A list that is a model."""


@pytest.mark.parametrize(
    "schema",
    [Clean, Careful, list[Clean], Clean | None, Bare, str, int, Annotated[float, Field(gt=0, lt=9)], Decimal, bytes],
    ids=repr,
)
def test_where_nothing_can_hide_nothing_is_looked_at(schema: Any) -> None:
    """Bounded on both sides, forbidden, or no float at all."""
    assert check_of(schema) is None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "schema",
    [
        Annotated[float, Field(gt=0, lt=9)],
        Annotated[float, Field(ge=0, le=9)],
        Annotated[float, Field(allow_inf_nan=False)],
        Decimal,
        Annotated[Decimal, Field(ge=0, le=9)],
    ],
    ids=repr,
)
def test_what_is_not_looked_at_pydantic_refuses(schema: Any, number: float) -> None:
    """A fact about pydantic: a bound refuses NaN, two bounds infinity too."""
    assert check_of(schema) is None
    with pytest.raises(ValueError, match="1 validation error"):
        TypeAdapter(schema).validate_python(number)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("schema", "make"),
    [
        (float, lambda number: number),
        (Annotated[float, Field(ge=0)], lambda number: number),
        (Annotated[float, Field(ge=-math.inf, le=math.inf)], lambda number: number),
        (float | None, lambda number: number),
        (Plain, lambda number: Plain(a="", b=number)),
        (list[Plain], lambda number: [Plain(a="", b=1), Plain(a="", b=number)]),
        (Node, lambda number: Node(weight=1, kids=[Node(weight=number)])),
        (Record, lambda number: {"a": number}),
        (Point, Point),
        (Root, lambda number: Root([number])),
        (dict[str, float], lambda number: {"a": number}),
        (tuple[str, float], lambda number: ("a", number)),
        (Plain | str, lambda number: Plain(a="", b=number)),
        (Any, lambda number: {"a": [1, (number,)]}),
        (complex, lambda number: complex(1, number)),
        (Annotated[Decimal, Field(allow_inf_nan=True)], Decimal),
        (deque[float], lambda number: deque([number])),
        (Annotated[str, AfterValidator(float)], lambda number: number),
    ],
    ids=range(18),
)
def test_what_is_not_finite_is_found(schema: Any, make: Any, number: float) -> None:
    """In every shape that may hold it; and what is finite passes."""
    check = check_of(schema)
    assert not check(make(number))
    assert check(make(1.0))


def test_absent_and_empty_values_pass() -> None:
    """`None`, a key that is not there, no items."""
    assert check_of(float | None)(None)
    assert check_of(Record)({})
    assert check_of(list[float])([])


def test_the_walker_does_not_recurse() -> None:
    """A hundred thousand levels, and a cycle."""
    deep: list[Any] = [1.0]
    for _ in range(100_000):
        deep = [deep]
    assert is_finite(deep)
    cycle: list[Any] = [1.0]
    cycle.append(cycle)
    assert is_finite(cycle)
    cycle.append({"a": Plain.model_construct(b=math.nan)})
    assert not is_finite(cycle)


def test_keys_and_undeclared_fields_are_looked_at() -> None:
    """They are part of the value."""

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    assert not is_finite({math.nan: 1})
    assert not is_finite(Open.model_validate({"a": math.inf}))
    assert not is_finite({Decimal("NaN")})
