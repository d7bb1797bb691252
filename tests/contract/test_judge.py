"""The gates, in their order, for every shape in which an answer arrives."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import traceback
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    computed_field,
    field_serializer,
)
from pydantic_core import PydanticCustomError

from aiguard.contract import Breach, Judge, OutputContract
from aiguard.failure import FailureKind as Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Triage(BaseModel):
    """What a model is asked for."""

    category: Literal["billing", "bug"]
    summary: str
    confidence: float = Field(ge=0, le=1)


class Priority(StrEnum):
    """A label that is a string."""

    HIGH = "high"
    LOW = "low"


class Level(IntEnum):
    """A label that is not."""

    ONE = 1


GOOD = '{"category": "bug", "summary": "it breaks", "confidence": 0.5}'
VALUE = Triage(category="bug", summary="it breaks", confidence=0.5)


def judge(schema: Any, raw: object, **settings: Any) -> Any:
    """Judge one answer."""
    return Judge.of(OutputContract(schema, **settings)).judge(raw)


def breach(schema: Any, raw: object, **settings: Any) -> Breach:
    """Judge one answer that breaks its contract."""
    with pytest.raises(Breach) as caught:
        judge(schema, raw, **settings)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize(
    "raw",
    [
        GOOD,
        GOOD.encode(),
        bytearray(GOOD.encode()),
        type("Text", (str,), {})(GOOD),
        VALUE,
        VALUE.model_dump(),
        {**VALUE.model_dump(), "confidence": 0.5},
    ],
    ids=["str", "bytes", "bytearray", "subclass of str", "instance", "dict", "dict again"],
)
def test_a_valid_answer_leaves_as_a_value(raw: object) -> None:
    """Text is parsed as JSON, data and instances are validated."""
    assert judge(Triage, raw) == VALUE


def test_the_name_is_the_types_own() -> None:
    """A parametrised type keeps its parameters, and a name given wins."""
    assert Judge.of(OutputContract(Triage)).name == "Triage"
    assert Judge.of(OutputContract(list[int])).name == "list[int]"
    assert Judge.of(OutputContract(Triage, name="triage/1")).name == "triage/1"


# gate 1: size


@pytest.mark.parametrize(
    "raw",
    ["x" * 101, "é" * 51, b"x" * 101, ["x" * 50, "y" * 50], {"k" * 101: 1}, [[0] * 60]],
    ids=["ASCII", "two bytes each", "bytes", "list", "key", "numbers"],
)
def test_what_is_larger_than_allowed_is_not_looked_at(raw: object) -> None:
    """Text counts in UTF-8 bytes, data as the JSON that it would be."""
    assert breach(Any, raw, max_bytes=100, format="json").kind == Kind.OUTPUT_TOO_LARGE


@pytest.mark.parametrize("raw", ["x" * 100, "é" * 50, b"x" * 100], ids=["ASCII", "two bytes each", "bytes"])
def test_the_limit_itself_is_allowed(raw: Any) -> None:
    """The last byte that fits, fits."""
    assert judge(str, raw, max_bytes=100) in {raw, "x" * 100}


def test_ten_megabytes_are_refused() -> None:
    """The default limit is 1 MiB."""
    assert breach(Triage, "x" * 10_000_000).kind == Kind.OUTPUT_TOO_LARGE
    assert breach(str, "x" * 10_000_000).kind == Kind.OUTPUT_TOO_LARGE


def test_data_that_shares_its_parts_is_weighed_as_written() -> None:
    """Thirty lists of two references each would be a gigabyte of JSON."""
    bomb: list[Any] = ["x"]
    for _ in range(30):
        bomb = [bomb, bomb]
    assert breach(list[Any], bomb).kind == Kind.OUTPUT_TOO_LARGE


# gate 3: empty


@pytest.mark.parametrize("schema", [Triage, str, Priority, int])
@pytest.mark.parametrize("raw", ["", " \n\t", b"", b"  ", None], ids=repr)
def test_nothing_is_an_empty_output(schema: Any, raw: object) -> None:
    """White space alone is nothing, for text too."""
    assert breach(schema, raw).kind == Kind.EMPTY_OUTPUT


def test_none_is_an_answer_where_the_contract_says_so() -> None:
    """An optional type allows it."""
    assert judge(Triage | None, None) is None
    assert judge(None, None) is None


# gate 4: parse


@pytest.mark.parametrize("raw", ["it is a bug", GOOD[:-1], "{'category': 'bug'}", "\ufeff" + GOOD, GOOD + GOOD])
def test_what_is_not_json_is_malformed(raw: str) -> None:
    """Nothing is repaired."""
    assert breach(Triage, raw).kind == Kind.MALFORMED_OUTPUT


@pytest.mark.parametrize(
    "raw",
    [
        b'"\xff"',
        '"\ud800"',
        '"\\ud800"',
        "[" * 300 + "]" * 300,
        "1" * 6000,
        "[" * 100_000,
    ],
    ids=["invalid UTF-8", "lone surrogate", "escaped lone surrogate", "300 levels", "6000 digits", "100000 brackets"],
)
def test_what_no_parser_reads_is_malformed(raw: Any) -> None:
    """Nothing of pydantic's escapes as it is."""
    assert breach(Any, raw).kind == Kind.MALFORMED_OUTPUT


