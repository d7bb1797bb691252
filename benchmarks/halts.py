"""What it costs a call that it can be halted from another process, and what a call costs that is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiguard import HaltedError, guard
from aiguard.call import Journal
from aiguard.clock import SYSTEM
from aiguard.engine.calls import step
from aiguard.engine.state import SURROUNDINGS
from aiguard.gate_file import GateFile
from aiguard.halts import EVERY, Halt
from aiguard.stages.gate import GateStage
from aiguard.switch import Gate, Switch
from benchmarks.figures import Section, Verdict, difference, figure
from benchmarks.peers.guarded import everything, name
from benchmarks.slices import interleave, microseconds, synchronous
from benchmarks.workload import ANSWER, Triage, answer, fallback

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call, Proceed, Stage
    from benchmarks.slices import Plan

GATE = "gate"
HALTED = "halted"
BUDGET = 0.5
"""Microseconds that the gate may cost a call."""


class _Ungated:
    """A stage that checks nothing."""

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Go on."""
        return await proceed(call)


def _stepped(stage: Stage) -> Callable[[str], str]:
    """Return a call of that stage alone, which begins now."""
    now = SYSTEM.now
    journal = Journal(0.0, None, None)
    call: Any = SimpleNamespace(journal=journal)

    async def answer(_call: Call) -> str:
        return ANSWER

    def stepped(_ticket: str) -> str:
        journal.begun = now()
        answered: str = step(stage.run(answer, call))
        return answered

    return stepped


def _gate(gate: Gate) -> GateStage:
    return GateStage(Switch("gated", gate))


def _reads(gate: Gate) -> Callable[[str], None]:
    gate.look()

    def call(_ticket: str) -> None:
        gate.look()

    return call


def _guarded(gate: Gate, title: str, **changed: Any) -> Callable[[str], Triage]:
    before = SURROUNDINGS.gate
    SURROUNDINGS.gate = gate
    try:
        guarded: Callable[[str], Triage] = guard(name(title), **everything(isolation="inline") | changed)(answer)
    finally:
        SURROUNDINGS.gate = before
    return guarded


def _raising(guarded: Callable[[str], Triage]) -> Callable[[str], str]:
    def call(ticket: str) -> str:
        with suppress(HaltedError):
            guarded(ticket)
            return ""
        return HALTED

    return call


def gates(plan: Plan) -> Section:
    """Measure the checks of a call, beside what they look at, and calls that are halted, in the caller's thread."""
    halt = Halt("0" * 32, EVERY, None, "anna", "INC-12", since=0.0, until=None, stays=False, recorded=False)
    with TemporaryDirectory() as folder:
        free, shut = Path(folder) / "free", Path(folder) / "shut"
        GateFile(shut).change(lambda _: (halt,))
        gate, halted = Gate(lambda: free), Gate(lambda: shut)
        subjects = [
            synchronous("ungated", "a stage that checks nothing", _stepped(_Ungated()), ANSWER),
            synchronous("gate", "the gate, on entry and on the way out", _stepped(_gate(gate)), ANSWER),
            synchronous("read", "one look at the file, once a millisecond", _reads(Gate(lambda: free)), None),
            synchronous("raises", "a halted call, exception", _raising(_guarded(halted, "shut", fallback=())), HALTED),
            synchronous("answers", "a halted call, a static rung", _guarded(halted, "shut-floor"), fallback()),
        ]
        taken = interleave(subjects, plan)
    figures = tuple(figure(GATE, it.name, it.label, "µs", microseconds(taken[it.name])) for it in subjects)
    costs = difference(microseconds(taken["gate"]), microseconds(taken["ungated"]))
    verdict = Verdict(GATE, "gate", "what the gate costs a call", "µs", costs, BUDGET)
    return Section("Halts: what a call pays for being stoppable, sync inline, µs of CPU", figures, (verdict,))
