"""Input contracts: what passes, what does not, and what is said of it."""

from __future__ import annotations

import functools
import gc
import math
import weakref
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from types import MethodType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from aiguard import Array, Features, InputContract, JsonSchema, OneOf, OutputContract, PolicyError, Range, Text
from aiguard.contract import InputJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "SECRET-INPUT"


class Ticket(BaseModel):
    """A type for an argument."""

    subject: str
    urgent: bool = False


@dataclass
class Row:
    """An object with fields."""

    amount: Any


class Country(StrEnum):
    """A value that is text too."""

    GERMANY = "DE"


def flaws(rule: Any, value: Any) -> list[tuple[str, str]]:
    """Return field and code of each flaw of an only argument."""
    return [(flaw.field, flaw.code) for flaw in InputJudge(InputContract(rule)).flaws(one, (value,), {})]


def codes(rule: Any, value: Any) -> list[str]:
    """Return the codes alone."""
    return [code for _, code in flaws(rule, value)]


def one(value: Any) -> None:
    """Take one argument."""


# --- one value


@pytest.mark.parametrize(
    ("rule", "value", "code"),
    [
        (Range(0, 10), 0, None),
        (Range(0, 10), 10.0, None),
        (Range(0, 10), -0.1, "range"),
        (Range(0, 10), 10**400, "range"),
        (Range(0, 10), math.nan, "missing"),
        (Range(0, 10), math.inf, "range"),
        (Range(), math.inf, "range"),
        (Range(), -math.inf, "range"),
        (Range(), 10**400, "range"),
        (Range(), 1e308, None),
        (Range(low=0), 1e308, None),
        (Range(high=0), 1, "range"),
        (Range(0, 10), None, "missing"),
        (Range(0, 10), True, "type"),
        (Range(0, 10), "5", "type"),
        (Range(0, 10), [5], "type"),
        (Range(0, 10), Decimal(5), None),
        (Range(0, 10), Decimal(50), "range"),
        (Range(0, 10), Decimal("NaN"), "unreadable"),
        (Range(0, 10), Fraction(1, 2), None),
        (Range(0, 10, missing="allow"), None, None),
        (Range(0, 10, missing="allow"), math.nan, None),
        (Range(0, 10, missing="allow"), 11, "range"),
        (Range(0, 10, missing="allow"), "", "type"),
        (OneOf("DE", "AT"), "DE", None),
        (OneOf("DE", "AT"), Country.GERMANY, None),
        (OneOf("DE", "AT"), "de", "category"),
        (OneOf("DE", "AT"), ["DE"], "category"),
        (OneOf("DE", "AT"), None, "missing"),
        (OneOf("DE", "AT"), math.nan, "missing"),
        (OneOf("DE", "AT", missing="allow"), math.nan, None),
        (OneOf(1, 2), True, "category"),
        (OneOf(1, 2), 1.0, None),
        (OneOf(*[True]), 1, "category"),
        (OneOf(*[True]), True, None),
        (Text(5), "12345", None),
        (Text(5), "123456", "length"),
        (Text(5), b"123", "type"),
        (Text(5), None, "missing"),
        (Text(5, missing="allow"), None, None),
        (Text(), "x" * 10_000_000, None),
        (Text(100, max_tokens=2, count=lambda text: len(text.split())), "two words", None),
        (Text(100, max_tokens=2, count=lambda text: len(text.split())), "three words here", "tokens"),
        (Text(100, max_tokens=2, count=lambda _: 1 / 0), "x", "tokens"),  # type: ignore[arg-type,return-value]
        (Text(100, max_tokens=2, count=lambda _: "2"), "x", "tokens"),  # type: ignore[arg-type,return-value]
        (Text(100, max_tokens=2, count=lambda _: True), "x", "tokens"),
        (Ticket, {"subject": "x"}, None),
        (Ticket, Ticket(subject="x"), None),
        (Ticket, Ticket.model_construct(subject=3), "schema"),
        (Ticket, {"subject": "x", "more": 1}, "schema"),
        (Ticket, {"subject": 1}, "schema"),
        (int, 3, None),
        (int, "3", "schema"),
        (int, None, "schema"),
        (int | None, None, None),
        (str, "", None),
        (list[int], [1, 2], None),
        (Literal["a"], "b", "schema"),
        (JsonSchema({"type": "string", "maxLength": 2}), "abc", "schema"),
    ],
)
def test_a_value_passes_or_is_told_by_its_code(rule: Any, value: object, code: str | None) -> None:
    """Bounds belong to a range, NaN is missing, a truth value is no number, text is no number."""
    assert codes(rule, value) == ([] if code is None else [code])


