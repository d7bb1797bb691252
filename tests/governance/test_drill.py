"""Drills: what they show, when they fail, and what is on record of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Boundary, PolicyError, Rung, guard
from aiguard.engine.state import SURROUNDINGS
from aiguard.gate_file import GateFile
from aiguard.governance import drill as module
from aiguard.governance.drill import drill
from aiguard.governance.drills import drilled
from aiguard.governance.errors import ControlError
from aiguard.governance.floor import floor_of
from aiguard.governance.trial import Given, Trial, Tried
from aiguard.governance.verification import verified
from aiguard.testing.virtual import fresh_registry
from tests.governance.operating import directory, events, operator, recorded
from tests.halting import gate_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from aiguard.governance.drill import Drilled

ONE = Given(("my invoice",), {})


@pytest.fixture(autouse=True)
def gate(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Boundaries of the test look at the state directory of the test, and are unknown outside it."""
    monkeypatch.setattr(SURROUNDINGS, "gate", gate_at(state))
    with fresh_registry():
        yield


class Component:
    """A component of each shape; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, shape: str) -> Callable[..., Any]:
        """Return it in that shape."""

        def sync(ticket: str) -> str:
            self.asked += 1
            return ticket

        async def coroutine(ticket: str) -> str:
            return sync(ticket)

        def items(ticket: str) -> Iterator[str]:
            yield sync(ticket)

        async def async_items(ticket: str) -> AsyncIterator[str]:
            yield sync(ticket)

        return {"sync": sync, "async": coroutine, "generator": items, "async_generator": async_items}[shape]


@pytest.fixture
def component() -> Component:
    """Nobody has asked it."""
    return Component()


def rules(ticket: str) -> str:
    """Answer without AI."""
    return f"rules: {ticket}"


def broken(ticket: str) -> str:
    """Answer nothing."""
    raise KeyError(ticket)


def drilled_by(state: Path, boundary: Boundary, person: str = "anna", given: Given = ONE, **settings: Any) -> Drilled:
    """Return what a drill of that person shows."""
    return drill(boundary, operator(state, person), given, **settings)


@pytest.mark.parametrize("shape", ["sync", "async", "generator", "async_generator"])
def test_a_drill_halts_answers_from_the_ladder_and_resumes(state: Path, shape: str, component: Component) -> None:
    """Of each shape, in that order, and the component is not asked; nothing is left of it in the gate."""
    stream: Any = {"stream": "buffer"} if "generator" in shape else {}
    guarded: Any = guard("low-risk", deadline=2.0, fallback=[rules, "value"], **stream)(component(shape))
    done = drilled_by(state, guarded.boundary)
    assert done.flaws == ()
    assert done.rung == "rules"
    assert component.asked == 0
    seen, recorded, answered, resumed, opened = done.moments
    assert None not in done.moments
    assert 0 < seen <= answered  # type: ignore[operator]
    assert recorded <= answered <= resumed  # type: ignore[operator]
    assert answered <= opened  # type: ignore[operator]
    assert GateFile(state).read().halts == ()
    assert guarded.boundary._state.switch.halted(done.key) is None


def test_a_drill_is_on_the_record(state: Path) -> None:
    """Halt and resume as any other, and the drill after them, with what it was of; nothing of what was given."""
    done = drilled_by(state, Boundary("low-risk", deadline=2.0, fallback=[rules]))
    assert events(state) == ["halt", "resume", "drill"]
    *_, said = recorded(state)
    assert (said["seq"], said["key"], said["boundary"]) == (done.number, done.key, "low-risk")
    assert (said["passed"], said["rung"], said["floor"]) == (True, "rules", f"{__name__}:rules")
    assert set(said["ms"]) == {"seen", "recorded", "answered", "resumed", "open"}
    assert "invoice" not in json.dumps(recorded(state))
    assert verified(state).flaws == ()


def test_check_hears_of_a_floor_that_was_drilled(state: Path) -> None:
    """By what tells this floor from another."""
    boundary = Boundary("low-risk", deadline=2.0, fallback=[rules, "value"])
    drilled_by(state, boundary)
    [(name, known)] = drilled(state).items()
    assert (name, known.floor) == ("low-risk", floor_of(boundary.policy.fallback))


def test_who_drills_resumes_at_high_risk_too(state: Path) -> None:
    """No call has the key of a drill; a halt of any other is for somebody else to lift."""
    done = drilled_by(state, Boundary("high-risk", deadline=2.0, risk="high", fallback=["value"]), key="drill-monday")
    assert (done.flaws, done.key) == ((), "drill-monday")
    operator(state).halt("high-risk", reason="INC-12", key="monday")
    with pytest.raises(ControlError, match="not-self"):
        operator(state).resume("high-risk", reason="over", key="monday")


def test_the_model_on_the_ladder_does_not_answer_a_drill(state: Path) -> None:
    """As in a halt: the first rung without AI does."""
    asked: list[str] = []
    rungs = [Rung(asked.append, ai=True), rules]
    done = drilled_by(state, Boundary("low-risk", deadline=2.0, fallback=rungs))
    assert (done.rung, done.flaws, asked) == ("rules", (), [])


def test_a_drill_whose_floor_does_not_answer_fails(state: Path) -> None:
    """It is resumed all the same, it is on the record, and `aiguard check` hears nothing of it."""
    done = drilled_by(state, Boundary("low-risk", deadline=2.0, fallback=[broken]))
    [flaw] = done.flaws
    assert flaw.startswith("no rung answered")
    assert done.rung is None
    assert drilled(state) == {}
    assert GateFile(state).read().halts == ()
    *_, said = recorded(state)
    assert (said["event"], said["passed"], said["reason"]) == ("drill", False, flaw)


def test_a_drill_that_does_not_reach_this_process_fails(
    state: Path, tmp_path: Path, component: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its calls look at another directory's gate; the component is not asked, though it could be."""
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module._Watch.moment, "__defaults__", (0.05,))
    monkeypatch.setattr(SURROUNDINGS, "gate", gate_at(tmp_path / "elsewhere"))
    guarded = guard("low-risk", deadline=2.0, fallback=[rules])(component("sync"))
    done = drilled_by(state, guarded.boundary)
    [flaw] = done.flaws
    assert flaw.startswith("this process did not see the halt")
    assert (done.rung, done.moments.seen, done.moments.answered, component.asked) == (None, None, None, 0)
    assert drilled(state) == {}