@pytest.mark.parametrize(
    ("schema", "raw", "value"),
    [
        (str, "it is a bug", "it is a bug"),
        (str, '"quoted"', '"quoted"'),
        (str, b"bytes", "bytes"),
        (str | None, "null", "null"),
        (Annotated[str, Field(max_length=3)], "abc", "abc"),
        (Annotated[str, AfterValidator(str.upper)], "abc", "ABC"),
        (bytes, "text", b"text"),
        (bytes, b"\xff", b"\xff"),
        (Literal["a", "b"], "a", "a"),
        (Literal["a", "b"], b"b", "b"),
        (Priority, "high", Priority.HIGH),
        (Priority, Priority.LOW, Priority.LOW),
        (Annotated[Priority, Field(description="how soon")], "low", Priority.LOW),
    ],
    ids=repr,
)
def test_text_is_the_answer_where_the_type_is_text(schema: Any, raw: object, value: object) -> None:
    """`str`, `bytes`, and labels of strings are never parsed."""
    assert judge(schema, raw) == value
    assert type(judge(schema, raw)) is type(value)


def test_a_literal_of_other_things_is_json() -> None:
    """Only labels that are strings stand for themselves."""
    assert judge(Literal[1, "a"], '"a"') == "a"
    assert breach(Literal[1, "a"], "a").kind == Kind.MALFORMED_OUTPUT
    assert judge(Level, "1") is Level.ONE


def test_text_that_nobody_could_write_out_is_malformed() -> None:
    """Half a surrogate pair raises wherever it is encoded; bytes may be no UTF-8 at all."""
    assert breach(str, "a\ud800").kind == Kind.MALFORMED_OUTPUT
    assert breach(str, b"\xff").kind == Kind.MALFORMED_OUTPUT
    assert breach(Priority, "a\ud800").kind == Kind.MALFORMED_OUTPUT


def test_the_format_overrides_the_type() -> None:
    """Text may be JSON of a string, a model may read text itself, a Python value is never parsed."""
    assert judge(str, '"quoted"', format="json") == "quoted"
    assert breach(str, "bare", format="json").kind == Kind.MALFORMED_OUTPUT
    parsed = Annotated[Triage, BeforeValidator(lambda text: VALUE if text == "a bug" else text)]
    assert judge(parsed, "a bug", format="text") == VALUE
    assert breach(Triage, GOOD, format="text").kind == Kind.SCHEMA_VIOLATION
    assert breach(Priority, "high", format="python").kind == Kind.SCHEMA_VIOLATION
    assert judge(tuple[int, ...], (1, 2), format="python") == (1, 2)
    assert breach(tuple[int, ...], [1, 2], format="python").kind == Kind.SCHEMA_VIOLATION


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    """A fact about pydantic: it does not tell, and to look costs a second parse."""
    assert judge(dict[str, int], '{"a": 1, "a": 2}') == {"a": 2}


# gate 7: schema


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.replace("0.5", '"0.5"'),
        GOOD.replace("0.5", "true"),
        GOOD.replace("0.5", "NaN"),
        GOOD.replace("0.5", "1e999"),
        GOOD.replace("}", ', "mood": 1}'),
        GOOD.replace("bug", "other"),
        "{}",
        "[]",
        "null",
    ],
)
def test_json_that_does_not_fit_is_a_violation(raw: str) -> None:
    """No coercion, no further keys, no NaN."""
    assert breach(Triage, raw).kind == Kind.SCHEMA_VIOLATION