@given(st.floats() | st.integers(), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_range_is_what_lies_between_its_bounds(value: float, one_bound: float, other: float) -> None:
    """For whatever number, and whatever bounds."""
    low, high = sorted((one_bound, other))
    assert (codes(Range(low, high), value) == []) is (low <= value <= high)


@given(st.lists(st.text() | st.integers() | st.booleans(), min_size=1), st.text() | st.integers() | st.booleans())
def test_a_category_is_one_that_was_declared(values: list[Any], value: object) -> None:
    """Of the same kind too: a truth value is no number."""
    known = {(type(one) is bool, one) for one in values}
    assert (codes(OneOf(*values), value) == []) is ((type(value) is bool, value) in known)


@given(st.text(), st.integers(1, 30))
def test_a_text_is_as_long_as_it_has_characters(text: str, most: int) -> None:
    """Not as it has bytes."""
    assert (codes(Text(most), text) == []) is (len(text) <= most)


def test_a_text_that_is_too_long_is_never_counted() -> None:
    """Counting takes time with the length."""
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return 1

    assert codes(Text(5, max_tokens=9, count=count), "x" * 6) == ["length"]
    assert counted == []


# --- where the value is


NAMED = namedtuple("NAMED", "amount")  # noqa: PYI024 - a plain one: those are what databases give


@pytest.mark.parametrize(
    "row",
    [
        {"amount": 5, "more": 1},
        OrderedDict(amount=5),
        UserDict(amount=5),
        defaultdict(int, amount=5),
        Row(5),
        NAMED(5),
        SimpleNamespace(amount=5),
    ],
)
def test_a_row_is_a_mapping_or_an_object(row: object) -> None:
    """Its fields are keys or attributes; others than those declared may be there."""
    assert flaws({"value": {"amount": Range(0, 10)}}, row) == []
    assert flaws({"value": {"amount": Range(6, 10)}}, row) == [("value.amount", "range")]


@pytest.mark.parametrize("row", [3, "text", b"bytes", [5], {5}, iter([5])])
def test_what_has_no_fields_is_no_row(row: object) -> None:
    """One flaw, and not one for each field."""
    assert flaws({"value": {"amount": Range(0, 10), "age": Range()}}, row) == [("value", "type")]


def test_a_field_that_is_not_there_is_missing() -> None:
    """As one that is `None`; and asking for it does not make it."""
    row: defaultdict[str, int] = defaultdict(int)
    rule = {"value": {"amount": Range(0, 10), "age": Range(missing="allow"), "ticket": Ticket, "inner": {"x": str}}}
    missing = [(f"value.{field}", "missing") for field in ("amount", "ticket", "inner")]
    assert flaws(rule, row) == missing
    assert flaws(rule, Row(None)) == missing
    assert flaws(rule, None) == [("value", "missing")]
    assert not row


def test_fields_may_be_nested() -> None:
    """A field has its whole path as its name."""
    rule = {"value": {"customer": {"country": OneOf("DE")}}}
    assert flaws(rule, {"customer": Row(1)}) == [("value.customer.country", "missing")]
    assert flaws(rule, {"customer": {"country": "FR"}}) == [("value.customer.country", "category")]


class Service:
    """Methods."""

    def score(self, amount: float, /, country: str = "DE", *rest: Any, age: Any = 30, **more: Any) -> None:
        """Take arguments in every way."""

    def many(self, *amounts: float) -> None:
        """Take any number of arguments."""


SCORE = {"amount": Range(0, 10), "country": OneOf("DE"), "age": Range(18, 120), "more": Range(0, 1)}


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize(
    ("args", "kwargs", "wrong"),
    [
        ((5,), {"more": 1}, []),
        ((5, "DE"), {"age": 20, "more": 1}, []),
        ((11, "FR", 99), {"age": 17, "more": 2}, ["amount", "country", "age", "more"]),
        ((5,), {"country": "FR", "more": 0}, ["country"]),
        ((5,), {}, ["more"]),
    ],
)
def test_arguments_are_found_by_their_names(
    args: tuple[Any, ...], kwargs: dict[str, Any], wrong: list[str], *, bound: bool
) -> None:
    """However they are given, defaults included, in a method and in a function."""
    service = Service()
    judge = InputJudge(InputContract(SCORE))
    fn: Callable[..., Any] = service.score if bound else Service.score
    given = args if bound else (service, *args)
    assert judge.check(fn) is None
    assert [flaw.field for flaw in judge.flaws(fn, given, kwargs)] == wrong


@pytest.mark.parametrize(
    ("fn", "args", "kwargs"),
    [
        (one, (11,), {}),
        (one, (), {"value": 11}),
        (Service.score, (None, 11), {}),
        (Service().score, (11,), {}),
        (lambda *values: values, (11, 5), {}),
        (print, (11, 5), {}),
        (lambda *values, age=5: (values, age), (11, 5), {}),
        (Service().many, (11, 5), {}),
        (Service.many, (None, 11, 5), {}),
        (MethodType(lambda _, amount: amount, 5), (11,), {}),
        (lambda **values: values, (), {}),
        (lambda *, amount: amount, (), {"amount": 11}),
        (functools.partial(lambda _, amount: amount, 5), (11,), {}),
        (functools.partial(one, value=11), (), {}),
        (max, (11, 5), {}),
    ],
)
def test_one_rule_alone_is_that_of_the_first_argument(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """The instance of a method aside."""
    (flaw,) = InputJudge(InputContract(Range(0, 10))).flaws(fn, args, kwargs)
    assert flaw.field == ""
    assert str(flaw).startswith("the first argument ")


def test_a_type_is_a_contract() -> None:
    """As it is for an output."""
    assert InputJudge(Ticket).label == "input"
    assert [flaw.code for flaw in InputJudge(Ticket).flaws(one, ({},), {})] == ["schema"]


@pytest.mark.parametrize(
    ("fields", "fn", "words"),
    [
        ({"amout": Range()}, lambda amount: amount, ["'amout'", "did you mean `amount`?"]),
        ({"amount": Range()}, lambda *amounts: amounts, ["'amount'"]),
        (Range(), lambda: None, ["no first argument"]),
    ],
)
def test_names_that_a_function_does_not_take_are_told(fields: Any, fn: Callable[..., Any], words: list[str]) -> None:
    """At declaration, where the function is known."""
    said = InputJudge(InputContract(fields)).check(fn)
    assert said is not None
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize(
    ("fields", "fn"),
    [
        ({"amount": Range()}, lambda **row: row),
        ({"amount": Range()}, dict),
        (Range(), max),
        (Range(), lambda *values: values),
    ],
)
def test_a_function_that_takes_any_names_takes_those(fields: Any, fn: Callable[..., Any]) -> None:
    """So does one that does not say what it takes."""
    assert InputJudge(InputContract(fields)).check(fn) is None


def test_a_callable_object_without_a_hash_is_read_anew() -> None:
    """What is known of it cannot be kept."""

    @dataclass
    class Unhashable:
        def __call__(self, amount: float) -> None:
            """Take one argument."""

    judge = InputJudge(InputContract({"amount": Range(0, 1)}))
    assert [flaw.field for flaw in judge.flaws(Unhashable(), (2,), {})] == ["amount"]


def test_a_function_of_one_call_is_forgotten_with_it() -> None:
    """Also where it leads back to itself."""
    judge = InputJudge(InputContract({"amount": Range(0, 1)}))
    gone: list[weakref.ref[Any]] = []
    defaults: list[Any] = [3, []]
    while defaults:
        default = defaults.pop()

        def fn(amount: Any = default) -> Any:
            return amount

        if isinstance(default, list):
            default.append(fn)
        assert [flaw.field for flaw in judge.flaws(fn, (), {})] == ["amount"]
        gone.append(weakref.ref(fn))
        del fn, default
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


# --- hostile input


class Hostile:
    """Raises at whatever is done to it."""

    def __getattribute__(self, name: str) -> Any:
        raise ValueError(SECRET)

    def __eq__(self, other: object) -> bool:
        raise ValueError(SECRET)

    def __hash__(self) -> int:
        raise ValueError(SECRET)


class LyingText(str):
    """Says that it is short."""

    __slots__ = ()

    def __len__(self) -> int:
        return 0


class Flickering:
    """Has an attribute that raises."""

    @property
    def amount(self) -> float:
        """Raise."""
        raise ValueError(SECRET)


@pytest.mark.parametrize(
    "rule", [Range(0, 1), OneOf("DE"), Text(5), Ticket, int, Features(2), Array((2,)), {"amount": Range(0, 1)}]
)
def test_an_object_that_raises_at_everything_breaks_the_contract(rule: Any) -> None:
    """What it says stays out of the message."""
    (flaw,) = InputJudge(InputContract({"value": rule})).flaws(one, (Hostile(),), {})
    assert SECRET not in str(flaw)


def test_an_attribute_that_raises_is_unreadable() -> None:
    """And the fields behind it are looked at all the same."""
    rule = {"value": {"amount": Range(0, 1), "age": Range()}}
    assert flaws(rule, Flickering()) == [("value.amount", "unreadable"), ("value.age", "missing")]


@pytest.mark.parametrize("rule", [Range(), OneOf(1), Text(), Features(2), Array((2,)), {"amount": Range()}, Ticket])
def test_an_endless_generator_is_not_consumed(rule: Any) -> None:
    """Nothing is taken from what can be read only once."""
    taken: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            taken.append(1)
            yield 1

    assert len(flaws({"value": rule}, endless())) == 1
    assert taken == []


def test_a_text_is_measured_by_what_it_is() -> None:
    """Not by what it says of itself."""
    assert codes(Text(5), LyingText("x" * 6)) == ["length"]


def test_an_argument_of_a_type_has_a_largest_size() -> None:
    """Validating takes time with the size."""
    assert codes(dict[str, str], {"a": "x" * 20_000_000}) == ["schema"]


@given(st.recursive(st.none() | st.floats() | st.text() | st.binary(), lambda inner: st.lists(inner, max_size=4)))
def test_whatever_is_given_is_judged(value: object) -> None:
    """No rule raises."""
    for rule in (Range(0, 1), OneOf("a"), Text(3), Features(2), Features({"a": Range()}), Array((None,)), Ticket):
        assert len(flaws({"value": rule}, value)) <= 1


# --- what is said


def test_a_message_names_field_and_rule_and_never_the_value() -> None:
    """Rules are the developer's own words; values are content."""
    rule = {
        "value": {
            "amount": Range(0, 1e6),
            "low": Range(low=0.5),
            "high": Range(high=-3),
            "any": Range(),
            "country": OneOf("DE", "AT"),
            "text": Text(3),
            "tokens": Text(100, max_tokens=1, count=len),
            "ticket": Ticket,
        }
    }
    row = dict.fromkeys(rule["value"], SECRET) | {"amount": -1, "low": 0.25, "high": 7, "any": math.inf}
    said = [str(flaw) for flaw in InputJudge(InputContract(rule)).flaws(one, (row,), {})]
    assert said == [
        "value.amount must be from 0 to 1000000",
        "value.low must be 0.5 or more",
        "value.high must be -3 or less",
        "value.any must be finite",
        "value.country must be one of 'DE', 'AT'",
        "value.text is longer than 3 characters",
        "value.tokens has more than 1 tokens",
        "value.ticket breaks its type: 1 error: model_type at the root",
    ]


# --- declaring one


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: Range(2, 1), "low"),
    (lambda: Range(math.nan, 1), "low"),
    (lambda: Range(0, math.inf), "high"),
    (lambda: Range("0", 1), "low"),  # type: ignore[arg-type]
    (lambda: Range(low=True), "low"),
    (lambda: Range(0, 1, missing="ignore"), "missing"),  # type: ignore[arg-type]
    (OneOf, "values"),
    (lambda: OneOf(None), "missing"),
    (lambda: OneOf([1]), "hashable"),
    (lambda: OneOf("a", missing=True), "missing"),  # type: ignore[arg-type]
    (lambda: Text(0), "max_length"),
    (lambda: Text(5.0), "max_length"),  # type: ignore[arg-type]
    (lambda: Text(5, max_tokens=0, count=len), "max_tokens"),
    (lambda: Text(5, max_tokens=3), "count"),
    (lambda: Text(5, count=len), "max_tokens"),
    (lambda: Text(max_tokens=3, count=len), "max_length"),
    (lambda: Text(5, max_tokens=3, count="len"), "count"),  # type: ignore[arg-type]
    (lambda: Features(0), "columns"),
    (lambda: Features([]), "columns"),
    (lambda: Features("ab"), "columns"),
    (lambda: Features(["a", "a"]), "columns"),
    (lambda: Features(["a", 1]), "columns"),  # type: ignore[list-item]
    (lambda: Features({"a": int}), "'a'"),  # type: ignore[dict-item]
    (lambda: Features({"a": Features(2)}), "'a'"),
    (lambda: Array("ab"), "shape"),  # type: ignore[arg-type]
    (lambda: Array([-1]), "shape"),
    (lambda: Array([1], dtype=float), "dtype"),  # type: ignore[arg-type]
    (lambda: InputContract({"a": int}, name=""), "name"),
    (lambda: InputContract({"a": int}, name="two words"), "name"),
    (lambda: InputContract({"a": int}, version=0), "version"),
    (lambda: InputContract({"a": int}, version="2 "), "version"),
    (lambda: InputContract({"a": int}, on_breach="stop"), "on_breach"),  # type: ignore[arg-type]
    (lambda: InputContract.of_model(object()), "n_features_in_"),
    (lambda: InputJudge({"a": int}), "InputContract({…})"),
    (lambda: InputJudge(InputContract({})), "one at least"),
    (lambda: InputJudge(InputContract({"a": {}})), "a: must be rules"),
    (lambda: InputJudge(InputContract({"a": {"b": 3}})), "a.b: must be a rule"),
    (lambda: InputJudge(InputContract({1: int})), "names"),
    (lambda: InputJudge(InputContract({"a": len})), "a: a function"),
    (lambda: InputJudge(InputContract({"a": OutputContract(int)})), "a: must be a rule"),
]


@pytest.mark.parametrize(("make", "word"), REFUSED, ids=range(len(REFUSED)))
def test_a_bad_declaration_is_refused_by_name(make: Callable[[], Any], word: str) -> None:
    """What is wrong is told at declaration, never at a call."""
    with pytest.raises(PolicyError) as caught:
        make()
    assert word in str(caught.value)


def test_a_version_is_part_of_what_it_is_counted_as() -> None:
    """A whole number, or a short word."""
    assert InputContract(int).label == "input"
    assert InputContract(int, name="score-in", version=2).label == "score-in@2"
    assert InputContract(int, name="score-in", version="v2.1").label == "score-in@v2.1"


def test_what_is_done_to_the_fields_afterwards_does_not_show() -> None:
    """A contract is what was declared."""
    fields: dict[str, Any] = {"value": Range(0, 1)}
    contract = InputContract(fields)
    fields.clear()
    assert contract == InputContract({"value": Range(0, 1)})
    assert contract != InputContract({"value": Range(0, 2)})
