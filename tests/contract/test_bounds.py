"""No answer of 20 KB takes long, whatever it is made of and whatever is asked for."""

from __future__ import annotations

import datetime as dt
import gc
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from time import process_time
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, Field
from typing_extensions import TypedDict

from aiguard import JsonSchema, OutputContract
from aiguard.contract import Breach, Judge
from aiguard.failure import INVALID_OUTPUTS
from tests.contract.hostile import allowed, answers, documents

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE: Final = 20_000
SLOWEST: Final = 0.02
"""Seconds of CPU: twice what any of them takes on a machine of two cores with nothing else to do."""

SLOWER: Final = dict.fromkeys(("recursive", "recursive, unique", "recursive, anyOf"), 0.04)
"""Python looks at each value that a JSON Schema comes back to."""

TRIES: Final = 10
"""Whoever is slow may try so often: a machine that is busy is slow too."""


class Color(StrEnum):
    """Two words."""

    RED = "r"
    BLUE = "b"


class Item(BaseModel):
    """A pattern that would be a trap for other engines."""

    a: int
    b: list[str] = []
    trap: str = Field("", pattern=r"^(a+)+$")


class Wide(BaseModel):
    """Ten fields, all of which are missing in most answers."""

    f0: int
    f1: int
    f2: int
    f3: int
    f4: int
    f5: int
    f6: int
    f7: int
    f8: int
    f9: float


class Tree(BaseModel):
    """Holds itself in lists."""

    a: float = 0.0
    kids: list[Tree] = []


class Pair(BaseModel):
    """Holds itself twice."""

    a: Pair | None = None
    b: Pair | None = None


class One(BaseModel):
    """One of three."""

    k: Literal["1"]


class Two(BaseModel):
    """Another."""

    k: Literal["2"]
    y: float = 0.0


class Many(BaseModel):
    """The third, which holds all of them."""

    k: Literal["n"]
    kids: list[Many | One | Two] = []


class Dated(BaseModel):
    """What JSON writes as text."""

    d: dt.datetime | None = None
    a: Decimal | None = None
    u: UUID | None = None


class Keyed(TypedDict):
    """A mapping with declared keys."""

    a: int
    b: list[str]


@dataclass
class Data:
    """A dataclass."""

    a: int
    b: list[str] = field(default_factory=list)


def schema(**said: Any) -> Any:
    """Return a JSON Schema of lists of something."""
    return JsonSchema({"type": "array", "items": said})


def closed(name: str) -> dict[str, Any]:
    """Return a JSON Schema of an object with one key."""
    return {"type": "object", "properties": {name: {"type": "integer"}}, "required": [name]}


NODE: Final = {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}, "kids": {"$ref": "#/$defs/n"}}}
NESTED: Final = {"type": ["object", "array", "integer", "null"], "items": {"$ref": "#/$defs/n"}}
ANY_BRANCH: Final = {
    "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/n"}}, {"type": "array"}, {"type": "integer"}]
}

FORMS: Final[dict[str, Any]] = {
    **{str(one): one for one in (int, str, Any, dict[str, Any], list[Any], list[int], list[float], list[str])},
    **{str(one): one for one in (set[int], set[UUID], dict[int, int], frozenset[tuple[int, ...]], dict[str, float])},
    **{str(one): one for one in (list[Literal["a", "b"]], list[Color], list[int | str | float | None], list[Decimal])},
    **{str(one): one for one in (list[dt.datetime], list[AnyUrl], list[UUID], list[Dated], list[list[list[int]]])},
    **{str(one): one for one in (Item, list[Item], dict[str, Item], Wide, list[Wide], Tree, Pair, Many, Keyed, Data)},
    **{
        str(one): one
        for one in (list[Keyed], list[Data], list[One | Two | Many], int | list[int] | dict[str, int] | Item)
    },
    "discriminated": list[Annotated[One | Two | Many, Field(discriminator="k")]],
    "any JSON": JsonSchema({}),
    "unique": JsonSchema({"type": "array", "items": {}, "uniqueItems": True}),
    "unique in unique": schema(
        type="array", uniqueItems=True, items={"type": "array", "items": {}, "uniqueItems": True}
    ),
    "enum": schema(enum=[1, "a", None, [1], {"a": 1}]),
    "anyOf": schema(anyOf=[{"type": "integer"}, {"type": "string", "maxLength": 3}, {"type": "null"}]),
    "oneOf": schema(oneOf=[{"type": "integer"}, {"type": "string", "maxLength": 3}, {"type": "null"}]),
    "oneOf, alike": schema(oneOf=[closed("a"), closed("b"), closed("c")]),
    "allOf": schema(
        allOf=[{"type": "integer", "minimum": 0}, {"type": "integer", "maximum": 5}, {"not": {"const": 3}}]
    ),
    "not": schema(**{"not": {"type": "integer"}}),
    "multipleOf": schema(type="number", multipleOf=0.01),
    "pattern": schema(type="string", pattern=r"^(a+)+$"),
    "recursive": JsonSchema({"$defs": {"n": NODE}, "$ref": "#/$defs/n"}),
    "recursive, unique": JsonSchema({"$defs": {"n": {**NESTED, "additionalProperties": {}}}, "$ref": "#/$defs/n"}),
    "recursive, anyOf": JsonSchema({"$defs": {"n": ANY_BRANCH}, "$ref": "#/$defs/n"}),
    **{one: schema(type="string", format=one) for one in ("email", "uri", "hostname", "date-time", "duration", "ipv6")},
}


def seconds_of(judge: Judge[Any], text: str) -> float:
    """Return the seconds of CPU that one judgement takes."""
    began = process_time()
    try:
        judge.judge(text)
    except Breach as caught:
        breach = caught
    else:
        return process_time() - began
    seconds = process_time() - began
    assert breach.kind in INVALID_OUTPUTS
    return seconds


@pytest.fixture(autouse=True)
def _nothing_else_to_collect() -> Iterator[None]:
    """Whatever the tests before have left is none of the judge's: each collection would go through it."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("form", FORMS)
def test_twenty_kilobytes_take_no_longer_than_they_should(form: str) -> None:
    """With extraction and repair, and without."""
    slow = {}
    most = SLOWER.get(form, SLOWEST)
    strict = OutputContract(FORMS[form], format="json")
    for contract in (strict, replace(strict, extract=True, repair="safe")):
        judge: Judge[Any] = Judge.of(contract)
        for what, text in (answers(SIZE) | documents(SIZE)).items():
            seconds = seconds_of(judge, text)
            tries = 1
            while seconds > most and seconds > allowed(most) and tries < TRIES:
                seconds = min(seconds, seconds_of(judge, text))
                tries += 1
            if tries == TRIES:
                slow[what, contract.extract] = seconds
    assert not slow