@pytest.mark.parametrize("raw", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("schema", [float, Annotated[float, Field(ge=0)], Any, float | str, complex | float], ids=repr)
def test_numbers_are_finite(schema: Any, raw: str) -> None:
    """A fact about pydantic: strict parsing lets NaN and 1e999 into a float."""
    assert breach(schema, raw, format="json").kind == Kind.SCHEMA_VIOLATION
    assert breach(list[schema], [math.nan]).kind == Kind.SCHEMA_VIOLATION


def test_data_is_validated_as_json_data() -> None:
    """So the string of an enum fits, and a date written out."""

    class Ticket(BaseModel):
        priority: Priority
        due: dt.date
        level: Level
        tags: set[str]

    value = Ticket(priority=Priority.LOW, due=dt.date(2026, 1, 2), level=Level.ONE, tags={"a"})
    assert judge(Ticket, {"priority": "low", "due": "2026-01-02", "level": 1, "tags": ["a"]}) == value
    assert judge(Ticket, {"priority": Priority.LOW, "due": dt.date(2026, 1, 2), "level": Level.ONE, "tags": {"a"}}) == (
        value
    )


def test_data_that_json_cannot_say_is_a_python_value() -> None:
    """A secret dumped to JSON would come back as asterisks, bytes as text."""

    class Key(BaseModel):
        secret: SecretStr
        raw: bytes

    made = judge(Key, {"secret": SecretStr("s3cret"), "raw": b"\xff"})
    assert made.secret.get_secret_value() == "s3cret"
    assert made.raw == b"\xff"
    assert judge(dict[int, str], {1: "a"}) == {1: "a"}
    assert breach(str | None, {"a": (one for one in "ab")}).kind == Kind.SCHEMA_VIOLATION


class Inner(BaseModel):
    """With everything that stands between an instance and its data."""

    number: int = Field(alias="Number")
    hidden: int = Field(default=1, exclude=True)
    secret: SecretStr = SecretStr("s")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        """No part of the data."""
        return self.number * 2

    @field_serializer("number")
    def as_text(self, number: int) -> str:
        """What is dumped is not what is held."""
        return str(number)


class Outer(BaseModel):
    """Holds others."""

    inner: Inner
    many: list[Inner] = []


@dataclasses.dataclass
class Point:
    """A dataclass of the standard library."""

    x: int
    inner: Inner


def _bad_inner() -> Inner:
    return Inner.model_construct(number="one")


def test_an_instance_is_validated_from_what_it_holds() -> None:
    """Aliases, excluded and computed fields, serializers and secrets are no obstacle."""
    good = Outer(inner=Inner(Number=1, hidden=5), many=[Inner(Number=2)])
    valid = judge(Outer, good)
    assert valid == good
    assert valid is not good
    assert valid.inner.hidden == 5
    assert valid.inner.secret.get_secret_value() == "s"
    assert judge(Point, Point(1, Inner(Number=1))) == Point(1, Inner(Number=1))
    assert judge(list[Outer], [good]) == [good]
    assert judge(Outer, {"inner": good.inner}) == Outer(inner=good.inner)


@pytest.mark.parametrize(
    ("schema", "make"),
    [
        (Inner, _bad_inner),
        (Outer, lambda: Outer.model_construct(inner=_bad_inner())),
        (Outer, lambda: Outer.model_construct(inner=Inner(Number=1), many=[_bad_inner()])),
        (Outer, lambda: {"inner": _bad_inner()}),
        (list[Outer], lambda: [Outer.model_construct(inner=_bad_inner())]),
        (Point, lambda: Point("x", Inner(Number=1))),  # type: ignore[arg-type]
        (Point, lambda: Point(1, _bad_inner())),
        (dict[str, Point], lambda: {"a": Point(1, _bad_inner())}),
        (tuple[Inner, ...], lambda: (_bad_inner(),)),
        (Triage, lambda: Triage.model_construct(category="bug")),
        (Triage, lambda: VALUE.model_copy(update={"mood": 1})),
        (Triage, lambda: VALUE.model_copy(update={"confidence": math.nan})),
    ],
    ids=range(12),
)
def test_an_instance_that_was_never_validated_does_not_pass(schema: Any, make: Callable[[], object]) -> None:
    """A fact about pydantic: instances are trusted unless a model says otherwise."""
    assert breach(schema, make()).kind == Kind.SCHEMA_VIOLATION


def test_a_subclass_is_held_to_the_declared_fields() -> None:
    """What it adds is data that the contract does not declare."""

    class Same(Triage):
        pass

    class More(Triage):
        mood: int = 1

    assert judge(Triage, Same(**VALUE.model_dump())).model_dump() == VALUE.model_dump()
    assert breach(Triage, More(**VALUE.model_dump())).kind == Kind.SCHEMA_VIOLATION


@pytest.mark.parametrize(
    "raw", [3, 2.5, True, object(), (1, 2), {1, 2}, 1j, Level.ONE, range(3), iter("ab"), int], ids=range(11)
)
def test_other_objects_are_python_values(raw: object) -> None:
    """A value that is no answer is a violation, whatever it is."""
    assert breach(Triage, raw).kind == Kind.SCHEMA_VIOLATION


def test_a_bool_is_no_number() -> None:
    """Strict means strict."""
    assert breach(int, True).kind == Kind.SCHEMA_VIOLATION  # noqa: FBT003 - the answer itself
    assert judge(float, 1) == 1.0


def test_the_root_models_own_configuration_wins() -> None:
    """What it says explicitly holds for the whole tree."""

    class Loose(BaseModel):
        model_config = ConfigDict(strict=False, extra="ignore", allow_inf_nan=True)
        number: float

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        number: int

    assert math.isinf(judge(Loose, '{"number": "1e999", "more": 1}').number)
    assert judge(Open, '{"number": 1, "more": 2}').model_dump() == {"number": 1, "more": 2}
    assert breach(Open, '{"number": 1, "more": NaN}').kind == Kind.SCHEMA_VIOLATION
    assert judge(list[Loose], '[{"number": "1"}]')[0].number == 1.0


# gate 8: checks


def _no(_value: object) -> bool:
    return False


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (_no, "check _no said no"),
        (lambda _value: "too_short", "check <lambda> said too_short"),
        (lambda _value: "the answer was: secret", r"said \*"),
        (lambda value: value["secret"], "raised TypeError"),
        (lambda _value: 1, "neither None, a bool nor a reason code"),
    ],
    ids=range(5),
)
def test_a_check_says_why(check: Any, said: str) -> None:
    """The message names the check and its code, never what it was given."""
    caught = breach(Triage, GOOD, checks=[lambda _value: None, lambda _value: True, check])
    assert caught.kind == Kind.CHECK_FAILED
    with pytest.raises(Breach, match=said):
        raise caught


