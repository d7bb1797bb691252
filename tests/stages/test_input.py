"""The input stage alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import FailureKind, InputContract, InputRejectedError, MisuseError, OneOf, Range
from aiguard.contract import InputJudge
from aiguard.contract.rates import Tally
from aiguard.events import InputInvalid
from aiguard.stages.input import InputStage
from tests.stages.fakes import Ear, Rest, call_for, failing, run

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

FIELDS = {"amount": Range(0, 10), "country": OneOf("DE", "AT")}


def score(amount: float, country: str = "DE") -> str:
    """Take what is judged."""
    return f"{amount} {country}"


def stage_of(fields: Any = None, *, wrapped: bool = False, **settings: Any) -> InputStage:
    """Return a stage for a contract."""
    contract = InputContract(FIELDS if fields is None else fields, name="score-in", version=2, **settings)
    return InputStage("scenario", InputJudge(contract), Tally(), wrapped=wrapped)


def test_what_keeps_the_contract_goes_on_as_it_is(clock: VirtualClock) -> None:
    """The very same call, counted as judged."""
    stage, rest = stage_of(), Rest("ok")
    call = call_for(clock, 5, fn=score)
    assert run(stage, rest, call) == "ok"
    assert rest.calls == [call]
    assert (stage.tally.rates(clock.now()).judged, stage.tally.rates(clock.now()).broken) == (1, 0)


def test_what_breaks_it_is_turned_away(clock: VirtualClock) -> None:
    """The component is not asked; contract, fields and rules are named, values are not."""
    stage, rest, ear = stage_of(), Rest("never"), Ear()
    with pytest.raises(InputRejectedError) as caught:
        run(stage, rest, call_for(clock, 777, fn=score, ear=ear, country="SECRET"))
    failure = caught.value.failure
    assert (failure.kind, failure.stage) == (FailureKind.INPUT_REJECTED, "input")
    assert failure.message == (
        "the input breaks score-in@2: amount must be from 0 to 10, country must be one of 'DE', 'AT'"
    )
    assert failure.exception is None
    assert rest.calls == []
    assert ear.events == [InputInvalid("score-in@2", ("category", "range"))]
    assert stage.tally.rates(clock.now()).codes == {"category": 1, "range": 1}


@pytest.mark.parametrize(("on_breach", "any_rung"), [("reject", False), ("fallback", True)])
def test_it_says_whether_any_rung_may_answer(clock: VirtualClock, on_breach: str, *, any_rung: bool) -> None:
    """That is the difference between `reject` and `fallback`."""
    call = call_for(clock, 11, fn=score)
    with pytest.raises(InputRejectedError):
        run(stage_of(on_breach=on_breach), Rest("never"), call)
    assert call.journal.any_rung is any_rung


def test_a_warning_lets_the_call_go_on(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and told each time, and logged once for each code, without the value."""
    stage, rest, ear = stage_of(on_breach="warn"), Rest("ok"), Ear()
    for amount, country in ((777, "DE"), (778, "DE"), (5, "SECRET"), (779, "SECRET"), (5, "AT")):
        assert run(stage, rest, call_for(clock, amount, country, fn=score, ear=ear)) == "ok"
    said = {
        "range": "amount must be from 0 to 10",
        "category": "country must be one of 'DE', 'AT'",
    }
    assert [record.getMessage() for record in caplog.records] == [
        f"boundary 'scenario': the input breaks score-in@2: {flaw}; it is let through, and not said again of {code}"
        for code, flaw in said.items()
    ]
    assert len(ear.events) == 4
    rates = stage.tally.rates(clock.now())
    assert (rates.judged, rates.broken, dict(rates.codes)) == (5, 4, {"category": 2, "range": 3})


def test_a_message_names_five_fields(clock: VirtualClock) -> None:
    """A contract may have hundreds."""
    names = [f"f{number}" for number in range(6)]
    stage = stage_of({"row": dict.fromkeys(names, Range())})
    with pytest.raises(InputRejectedError) as caught:
        run(stage, Rest("never"), call_for(clock, {}, fn=lambda row: row))
    said = "row.f0 is missing, row.f1 is missing, row.f2 is missing, row.f3 is missing, row.f4 is missing, …"
    assert caught.value.failure.message == f"the input breaks score-in@2: {said}"


def test_arguments_that_do_not_bind_are_no_input(clock: VirtualClock) -> None:
    """A programmer's error goes on to where it is told as one, and is not counted."""
    stage, rest = stage_of(), Rest("told inside")
    assert run(stage, rest, call_for(clock, fn=score)) == "told inside"
    assert run(stage, rest, call_for(clock, 11, "DE", "more", fn=score)) == "told inside"
    assert stage.tally.rates(clock.now()).judged == 0


def test_a_contract_of_other_arguments_is_a_programmers_error(clock: VirtualClock) -> None:
    """Where a boundary is given any function at a call."""
    stage = stage_of()
    with pytest.raises(MisuseError, match="score-in@2: there is no parameter 'amount'; did you mean `amounts`"):
        run(stage, Rest("never"), call_for(clock, 5, fn=lambda amounts: amounts))
    assert stage.tally.rates(clock.now()).judged == 0


def test_a_component_that_is_collected_is_seen_through(clock: VirtualClock) -> None:
    """The names are those of its own parameters."""
    collected: Any = SimpleNamespace(__wrapped__=score)
    with pytest.raises(InputRejectedError):
        run(stage_of(wrapped=True), Rest("never"), call_for(clock, 11, fn=collected))


def test_a_failure_further_in_passes(clock: VirtualClock) -> None:
    """The stage changes no error."""
    error = failing(FailureKind.CONNECTION)
    with pytest.raises(type(error)) as caught:
        run(stage_of(), Rest(error), call_for(clock, 5, fn=score))
    assert caught.value is error
