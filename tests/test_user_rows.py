"""Rows of a user's own: what they match, what goes first, and what is refused."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import FailureKind as Kind
from aiguard import classify_as, explain, guard, user_rows
from aiguard.classification import classify
from aiguard.failure import REJECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.testing import VirtualClock


@pytest.fixture(autouse=True)
def _no_rows_are_left() -> Iterator[None]:
    """A row is for the whole process: what a test adds goes with it."""
    before = user_rows._rows
    user_rows._replace({})
    yield
    user_rows._replace(before)


def error(module: str, name: str, *bases: type[BaseException], **attributes: Any) -> Any:
    """Return an exception of a class that looks like a library's."""
    made: Any = type(name, bases or (Exception,), {"__module__": module})()
    vars(made).update(attributes)
    return made


def test_a_class_that_nobody_knows_gets_a_kind(clock: VirtualClock) -> None:
    """By package and name, wherever in the package it is; what derives from it too."""
    classify_as("mysdk.errors.NoCreditError", "quota_exhausted")
    known = error("mysdk._internal", "NoCreditError")
    assert classify(known, clock).kind is Kind.QUOTA_EXHAUSTED
    assert classify(error("app", "Derived", type(known)), clock).kind is Kind.QUOTA_EXHAUSTED
    assert classify(error("other", "NoCreditError"), clock).kind is Kind.UNCLASSIFIED


def test_a_row_of_ones_own_goes_first(clock: VirtualClock) -> None:
    """Before the body's code, the status, the class, and where it was raised."""
    classify_as("openai.APIStatusError", Kind.SERVER_ERROR)
    classify_as("json.JSONDecodeError", Kind.MALFORMED_TRANSPORT)
    base = type(error("openai", "APIStatusError"))
    known = error("openai", "RateLimitError", base, status_code=429, code="insufficient_quota")
    assert classify(known, clock).kind is Kind.SERVER_ERROR
    assert classify(error("json.decoder", "JSONDecodeError", ValueError), clock).kind is Kind.MALFORMED_TRANSPORT


def test_the_narrowest_row_of_the_nearest_class_decides(clock: VirtualClock) -> None:
    """A code before a status, a status before neither; whatever the order in which they came."""
    classify_as("mysdk.Error", Kind.BAD_REQUEST)
    classify_as("mysdk.Error", Kind.OVERLOADED, status=418)
    classify_as("mysdk.Error", Kind.AUTH, code="who_are_you")
    classify_as("mysdk.Error", Kind.NOT_FOUND, status=418, code="no_pot")
    cases: list[tuple[dict[str, Any], Kind]] = [
        ({}, Kind.BAD_REQUEST),
        ({"status_code": 500}, Kind.BAD_REQUEST),
        ({"status_code": 418}, Kind.OVERLOADED),
        ({"status_code": 418, "code": "who_are_you"}, Kind.AUTH),
        ({"status_code": 418, "body": {"error": {"type": "no_pot"}}}, Kind.NOT_FOUND),
        ({"status_code": 500, "code": "no_pot"}, Kind.BAD_REQUEST),
    ]
    for attributes, kind in cases:
        assert classify(error("mysdk", "Error", **attributes), clock).kind is kind, attributes
    base = type(error("mysdk", "Error"))
    classify_as("mysdk.Nearer", Kind.TIMEOUT)
    assert classify(error("mysdk", "Nearer", base, status_code=418), clock).kind is Kind.TIMEOUT


def test_a_code_may_be_enough(clock: VirtualClock) -> None:
    """`Exception` is what every class derives from."""
    classify_as("Exception", Kind.QUOTA_EXHAUSTED, code="out_of_coffee")
    assert classify(error("any", "Error", code="out_of_coffee"), clock).kind is Kind.QUOTA_EXHAUSTED
    assert classify(error("any", "Error"), clock).kind is Kind.UNCLASSIFIED


def test_the_same_row_again_replaces_it(clock: VirtualClock) -> None:
    """As when a module is loaded again."""
    classify_as("mysdk.Error", Kind.BAD_REQUEST, status=400)
    classify_as("mysdk.Error", Kind.SERVER_ERROR, status=400)
    assert classify(error("mysdk", "Error", status_code=400), clock).kind is Kind.SERVER_ERROR


def test_it_holds_for_classes_that_were_seen_before(clock: VirtualClock) -> None:
    """Nothing that was found earlier is in its way."""
    known = error("mysdk", "Error")
    assert classify(known, clock).kind is Kind.UNCLASSIFIED
    classify_as("mysdk.Error", Kind.TIMEOUT)
    assert classify(known, clock).kind is Kind.TIMEOUT


def test_a_boundary_goes_by_it(clock: VirtualClock) -> None:
    """And says so when asked."""
    classify_as("KeyError", "not_found")

    @guard("rows-of-ones-own", deadline=1.0)
    async def component() -> str:
        raise KeyError("secret")

    outcome = clock.run(component.outcome())
    assert outcome.failure is not None
    assert outcome.failure.kind is Kind.NOT_FOUND
    assert outcome.error is not None
    assert explain(outcome.error).row == "your row for KeyError"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("",), "'' is no name of a class"),
        (("my-sdk.Error",), "is no name of a class"),
        (("mysdk.",), "is no name of a class"),
        (("mysdk.class",), "is no name of a class"),
        ((ValueError,), "is no name of a class"),
        (("x" * 300,), "is no name of a class"),
        (("NoSuchError",), "is no exception of Python's own: write it as `package.NoSuchError`"),
        (("KeyboardInterrupt",), "is no exception of Python's own"),
        (("int",), "is no exception of Python's own"),
    ],
)
def test_a_name_that_cannot_be_is_refused(arguments: tuple[Any], told: str) -> None:
    """At once, and with what to write instead."""
    with pytest.raises(ValueError, match=r"^classify_as: ") as refused:
        classify_as(*arguments, Kind.TIMEOUT)
    assert told in str(refused.value)
    assert not user_rows.any_rows()


@pytest.mark.parametrize("kind", ["overlaoded", 429, None, "", *sorted(REJECTIONS), Kind.DEADLINE_EXHAUSTED])
def test_a_kind_that_cannot_be_is_refused(kind: Any) -> None:
    """No such word, or one that only a boundary says of itself."""
    with pytest.raises(ValueError, match=r"^classify_as: kind="):
        classify_as("mysdk.Error", kind)
    assert not user_rows.any_rows()


@pytest.mark.parametrize(
    "setting",
    [
        {"status": 0},
        {"status": 600},
        {"status": True},
        {"status": "429"},
        {"code": ""},
        {"code": 7},
        {"code": "x" * 201},
    ],
    ids=str,
)
def test_a_condition_that_cannot_be_is_refused(setting: dict[str, Any]) -> None:
    """The message names it and its value."""
    (name,) = setting
    with pytest.raises(ValueError, match=rf"^classify_as: {name}="):
        classify_as("mysdk.Error", Kind.TIMEOUT, **setting)


def test_no_row_is_lost_between_threads(clock: VirtualClock) -> None:
    """Added at once, all are there."""
    barrier = threading.Barrier(8)

    def add(number: int) -> None:
        barrier.wait()
        for status in range(100, 150):
            classify_as(f"mysdk.Error{number % 2}", Kind.TIMEOUT, status=status, code=f"code{number}")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(user_rows.user_names()) == 8 * 50
    assert classify(error("mysdk", "Error1", status_code=149, code="code7"), clock).kind is Kind.TIMEOUT
