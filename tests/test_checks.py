"""The checks that many contracts need, each with the codes that it gives."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from time import process_time
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import InstanceOf

from aiguard import OutputContract, PolicyError, checks
from aiguard.contract import Breach, Judge
from aiguard.contract.checks import name_of

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("check", "value", "said"),
    [
        (checks.number(least=0, most=1), 0, None),
        (checks.number(least=0, most=1), 1.0, None),
        (checks.number(least=0, most=1), Decimal("0.5"), None),
        (checks.number(least=0, most=1), -0.1, "too_small"),
        (checks.number(least=0, most=1), 1.1, "too_large"),
        (checks.number(least=0), 10**400, None),
        (checks.number(least=0), NAN, "not_finite"),
        (checks.number(most=0), -INFINITY, "not_finite"),
        (checks.length(least=2, most=3), "ab", None),
        (checks.length(least=2, most=3), [1], "too_short"),
        (checks.length(least=2, most=3), "abcd", "too_long"),
        (checks.length(most=3), "", None),
        (checks.one_of({"a", "b"}), "a", None),
        (checks.one_of({"a", "b"}), "c", "not_allowed"),
        (checks.no_control_characters(), "a\tb\r\nc é 😀", None),
        (checks.no_control_characters(), "a\x1b[31m", "control_character"),
        (checks.no_control_characters(), "a\x00", "control_character"),
        (checks.no_control_characters(), "a\x85", "control_character"),
        (checks.printable(), "a\tb\r\nc é 😀", None),
        (checks.printable(), "a\u202eb", "not_printable"),
        (checks.printable(), "a\u200bb", "not_printable"),
        (checks.line_length(3), "abc\nabc\n", None),
        (checks.line_length(3), "abc\nabcd", "line_too_long"),
        (checks.must_contain(["Dear", "Hello"]), "hello you", None),
        (checks.must_contain(["Dear", "Hello"]), "you", "missing"),
        (checks.must_not_contain(["as an AI"]), "AS AN ai I cannot", "forbidden"),
        (checks.must_not_contain(["as an AI"]), "as a person", None),
        (checks.must_not_contain(["straße"]), "STRASSE", "forbidden"),
    ],
)
def test_a_check_says_what_is_wrong(check: Any, value: object, said: str | None) -> None:
    """`None`, or the code."""
    assert check(value) == said


@pytest.mark.parametrize("value", [True, "1", None, [1]])
def test_what_is_no_number_is_an_error_of_the_check(value: object) -> None:
    """A bool is none."""
    with pytest.raises(TypeError, match="no number"):
        checks.number(least=0)(value)


@pytest.mark.parametrize(
    "make",
    [
        checks.number,
        partial(checks.number, least=2, most=1),
        partial(checks.number, least=NAN),
        partial(checks.length, least=2, most=1),
        partial(checks.line_length, 0),
        partial(checks.array, least=2, most=1),
        partial(checks.must_contain, []),
        partial(checks.must_contain, "text"),
        partial(checks.must_not_contain, [""]),
    ],
)
def test_a_check_that_nothing_or_everything_would_pass_is_refused(make: Any) -> None:
    """When it is made."""
    with pytest.raises(PolicyError, match=r"^checks\."):
        make()


def test_a_part_is_an_attribute_a_key_or_what_a_function_gives() -> None:
    """And the name says which."""
    by_name = checks.length(of="text", most=2)
    assert by_name({"text": "abc"}) == by_name(SimpleNamespace(text="abc")) == "too_long"
    assert checks.length(of=str.strip, most=2)(" ab ") is None
    assert name_of(by_name) == "length of text"
    assert name_of(checks.length(of=str.strip)) == "length of str.strip"
    assert name_of(checks.safety(checks.printable())) == "printable"
    with pytest.raises(AttributeError):
        by_name(3)


def test_a_contract_names_the_check_and_its_code() -> None:
    """Never what it saw."""
    judge = Judge.of(OutputContract(dict[str, str], checks=[checks.must_not_contain(["secret"], of="text")]))
    with pytest.raises(Breach, match=r"^check must_not_contain of text said forbidden$") as caught:
        judge.judge('{"text": "a secret"}')
    assert caught.value.fault == ("must_not_contain of text", "forbidden", False)


class Like:
    """An array of nobody's: all that a check may ask of one."""

    dtype = "lib.float32"

    def __init__(self, *numbers: float) -> None:
        self.shape = (len(numbers),)
        self.min = lambda: min(numbers)
        self.max = lambda: max(numbers)


@pytest.mark.parametrize(
    ("check", "value", "said"),
    [
        (checks.array(), Like(1.0, 2.0), None),
        (checks.array(least=1, most=2, shape=[2], dtype="float32"), Like(1.0, 2.0), None),
        (checks.array(shape=(None,)), Like(1.0), None),
        (checks.array(shape=(3,)), Like(1.0), "shape"),
        (checks.array(shape=(1, 1)), Like(1.0), "shape"),
        (checks.array(dtype="float64"), Like(1.0), "dtype"),
        (checks.array(least=2), Like(1.0, 3.0), "too_small"),
        (checks.array(most=2), Like(1.0, 3.0), "too_large"),
        (checks.array(), Like(INFINITY), "not_finite"),
        (checks.array(), Like(NAN), "not_finite"),
        (checks.array(least=0), Like(), None),
        (checks.array(), [1.0], "not_an_array"),
        (checks.array(), None, "not_an_array"),
    ],
)
def test_anything_like_an_array_is_checked(check: Any, value: object, said: str | None) -> None:
    """By what it says of itself."""
    assert check(value) == said


def test_an_array_of_numpy_is_checked_as_a_whole() -> None:
    """A thousand vectors of 128 take microseconds; NaN anywhere is found."""
    numpy = pytest.importorskip("numpy")
    vectors = numpy.random.default_rng(0).uniform(-1, 1, (1000, 128)).astype("float32")
    check = checks.array(shape=(None, 128), dtype="float32", least=-1, most=1)
    assert check(vectors) is None
    spoilt = vectors.copy()
    spoilt[500, 60] = NAN
    assert check(spoilt) == "not_finite"
    assert check(vectors * 2) in {"too_small", "too_large"}
    assert check(vectors.astype("float64")) == "dtype"
    assert checks.array()(numpy.array([], dtype="float32")) is None
    assert checks.array(least=0)(numpy.array([2**62, 2**62 + 1])) is None
    arrays = InstanceOf[numpy.ndarray]  # type: ignore[name-defined]  # imported where it is installed
    judge = Judge.of(OutputContract(arrays, checks=[check]))
    assert judge.judge(vectors) is vectors
    began = process_time()
    for _ in range(100):
        check(vectors)
    assert process_time() - began < 0.5
