"""What is refused when a type is compiled, and what compiled types share."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import ipaddress
import pathlib
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from pydantic_core import SchemaValidator

from aiguard.contract import Breach, Judge, OutputContract
from aiguard.contract.schema import compile_schema
from aiguard.errors import PolicyError


class Ignoring(BaseModel):
    """Says what happens to further keys."""

    model_config = ConfigDict(extra="ignore")
    a: int


class Silent(BaseModel):
    """Says nothing itself."""

    child: Ignoring


class Agreeing(BaseModel):
    """Says the same as what it holds."""

    model_config = ConfigDict(extra="ignore")
    child: Ignoring


class LaxField(BaseModel):
    """One field of it is lax."""

    a: Annotated[int, Field(strict=False)]


class LaxItems(BaseModel):
    """So are the items of this one."""

    many: list[Annotated[int, Field(strict=False)]]


class StrictField(BaseModel):
    """Lax but for one field."""

    model_config = ConfigDict(strict=False)
    a: StrictInt


class Infinite(BaseModel):
    """One field of it may be infinite."""

    a: float = Field(allow_inf_nan=True)


class Recursive(BaseModel):
    """Holds itself, and something that disagrees."""

    kids: list[Recursive] = []
    other: Ignoring | None = None


@pydantic.dataclasses.dataclass(config=ConfigDict(extra="ignore"))
class Data:
    """A dataclass that says something."""

    a: int


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (Silent, "Ignoring sets extra='ignore', but the whole tree is validated with extra='forbid'"),
        (Recursive, "Ignoring sets extra='ignore'"),
        (Ignoring | Recursive, "Ignoring sets extra='ignore'"),
        (dict[str, Silent], "Ignoring sets extra='ignore'"),
        (LaxField, "LaxField.a sets strict=False"),
        (LaxItems, "LaxItems.many sets strict=False"),
        (StrictField, "StrictField.a sets strict=True, but the whole tree is validated with strict=False"),
        (Annotated[int, Field(strict=False)], "the type sets strict=False"),
        (Infinite, "Infinite.a sets allow_inf_nan=True"),
        (tuple[Data, Silent], "Data sets extra='ignore'"),
    ],
    ids=range(10),
)
def test_a_tree_that_disagrees_is_refused(schema: Any, said: str) -> None:
    """The message names who says what."""
    with pytest.raises(PolicyError, match=re.escape(said)):
        Judge.of(OutputContract(schema))


@pytest.mark.parametrize(
    "schema", [Ignoring, Agreeing, list[Ignoring], Ignoring | None, Data, list[Agreeing]], ids=repr
)
def test_a_tree_that_agrees_is_not(schema: Any) -> None:
    """The outermost models speak for it, through lists and options."""
    assert compile_schema(schema).extra == "ignore"


@pytest.mark.parametrize("setting", ["strict", "extra"])
def test_run_time_settings_override_a_models_own(setting: str) -> None:
    """A fact about pydantic: that is why a tree that disagrees is refused."""

    class Own(BaseModel):
        model_config = ConfigDict(strict=False, extra="ignore")
        a: int

    data = {"strict": {"a": "1"}, "extra": {"a": 1, "b": 2}}[setting]
    adapter = pydantic.TypeAdapter(Own)
    assert adapter.validate_python(data) == Own(a=1)
    settings: dict[str, Any] = {"strict": True, "extra": "forbid"}
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_python(data, **{setting: settings[setting]})


def test_the_validator_that_classes_keep_trusts_instances() -> None:
    """A fact about pydantic: `_use_prebuilt=False` is what makes it look at nested ones again."""
    bad = Silent.model_construct(child=Ignoring.model_construct(a="x"))
    schema: Any = dict(pydantic.TypeAdapter(Silent).core_schema)
    assert SchemaValidator(schema).validate_python(bad) is bad
    with pytest.raises(pydantic.ValidationError):
        compile_schema(Agreeing).python(Agreeing.model_construct(child=Ignoring.model_construct(a="x")))


class Slow(BaseModel):
    """Its pattern takes exponential time in Python's re."""

    model_config = ConfigDict(regex_engine="python-re")
    a: Annotated[str, Field(pattern=r"^(a+)+$")]


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    """Generic."""

    value: T


