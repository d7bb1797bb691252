"""The output stage alone; what a contract accepts is tested with the contract."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from aiguard import ComponentError, FailureKind, InvalidOutputError, OutputContract
from aiguard.contract import Breach, Judge
from aiguard.events import OutputInvalid
from aiguard.failure import INVALID_OUTPUTS
from aiguard.stages.output import OutputStage
from aiguard.stream import Buffered
from tests.stages.fakes import Ear, Rest, call_for, failing, run

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock


class Label(BaseModel):
    """What the component is to answer."""

    label: str


def stage() -> OutputStage:
    """Return the stage for `Label`."""
    return OutputStage(Judge.of(OutputContract(Label)))


class Says:
    """A judge that finds one thing wrong with everything."""

    name = "picky"
    checks = ()

    def __init__(self, kind: FailureKind) -> None:
        self.kind = kind

    def judge(self, raw: object, note: object, *, checked: bool) -> Any:
        """Find it."""
        del raw, note, checked
        raise Breach(self.kind, "it is not as agreed")


def test_what_leaves_is_the_contracts_value(clock: VirtualClock) -> None:
    """Text goes in, a model comes out."""
    assert run(stage(), Rest('{"label": "bug"}'), call_for(clock)) == Label(label="bug")


def test_a_buffered_stream_is_judged_as_a_whole(clock: VirtualClock) -> None:
    """Its items stay as they came, its value is the contract's."""
    answer = run(stage(), Rest(Buffered(['{"label"', ': "bug"}'])), call_for(clock))
    assert answer.items == ['{"label"', ': "bug"}']
    assert answer.value == Label(label="bug")


@pytest.mark.parametrize(
    "kind", [*sorted(INVALID_OUTPUTS), FailureKind.REFUSAL, FailureKind.CONTENT_FILTER], ids=lambda kind: kind.value
)
def test_each_breach_leaves_as_its_error(clock: VirtualClock, kind: FailureKind) -> None:
    """A refusal and a content filter are the provider's doing, everything else is an invalid output."""
    ear = Ear()
    judged: Any = Says(kind)
    with pytest.raises((InvalidOutputError, ComponentError)) as caught:
        run(OutputStage(judged), Rest("an answer"), call_for(clock, ear=ear))
    assert type(caught.value) is (InvalidOutputError if kind in INVALID_OUTPUTS else ComponentError)
    assert (caught.value.failure.kind, caught.value.failure.stage) == (kind, "output")
    assert ear.events == [OutputInvalid("picky", caught.value.failure, answer="an answer")]


def test_no_traceback_prints_the_answer(clock: VirtualClock) -> None:
    """The validator's own error, which holds the answer, is neither cause nor context."""
    secret = "the patient's name"
    with pytest.raises(InvalidOutputError) as caught:
        run(stage(), Rest(f'{{"label": {{"x": "{secret}"}}}}'), call_for(clock))
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.failure.exception is not None
    assert secret not in "".join(traceback.format_exception(error))
    assert secret not in str(error)


def test_a_failure_of_the_component_is_not_judged(clock: VirtualClock) -> None:
    """There is no answer then."""
    error = failing(FailureKind.CONNECTION)
    with pytest.raises(ComponentError) as caught:
        run(stage(), Rest(error), call_for(clock))
    assert caught.value is error