def test_a_check_that_forgot_to_be_sync_is_told_so() -> None:
    """Its coroutine is closed, so nothing warns later."""

    async def verdict() -> bool:
        return True

    assert breach(Triage, GOOD, checks=[lambda _value: verdict()]).kind == Kind.CHECK_FAILED


def test_checks_see_only_what_fits() -> None:
    """They come last."""
    seen: list[object] = []
    breach(Triage, "{}", checks=[seen.append])
    breach(list[float], "[NaN]", checks=[seen.append])
    assert seen == []
    assert judge(Triage, GOOD, checks=[seen.append]) == VALUE
    assert seen == [VALUE]


# rungs


def test_a_rung_is_held_to_schema_and_checks_alone() -> None:
    """Its value is no raw answer: text is not parsed, and may be empty."""
    judged = Judge.of(OutputContract(Triage, checks=[lambda value: value.summary != "x"]))
    assert judged.judge_value(VALUE) == VALUE
    assert judged.judge_value(VALUE.model_dump()) == VALUE
    for bad in (GOOD, None, {**VALUE.model_dump(), "more": 1}, Triage.model_construct(), math.nan):
        with pytest.raises(Breach) as caught:
            judged.judge_value(bad)
        assert caught.value.kind == Kind.SCHEMA_VIOLATION
        assert caught.value.__context__ is None
    with pytest.raises(Breach, match="said no"):
        judged.judge_value({**VALUE.model_dump(), "summary": "x"})
    assert Judge.of(OutputContract(str)).judge_value("") == ""
    assert Judge.of(OutputContract(Priority)).judge_value("low") is Priority.LOW
    assert Judge.of(OutputContract(Triage | None)).judge_value(None) is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (Triage, VALUE),
        (Triage, VALUE.model_dump()),
        (Outer, Outer(inner=Inner(Number=1), many=[Inner(Number=2)])),
        (Point, Point(1, Inner(Number=1))),
        (list[int], [1, 2]),
        (dict[str, list[int]], {"a": [1]}),
    ],
    ids=range(6),
)
def test_each_use_of_a_static_rung_is_a_fresh_equal_value(schema: Any, value: Any) -> None:
    """Whoever changes one changes nobody else's."""
    judged = Judge.of(OutputContract(schema))
    make = judged.rebuilder(value)
    first, second = make(), make()
    assert first == second == judged.judge_value(value)
    assert first is not second
    if isinstance(first, dict):
        first.clear()
    elif isinstance(first, list):
        first.append(3)
    else:
        vars(first).clear()
    assert make() == second


