"""Faults as values: what they refuse, and what each stands for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard import FailureKind, OutputContract
from aiguard.classification import classify
from aiguard.clock import SYSTEM
from aiguard.contract import Judge
from aiguard.contract.breach import Breach
from aiguard.failure import INVALID_OUTPUTS, REJECTIONS
from aiguard.signals import Expired
from aiguard.testing import Crash, Drip, Fails, Garbage, Hang, InjectedError, Latency, OneOf, Truncation
from aiguard.testing.faults import GARBAGE, STAGES, is_failure, program_of, raised


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Latency(-1.0), "Latency: seconds=-1.0 are no seconds from 0"),
        (lambda: Latency(float("inf")), "Latency: seconds=inf are no seconds from 0"),
        (lambda: Latency(float("nan")), "Latency: seconds=nan are no seconds from 0"),
        (lambda: Latency(seconds=True), "Latency: seconds=True are no seconds from 0"),
        (lambda: Latency(0.0, jitter="0.1"), "Latency: jitter='0.1' are no seconds from 0"),  # type: ignore[arg-type]
        (lambda: Drip(-0.1), "Drip: seconds=-0.1 are no seconds from 0"),
        (lambda: Fails("overlaoded"), "Fails: kind='overlaoded' is no failure kind; did you mean `overloaded`?"),
        (lambda: Fails(429), "Fails: kind=429 is no failure kind"),  # type: ignore[arg-type]
        (lambda: Fails("rate_limited", -1.0), "Fails: retry_after=-1.0 are no seconds from 0"),
        (lambda: Fails("timeout", 1.0), "Fails: retry_after=1.0: timeout never says when to come back"),
        (lambda: Fails("truncated", 1.0), "Fails: retry_after=1.0: truncated never says when to come back"),
        (lambda: Truncation(-1), "Truncation: after=-1 is no whole number from 0"),
        (lambda: Truncation(1.5), "Truncation: after=1.5 is no whole number from 0"),  # type: ignore[arg-type]
        (lambda: Truncation(after=True), "Truncation: after=True is no whole number from 0"),
        (OneOf, "OneOf: needs a fault"),
        (lambda: OneOf([]), "fault: an empty list injects nothing"),
    ],
)
def test_nonsense_is_refused_at_once(make: Any, told: str) -> None:
    """The message names the fault, the setting and the value."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        make()
    assert str(refused.value) == told


@pytest.mark.parametrize("edge", [Latency(0), Latency(0.0, jitter=0), Drip(0.0), Truncation(0), Fails("overloaded", 0)])
def test_nothing_at_all_is_no_nonsense(edge: Any) -> None:
    """Zero is where each setting begins."""
    assert program_of(edge) == (edge,)


@pytest.mark.parametrize(
    ("given", "hint"),
    [("timeout", ""), (None, ""), (KeyboardInterrupt(), ""), (KeyboardInterrupt, ""), (int, ""), (Hang, "Hang(…)")],
)
def test_what_is_no_fault_is_refused(given: Any, hint: str) -> None:
    """A fault is one of ours, or an exception; the class of one is told apart from the fault."""
    with pytest.raises(TypeError, match=r"neither a fault .* nor an exception") as refused:
        program_of(given)
    assert hint in str(refused.value)


@pytest.mark.parametrize("kind", sorted(STAGES))
def test_no_component_fails_as_the_boundary_does(kind: FailureKind) -> None:
    """Such a kind is for `answering`, and the refusal says so."""
    with pytest.raises(ValueError, match=rf"answering\(FailureKind\.{kind.name}\)"):
        program_of([Latency(1.0), Fails(kind)])


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - set(STAGES) - INVALID_OUTPUTS - {"timeout", "refusal"}))
def test_what_is_raised_is_classified_as_its_kind(kind: FailureKind) -> None:
    """By the rules that hold for every component, with what its server said of when to come back."""
    error = raised(Fails(kind, retry_after=1.5))
    assert isinstance(error, InjectedError)
    assert error.kind is kind
    failure = classify(error, SYSTEM)
    assert failure.kind is kind
    assert failure.retry_after == 1.5
    assert classify(raised(Fails(kind)), SYSTEM).retry_after is None


@pytest.mark.parametrize("kind", sorted({*INVALID_OUTPUTS, FailureKind.REFUSAL}))
def test_an_invalid_answer_is_a_breach(kind: FailureKind) -> None:
    """As if the contract had looked."""
    error = raised(kind)
    assert isinstance(error, Breach)
    assert error.kind is kind