def test_a_call_that_gets_through_fails_the_drill(
    state: Path, component: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody lifts the halt meanwhile: what stands in the component's place tells, and the component is not asked."""
    run = Trial.run

    def lifted(trial: Trial, key: str) -> Tried:
        GateFile(state).change(lambda _: ())
        return run(trial, key)

    monkeypatch.setattr(Trial, "run", lifted)
    guarded = guard("low-risk", deadline=2.0, fallback=[rules])(component("async"))
    done = drilled_by(state, guarded.boundary)
    assert done.flaws == ("the call got through to the component",)
    assert component.asked == 0
    assert drilled(state) == {}


def test_a_drill_without_a_record_fails_and_says_so(state: Path) -> None:
    """The halt holds, and cannot be lifted before the store can be written."""
    state.mkdir(mode=0o700)
    (state / "control").write_text("in the way")
    done = drilled_by(state, Boundary("low-risk", deadline=2.0, fallback=[rules]))
    assert [flaw.partition(":")[0] for flaw in done.flaws] == [
        "the halt is not on the record",
        "it was not resumed",
        "the drill is not on the record",
    ]
    assert (done.rung, done.number, done.moments.recorded, done.moments.resumed) == ("rules", None, None, None)
    assert [halt.key for halt in GateFile(state).read().halts] == [done.key]
    (state / "control").unlink()
    assert operator(state).resume("low-risk", reason="tidied up", key=done.key).left == ()


@pytest.mark.parametrize(
    ("settings", "rule", "asked"),
    [
        ({}, "floor", {}),
        ({"fallback": [Rung(rules, ai=True)]}, "floor", {}),
        ({"fallback": [rules]}, "input", {"given": Given((), {})}),
        ({"fallback": [rules]}, "input", {"given": Given((), {"text": ""})}),
        ({"fallback": [rules]}, "drill-key", {"key": "tenant-7"}),
        ({"fallback": [rules]}, "drill-key", {"key": "drill-"}),
        ({"fallback": [rules], "mode": "off"}, "halted", {}),
        ({"fallback": [rules]}, "rights", {"person": "carl"}),
        ({"fallback": [rules]}, "person", {"person": "eve"}),
    ],
)
def test_what_is_refused_halts_nothing(
    state: Path, component: Component, settings: Any, rule: str, asked: dict[str, Any]
) -> None:
    """No floor, no fitting argument, a key that calls may have, a halt in force, no right to resume: by its rule."""
    guarded = guard("low-risk", deadline=2.0, **settings)(component("sync"))
    with pytest.raises(ControlError) as refused:
        drilled_by(state, guarded.boundary, **asked)
    assert refused.value.rule == rule
    assert not GateFile(state).path.exists() or GateFile(state).read() == (0, ())
    assert drilled(state) == {}


def test_a_boundary_that_is_not_complete_is_not_drilled(state: Path) -> None:
    """No call of it could run; nothing is halted."""
    with pytest.raises(PolicyError, match="deadline"):
        drilled_by(state, Boundary("low-risk", fallback=[rules]))
    assert not GateFile(state).path.exists() or GateFile(state).read() == (0, ())


def test_who_may_not_halt_does_not_drill(state: Path) -> None:
    """Both rights are asked for before anything is halted, and the refusal is on the record."""
    control = operator(state, "anna", directory(halt=("ben",), resume=("anna",)))
    with pytest.raises(ControlError, match="rights"):
        drill(Boundary("low-risk", deadline=2.0, fallback=[rules]), control, ONE)
    assert events(state) == ["refused"]