class Unknown(BaseModel):
    """Refers to a class that does not exist."""

    a: Nowhere  # type: ignore[name-defined]  # noqa: F821 - that is the point


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (Slow, "Slow sets regex_engine='python-re'"),
        (list[Slow], "regex_engine='python-re'"),
        (Annotated[str, Field(pattern=re.compile("x"))], "pattern for Python's re"),
        (Iterable[int], "validates only while it is read"),
        (Box[Iterable[int]], "validates only while it is read"),
        (object(), "pydantic cannot make a validator of it"),
        (Unknown, "pydantic cannot make a validator of it"),
    ],
    ids=range(7),
)
def test_what_could_not_be_enforced_is_refused(schema: Any, said: str) -> None:
    """At declaration; the message names the contract."""
    with pytest.raises(PolicyError, match=re.escape(said)) as caught:
        Judge.of(OutputContract(schema, name="answer/1"))
    assert str(caught.value).startswith("setting `output`=answer/1: ")


class Everything(BaseModel):
    """One field of every type that pydantic has a schema of its own for."""

    a: pathlib.Path
    b: uuid.UUID
    c: ipaddress.IPv4Address
    d: collections.deque[int]
    e: collections.OrderedDict[str, int]
    f: collections.defaultdict[str, int]
    g: collections.Counter[str]
    h: dt.datetime
    i: dt.timedelta
    j: Decimal
    k: set[int]
    m: tuple[int, ...]
    n: pydantic.SecretStr
    o: pydantic.SecretBytes
    p: pydantic.AnyUrl
    r: pydantic.ByteSize
    s: re.Pattern[str]
    t: Sequence[int]
    u: Mapping[str, int]
    y: complex
    z: pydantic.Json[int]
    aa: pydantic.PastDate
    ab: StrictInt
    ac: pydantic.Base64Bytes
    ad: type[int]
    ae: pydantic.IPvAnyAddress
    ag: Literal[1, "a"]
    ah: pydantic.PostgresDsn
    ai: pydantic.InstanceOf[dict[str, int]]
    aj: Annotated[int | str, Field(union_mode="left_to_right")]
    ak: Box[int]


def test_flags_that_pydantic_sets_itself_are_no_disagreement() -> None:
    """Its own types carry `strict` inside."""
    assert compile_schema(Everything).strict is True


def test_equal_types_share_what_is_compiled() -> None:
    """Ten thousand boundaries of one type cost one validator."""
    first, second = Judge.of(OutputContract(Ignoring)), Judge.of(OutputContract(Ignoring, name="b"))
    assert first._schema is second._schema
    assert compile_schema(list[Ignoring]) is compile_schema(list[Ignoring])
    assert compile_schema(int | str) is not compile_schema(str | int)
    assert not hasattr(first, "__dict__")
    unhashable = Annotated[int, Field(json_schema_extra={"a": []}), []]
    assert Judge.of(OutputContract(unhashable)).judge("1") == 1


@dataclasses.dataclass
class Pair(Generic[T]):
    """A generic dataclass."""

    value: T


def test_parameters_of_generic_types_count() -> None:
    """For instances too."""
    for bad in (Box[Any](value="x"), Pair("x")):
        schema: Any = Box[int] if isinstance(bad, Box) else Pair[int]
        with pytest.raises(Exception, match="error"):
            Judge.of(OutputContract(schema)).judge(bad)
    assert Judge.of(OutputContract(Pair[int])).judge(Pair(1)) == Pair(1)


class Awkward(BaseModel):
    """Its fields are named like the parts of a core schema."""

    type: Literal["x"]
    schema_: Ignoring = Field(alias="schema")
    metadata: Ignoring
    default: Ignoring
    config: Ignoring
    members: list[Ignoring]


def test_fields_may_be_named_like_the_parts_of_a_schema() -> None:
    """They are walked all the same."""
    with pytest.raises(PolicyError, match="Ignoring sets extra"):
        compile_schema(Awkward)

    class Fine(Awkward):
        model_config = ConfigDict(extra="ignore")

    one = Ignoring(a=1)
    parts: dict[str, Any] = {"type": "x", "schema_": one, "metadata": one, "default": one, "config": one, "members": []}
    judge = Judge.of(OutputContract(Fine))
    assert judge.judge(Fine.model_construct(**parts)).config == one
    bad = Ignoring.model_construct(a="x")
    for name in ("schema_", "metadata", "default", "config"):
        with pytest.raises(Breach):
            judge.judge(Fine.model_construct(**{**parts, name: bad}))