def test_a_timeout_takes_no_time() -> None:
    """It is what the boundary's own clock raises."""
    assert isinstance(raised(FailureKind.TIMEOUT), Expired)


def test_every_rejection_has_its_stage() -> None:
    """Whatever can refuse a call before its component is asked."""
    assert set(STAGES) == REJECTIONS | {FailureKind.DEADLINE_EXHAUSTED}


def test_an_exception_is_raised_as_it_is() -> None:
    """A class is called; an instance does not drag along where it was raised before."""
    error = ValueError("mine")
    try:
        raise error
    except ValueError:
        pass
    assert raised(error) is error
    assert error.__traceback__ is None
    assert isinstance(raised(LookupError), LookupError)


def test_a_crash_is_a_worker_that_is_gone() -> None:
    """Kind `worker_crashed`."""
    assert classify(raised(Crash()), SYSTEM).kind is FailureKind.WORKER_CRASHED


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (FailureKind.TIMEOUT, True),
        (Fails("timeout"), True),
        (Crash(), True),
        (ValueError(), True),
        (ValueError, True),
        ("timeout", False),
        (KeyboardInterrupt, False),
        (int, False),
        (None, False),
    ],
)
def test_a_failure_is_told_from_an_answer(value: object, is_one: bool) -> None:  # noqa: FBT001 - a table
    """Text is an answer, whatever it says."""
    assert is_failure(value) is is_one


@pytest.mark.parametrize("contract", [int, str, bytes, dict[str, int], list[str], OutputContract(int, extract=True)])
def test_no_contract_lets_garbage_pass(contract: Any) -> None:
    """Neither one of text nor one of JSON."""
    judge: Judge[Any] = Judge.of(contract if isinstance(contract, OutputContract) else OutputContract(contract))
    with pytest.raises(Breach) as breach:
        judge.judge(GARBAGE)
    assert breach.value.kind is FailureKind.MALFORMED_OUTPUT


@pytest.mark.parametrize(
    ("cut", "answer", "left"),
    [
        (Truncation(), "abcdef", "abc"),
        (Truncation(), b"abcde", b"ab"),
        (Truncation(0), "abc", ""),
        (Truncation(2), "abc", "ab"),
        (Truncation(9), "abc", "abc"),
    ],
)
def test_text_is_cut(cut: Truncation, answer: Any, left: Any) -> None:
    """In half, or after so many characters."""
    assert cut.of(answer) == left


def test_what_is_no_text_fails_as_truncated() -> None:
    """Half a dictionary is none."""
    with pytest.raises(Breach) as breach:
        Truncation().of({"a": 1})
    assert breach.value.kind is FailureKind.TRUNCATED


def test_how_many_items_come_through() -> None:
    """One, unless it is said."""
    assert [Truncation().items, Truncation(0).items, Truncation(3).items] == [1, 0, 3]


@given(
    st.lists(st.sampled_from([Hang(), Garbage(), Crash()]), min_size=1, max_size=7), st.floats(0, 1, exclude_max=True)
)
def test_one_of_several_is_chosen_for_every_chance(faults: list[Any], chance: float) -> None:
    """Whatever number is drawn, and each for an equal share of them."""
    assert OneOf(*faults).chosen(chance) == (faults[int(chance * len(faults))],)


def test_faults_say_what_they_are() -> None:
    """In reports, as they were written."""
    faults = OneOf(Hang(), [Latency(0.5), Fails("auth")], Latency(0.5, jitter=1), Fails("overloaded", retry_after=2.0))
    written = (
        "OneOf(Hang(), [Latency(0.5), Fails('auth')], Latency(0.5, jitter=1), Fails('overloaded', retry_after=2.0))"
    )
    assert repr(faults) == written
    assert repr([Truncation(), Truncation(3), Garbage()]) == "[Truncation(), Truncation(3), Garbage()]"


def test_faults_are_values() -> None:
    """Equal where they say the same, and unchangeable."""
    assert Fails("timeout") == Fails(FailureKind.TIMEOUT)
    assert len({Latency(1.0), Latency(1.0, jitter=0.0), Latency(2.0)}) == 2
    with pytest.raises(AttributeError):
        Latency(1.0).seconds = 2.0  # type: ignore[misc]