def test_an_immutable_rung_is_given_as_it_is() -> None:
    """Nobody can change it."""
    make = Judge.of(OutputContract(Priority)).rebuilder("high")
    assert make() is make() is Priority.HIGH


def test_a_rung_that_breaks_the_contract_or_cannot_be_copied_is_refused_at_once() -> None:
    """Not on the day it is needed."""
    with pytest.raises(Breach):
        Judge.of(OutputContract(Triage)).rebuilder({})
    with pytest.raises(Breach, match="cannot be copied"):
        Judge.of(OutputContract(Any)).rebuilder(one for one in "ab")


# whatever it is, a breach and nothing else


class Hostile:
    """Raises wherever it is touched."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError

    def __hash__(self) -> NoReturn:
        raise RuntimeError

    def __repr__(self) -> NoReturn:
        raise RuntimeError

    def __str__(self) -> NoReturn:
        raise RuntimeError

    def __iter__(self) -> NoReturn:
        raise RuntimeError

    def __bool__(self) -> NoReturn:
        raise RuntimeError

    def __len__(self) -> NoReturn:
        raise RuntimeError


class HostileText(str):
    """A string that cannot be printed."""

    __slots__ = ()

    def __str__(self) -> NoReturn:
        raise RuntimeError


class EndlessList(list[int]):
    """Has no end."""

    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _cyclic() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


def _cyclic_dict() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = [value, value]
    return value


class Holder(BaseModel):
    """Holds anything."""

    value: Any = None


@pytest.mark.parametrize("schema", [Triage, list[int], dict[str, float], Point, str, Priority], ids=repr)
@pytest.mark.parametrize(
    "make",
    [
        Hostile,
        lambda: HostileText("{}x"),
        lambda: EndlessList([1, "a"]),  # type: ignore[list-item]
        lambda: _nested(201),
        lambda: _nested(100_000),
        _cyclic,
        _cyclic_dict,
        lambda: {"a": "\ud800"},
        lambda: {"a": b"\xff"},
        lambda: {"a": 10**6000},
        lambda: {"a": math.nan},
        lambda: {"a": Hostile()},
        lambda: [Hostile()],
        lambda: {Level: 1},
        lambda: {"a": iter("ab")},
        lambda: Holder.model_construct(value=_cyclic()),
        lambda: Point(_cyclic(), Hostile()),  # type: ignore[arg-type]
        lambda: object.__new__(Triage),
        lambda: Triage,
        lambda: 10**6000,
        lambda: -math.inf,
        lambda: "[" * 200_000,
        lambda: '{"a":' * 200_000,
        lambda: "\ud800",
        lambda: b"\xff\xfe",
    ],
    ids=range(25),
)
def test_nothing_but_a_breach_leaves(schema: Any, make: Callable[[], object]) -> None:
    """Whatever a component returns."""
    judged = Judge.of(OutputContract(schema, extract=True))
    for gate in (judged.judge, judged.judge_value):
        try:
            gate(make())
        except Breach as caught:
            assert caught.__context__ is None  # noqa: PT017 - some of these values are valid
            assert len(caught.message) < 500  # noqa: PT017


def _raise(error: BaseException) -> Any:
    def validator(_value: object) -> NoReturn:
        raise error

    return Annotated[int, AfterValidator(validator)]


class _SilentError(ValueError):
    def __str__(self) -> NoReturn:
        raise RuntimeError


@pytest.mark.parametrize(
    "error",
    [
        KeyError("secret"),
        RecursionError("secret"),
        MemoryError(),
        StopIteration("secret"),
        ExceptionGroup("secret", [ValueError("secret")]),
        ValueError("secret"),
        AssertionError("secret"),
        _SilentError(),
        PydanticCustomError("secret type", "secret"),
        type("se cret", (Exception,), {})(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("raw", ["1", 1, [1]], ids=repr)
def test_what_a_validator_raises_is_a_violation(error: Exception, raw: Any) -> None:
    """The message names its class at most."""
    caught = breach(list[_raise(error)] if isinstance(raw, list) else _raise(error), raw)  # type: ignore[misc]
    assert caught.kind == Kind.SCHEMA_VIOLATION
    assert "secret" not in caught.message
    assert "se cret" not in caught.message
    assert caught.exception is not None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_what_is_no_exception_passes(error: BaseException) -> None:
    """Nobody's cancellation is an invalid answer."""
    with pytest.raises(type(error)):
        judge(_raise(error), "1")
    with pytest.raises(type(error)):
        judge(Triage, GOOD, checks=[_raise(error).__metadata__[0].func])


