"""Every mutant of some modules: noticed by a test, or explained."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.mutants.changes import mutants
from tests.mutants.explained import ENDLESS, entry, explanations
from tests.mutants.running import Bench, Change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.mutants.changes import Mutant
    from tests.mutants.running import Ended

MODULES: Final = {
    "stages/circuit": ("tests/stages/test_circuit.py", "tests/stages/test_circuit_model.py"),
    "stages/window": ("tests/stages/test_window.py",),
    "stages/in_flight": ("tests/stages/test_in_flight.py",),
    "stages/permit": ("tests/stages/test_circuit.py", "tests/stages/test_breaker.py"),
    "stages/breaker": ("tests/stages/test_breaker.py",),
    "stages/retry": ("tests/stages/test_retry.py",),
    "stages/retry_budget": ("tests/stages/test_retry_budget.py",),
    "stages/hedge": ("tests/stages/test_hedge.py",),
    "stages/latencies": ("tests/stages/test_latencies.py",),
    "stages/budget": ("tests/stages/test_budget.py", "tests/engine/test_metered_budget.py"),
    "stages/bulkhead": ("tests/stages/test_bulkhead.py",),
    "stages/line": ("tests/stages/test_line.py",),
    "stages/adaptive_limit": ("tests/stages/test_adaptive_limit.py",),
    "stages/cooldown": ("tests/stages/test_cooldown.py",),
    "retry_after": ("tests/test_retry_after.py",),
}
"""What is changed, below `src/aiguard`, and the tests of its own that have to notice."""

OTHERS: Final = ("tests/stages", "tests/engine")
"""The tests that are asked where those of its own notice nothing."""

LEDGER: Final = Path("tests/mutants/survivors.toml")


@dataclass
class Tally:
    """
    What became of the mutants of one module.

    Attributes:
        mutants: How many there are.
        killed: Those that a test of the module's own noticed.
        elsewhere: Those that only another test noticed.
        endless: Those that a test noticed by hanging, each of them explained.
        explained: Those that no test notices, by the kind of their explanation.
        unexplained: How many have none.
        seconds: How long it took.
    """

    mutants: int = 0
    killed: int = 0
    elsewhere: int = 0
    endless: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: int = 0
    seconds: float = 0.0

    @property
    def score(self) -> float:
        """The share of all mutants, explained or not, that a test notices."""
        return (self.killed + self.elsewhere + self.endless) / max(self.mutants, 1)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.mutants + other.mutants,
            self.killed + other.killed,
            self.elsewhere + other.elsewhere,
            self.endless + other.endless,
            self.explained + other.explained,
            self.unexplained + other.unexplained,
            self.seconds + other.seconds,
        )


class Campaign:
    """
    All mutants of some modules, in the folder that this process is in.

    Args:
        names: Which modules.
        quick: Ask no other tests about those that survive.
        thorough: Ask other tests about those that are explained, too.
        say: Where it tells what it finds.

    Attributes:
        wrong: What must not be.
    """

    def __init__(self, names: Sequence[str], *, quick: bool, thorough: bool, say: Callable[[str], None]) -> None:
        self._names = names
        self._quick = quick
        self._thorough = thorough
        self._say = say
        self._explanations = explanations(LEDGER)
        self._bench = Bench(sorted({test for name in names for test in MODULES[name]}))
        self._others_were_run = False
        self.wrong: list[str] = []

    def run(self, name: str) -> Tally:
        """Return what became of the mutants of a module."""
        tally = Tally()
        began = time.monotonic()
        if self._bench.clean(MODULES[name]).status != 0:
            self._note(f"{name}: its tests do not pass as it is")
            return tally
        found = mutants(_file(name).read_text(encoding="utf-8"))
        changes = [_change(name, mutant) for mutant in found]
        for mutant, change, ended in zip(found, changes, self._bench.quick(MODULES[name], changes), strict=True):
            self._judge(name, mutant, self._settled(name, mutant, change, ended), tally)
        there = {(name, *mutant.key) for mutant in found}
        for key, explanation in self._explanations.items():
            if explanation.module == name and key not in there:
                self._note(f"{name}: explained, and there is no such mutant: {key[1]}\n    - {key[2]}\n    + {key[3]}")
        tally.seconds = time.monotonic() - began
        return tally

    def _settled(self, name: str, mutant: Mutant, change: Change, ended: Ended | None) -> tuple[Ended, bool]:
        """Return how the tests end for one that was not noticed the quick way, and whether only others noticed it."""
        if ended is not None and ended.how != "survived":
            return ended, False
        ended = self._bench.run(MODULES[name], change)
        is_explained = (name, *mutant.key) in self._explanations
        if ended.how != "survived" or not (self._thorough if is_explained else not self._quick):
            return ended, False
        if not self._others_were_run:
            self._others_were_run = True
            clean = self._bench.clean(OTHERS)
            if clean.status != 0:
                self._note(f"other tests do not pass as it is: {clean.failed}")
        return self._bench.run([*OTHERS, *(f"--ignore={test}" for test in MODULES[name])], change), True

    def _judge(self, name: str, mutant: Mutant, settled: tuple[Ended, bool], tally: Tally) -> None:
        """Count it as what it is; note what must not be."""
        ended, elsewhere = settled
        place = f"{_file(name)}:{mutant.line}: {mutant.where}\n    - {mutant.code}\n    + {mutant.becomes}"
        explanation = self._explanations.get((name, *mutant.key))
        tally.mutants += 1
        if explanation is not None and ended.how == (ENDLESS if explanation.kind == ENDLESS else "survived"):
            if explanation.kind == ENDLESS:
                tally.endless += 1
            else:
                tally.explained[explanation.kind] += 1
        elif ended.how == "killed":
            tally.killed += not elsewhere
            tally.elsewhere += elsewhere
            if explanation is not None:
                self._note(f"explained, and killed by {ended.failed}: {place}")
        else:
            tally.unexplained += 1
            what = f"endless, in {ended.hung}" if ended.hung else ended.how
            self._note(f"{what}: {place}\n\n{entry(name, mutant, ENDLESS if ended.hung else '')}\n")

    def _note(self, wrong: str) -> None:
        self._say(wrong)
        self.wrong.append(wrong)


def _file(name: str) -> Path:
    return Path("src/aiguard", f"{name}.py")


def _change(name: str, mutant: Mutant) -> Change:
    """Return what is run in the place of the module."""
    path = _file(name).resolve()
    return Change(
        f"aiguard.{name.replace('/', '.')}",
        str(path),
        mutant.where,
        lambda: mutant.compiled(path.read_text(encoding="utf-8"), str(path)),
    )