# messages


def test_a_message_holds_types_and_declared_names_only() -> None:
    """Keys of the answer are content; so are its values."""

    class Item(BaseModel):
        price: float = Field(alias="cost")

    class Order(BaseModel):
        items: list[Item]
        notes: dict[str, int]

    raw = '{"items": [{"cost": "secret"}, {"secret": 1}], "notes": {"secret": "secret"}, "secret": 1}'
    said, _, errors = breach(Order, raw).message.partition(": ")
    assert said == "5 errors"
    assert sorted(errors.split(", ")) == [
        "extra_forbidden at *",
        "extra_forbidden at items.1.*",
        "float_type at items.0.cost",
        "int_type at notes.*",
        "missing at items.1.cost",
    ]
    assert breach(dict[int, int], {5551234: "x"}).message == "1 error: int_type at *"
    assert breach(Triage, "[1]").message == "1 error: model_type at the root"


def test_a_union_says_which_choice_was_tried() -> None:
    """The names of models are the schema's own words."""
    assert "missing at Triage.category" in breach(Triage | Inner, '{"Number": "x"}').message


def test_of_many_errors_the_first_is_told() -> None:
    """A list of them would be two hundred times the answer, and to count them takes as long."""
    caught = breach(list[int], "[" + ",".join(['"a"'] * 200_000) + "]")
    assert caught.message == "1 error or more: int_type at 0"
    many = {f"key {index}": "a" for index in range(200)}  # of an object, pydantic tells all
    assert breach(dict[str, int], many).message == "200 errors or more"
    assert breach(dict[str, int], dict(list(many.items())[:120])).message == "120 errors"


def test_no_traceback_prints_an_answer() -> None:
    """Not even where a breach is raised while something else is being handled."""
    judged = Judge.of(OutputContract(Triage))
    for raw in ('{"category": "secret"}', {"category": "secret"}, "secret", Triage.model_construct(category="secret")):
        try:
            raise RuntimeError("secret")  # noqa: TRY301 - the handling is the point
        except RuntimeError:
            with pytest.raises(Breach) as caught:
                judged.judge(raw)
        assert "secret" not in "".join(traceback.format_exception(caught.value))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_data_is_a_value_or_a_breach(data: Any) -> None:
    """And what leaves is what came, for a contract of anything."""
    judged = Judge.of(OutputContract(Any))
    try:
        value = judged.judge_value(data)
    except Breach as caught:
        assert caught.kind == Kind.SCHEMA_VIOLATION  # noqa: PT017 - either may happen
    else:
        assert value == data


class Colour(Enum):
    """An enum that is no string."""

    RED = "red"


def test_an_enum_that_is_no_string_is_json() -> None:
    """Its members are not text."""
    assert judge(Colour, '"red"') is Colour.RED
    assert judge(Colour, Colour.RED) is Colour.RED


def test_a_contract_may_name_its_type_twice() -> None:
    """`OutputContract[int](int)` is what some type checkers ask for; it was a TypeError on Python 3.11."""
    assert OutputContract[int](int).schema is int
