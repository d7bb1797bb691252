"""
A drill: a boundary is halted for a key that nobody uses, its ladder answers one call, and it is resumed.

Everything is what it would be: rights, gate, record, ladder; only the component is never asked, whatever goes wrong.
The ladder runs in the process that drills. What the drill sees of other processes is whether the halt reached them.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from aiguard.clock import SYSTEM, unique
from aiguard.failure import FailureKind
from aiguard.governance.drills import Drill, record
from aiguard.governance.errors import ControlError, StoreError
from aiguard.governance.floor import floor_of
from aiguard.governance.rules import DRILL
from aiguard.governance.trial import Trial
from aiguard.monitor.client import states
from aiguard.state_directory import UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiguard.boundary import Boundary
    from aiguard.clock import Clock
    from aiguard.governance.control import Control
    from aiguard.governance.trial import Given
    from aiguard.monitor.schema import HaltAnswer
    from aiguard.switch import Switch

PATIENCE: Final = 2.0
"""Seconds that a halt has to be seen, and a resume: each takes milliseconds."""

GLANCE: Final = 0.0002
"""Seconds between two looks at the gate of this process."""

QUESTION: Final = 0.002
"""Seconds between two questions to other processes."""

REASON: Final = "drill"


class Moments(NamedTuple):
    """
    When what happened, in seconds since the halt was asked for; `None` for what did not.

    Attributes:
        seen: The gate of this process turned calls with the key away.
        recorded: The halt was on the record, and the command that halts would have returned.
        answered: The ladder had answered, or had failed to.
        resumed: The resume was on the record and in the gate's file.
        open: The gate of this process let calls with the key through again.
    """

    seen: float | None = None
    recorded: float | None = None
    answered: float | None = None
    resumed: float | None = None
    open: float | None = None


class Reach(NamedTuple):
    """
    Another process that has the boundary and lets itself be looked into.

    Attributes:
        pid: Its number.
        program: Its name.
        seen: Seconds after which it is known to have seen the halt: asking takes some of them; `None` where it did not.
    """

    pid: int
    program: str
    seen: float | None


class Drilled(NamedTuple):
    """
    What a drill found.

    Attributes:
        boundary: What was drilled.
        key: The key that was halted.
        floor: What the drill was of: see `floor_of`.
        rung: The rung that answered; `None` where none did.
        moments: When what happened.
        reached: The other processes.
        silent: The numbers of processes that give no answer, so that nothing is known of them.
        flaws: Why the drill failed; empty where it passed.
        number: The number of its record; `None` where it could not be written.
    """

    boundary: str
    key: str
    floor: str
    rung: str | None
    moments: Moments
    reached: tuple[Reach, ...]
    silent: tuple[int, ...]
    flaws: tuple[str, ...]
    number: int | None


def drill(
    boundary: Boundary, control: Control, given: Given, *, key: str | None = None, clock: Clock = SYSTEM
) -> Drilled:
    """
    Drill `boundary`, and write down that it was drilled.

    Args:
        boundary: The boundary, under the policy that is to be drilled.
        control: Of the state directory that this process and the others share.
        given: What its ladder is given.
        key: The key to be halted, which begins with `drill-`; by default one that nobody has used.
        clock: What times it.

    Raises:
        ControlError: It was refused, by the rule that it names; nothing was halted.
        PolicyError: The boundary is not complete.
    """
    floor = _floor(boundary)
    word = _key(key)
    try:
        trial = Trial(boundary, given)
    except TypeError as error:
        raise ControlError("input", f"the component of {boundary.name!r} does not take that: {error}") from None
    why = boundary._state.switch.halted(word)  # noqa: SLF001 - one house
    if why is not None:
        raise ControlError("halted", f"a drill would show nothing, no call gets through as it is: {why.message}")
    control.check_resume(boundary.name, reason=REASON, key=word)  # before anything is halted
    return _Drill(boundary, control, clock, word)(trial, floor)


def _floor(boundary: Boundary) -> str:
    floor = floor_of(boundary.policy.fallback)
    if floor is None:
        why = "it has no ladder" if not boundary.policy.fallback else "its last rung may fail"
        raise ControlError("floor", f"{boundary.name!r} has no floor, {why}: nothing answers while it is halted")
    return floor


def _key(key: str | None) -> str:
    if key is None:
        return f"{DRILL}{unique(4).hex()}"
    if not key.startswith(DRILL) or key == DRILL:
        raise ControlError("drill-key", f"a drill halts a key that begins with {DRILL!r}: no call of a program has one")
    return key


class _Watch:
    """
    Looks again and again, in a thread of its own, until something is so; notes when that was.

    Args:
        so: Looks.
        clock: What times it.
        pause: Seconds between two looks.
    """

    def __init__(self, so: Callable[[], bool], clock: Clock, pause: float = GLANCE) -> None:
        self._so = so
        self._clock = clock
        self._pause = pause
        self._over = threading.Event()
        self._found: float | None = None
        self._thread = threading.Thread(target=self._run, name="aiguard-drill", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            if self._so():
                self._found = self._clock.now()
                return
            if self._over.wait(self._pause):
                return

    def moment(self, patience: float = PATIENCE) -> float | None:
        """Return when it was so; `None` where it was not within so many seconds from now."""
        self._thread.join(patience)
        self._over.set()
        self._thread.join()
        return self._found


class _Others:
    """
    The other processes that have the boundary and let themselves be looked into.

    Args:
        control: Of the state directory.
        boundary: The boundary's name.
        key: The key that is halted.
        clock: What times it.
    """

    def __init__(self, control: Control, boundary: str, key: str, clock: Clock) -> None:
        self._state = control.state
        self._own = os.getpid()
        self._boundary = boundary
        self._key = key
        self._clock = clock
        self.silent: tuple[int, ...] = ()
        self._seen: dict[tuple[int, str], float | None] = {}
        for process, _ in self._asked():
            self._seen[process] = None

    def all_seen(self) -> bool:
        """Ask those that have not seen the halt yet; return whether all have."""
        if None in self._seen.values():
            there = dict(self._asked())
            now = self._clock.now()
            for process in [one for one, seen in self._seen.items() if seen is None]:
                if process not in there:
                    del self._seen[process]  # it has ended
                elif there[process]:
                    self._seen[process] = now
        return None not in self._seen.values()

    def reached(self, begun: float) -> tuple[Reach, ...]:
        """Return when each was known to have seen it."""
        return tuple(
            Reach(pid, program, None if seen is None else seen - begun) for (pid, program), seen in self._seen.items()
        )

    def _asked(self) -> list[tuple[tuple[int, str], bool]]:
        try:
            answers = states(self._state)
        except UnusableError:
            return []
        self.silent = tuple(one.pid for one in answers.silent)
        return [
            ((answer["process"]["pid"], answer["process"]["program"]), self._is_halted(one.get("halts", ())))
            for answer in answers.answers
            for one in answer["boundaries"]
            if one["name"] == self._boundary and answer["process"]["pid"] != self._own
        ]

    def _is_halted(self, halts: Sequence[HaltAnswer]) -> bool:
        return any(halt["key"] == self._key for halt in halts)


class _Drill:
    """
    One drill, while it runs.

    Args:
        boundary: The boundary.
        control: Of the state directory.
        clock: What times it.
        key: The key that is halted.
    """

    def __init__(self, boundary: Boundary, control: Control, clock: Clock, key: str) -> None:
        self._name = boundary.name
        self._switch: Switch = boundary._state.switch  # noqa: SLF001 - one house
        self._control = control
        self._clock = clock
        self._key = key
        self._flaws: list[str] = []
        self._rung: str | None = None

    def __call__(self, trial: Trial, floor: str) -> Drilled:
        """Halt, call, resume, and write it down."""
        others = _Others(self._control, self._name, self._key, self._clock)
        begun = self._clock.now()
        shut, reach = _Watch(self._is_shut, self._clock), _Watch(others.all_seen, self._clock, QUESTION)
        try:
            halted = self._control.halt(self._name, reason=REASON, key=self._key, unknown=True)
            recorded = self._clock.now()
        except BaseException:
            shut.moment(0.0)
            reach.moment(0.0)
            raise
        answered: float | None = None
        try:
            if halted.unrecorded is not None:
                self._flaws.append(f"the halt is not on the record: {halted.unrecorded}")
            seen = shut.moment()
            if seen is None:
                self._flaws.append(f"this process did not see the halt within {PATIENCE:g} s: {self._why_not()}")
            else:
                self._call(trial)
                answered = self._clock.now()
            reach.moment()
        finally:
            resumed, opened = self._resume()
        reached = others.reached(begun)
        self._flaws += [
            f"process {one.pid} ({one.program}) did not see the halt within {PATIENCE:g} s"
            for one in reached
            if one.seen is None
        ]
        when = (seen, recorded if halted.number is not None else None, answered, resumed, opened)
        moments = Moments(*(None if moment is None else moment - begun for moment in when))
        self._note(floor)
        number = self._record(floor, moments)
        return Drilled(
            self._name, self._key, floor, self._rung, moments, reached, others.silent, tuple(self._flaws), number
        )

    def _is_shut(self) -> bool:
        return self._switch.halted(self._key) is not None

    def _is_open(self) -> bool:
        return not self._is_shut()

    def _why_not(self) -> str:
        gate = self._switch.gate
        return gate.known.why or "its calls look at the gate of another state directory, or at none"

    def _call(self, trial: Trial) -> None:
        """Have the ladder answer, and judge how it did."""
        outcome, asked = trial.run(self._key)
        self._rung = outcome.rung
        why = outcome.failure
        if asked:
            self._flaws.append("the call got through to the component")
        elif not outcome.ok:
            told = "nothing" if why is None else why.message
            self._flaws.append(f"no rung answered, its callers would have an error: {told}")
        elif why is None or why.kind is not FailureKind.HALTED:
            self._flaws.append(f"the ladder answered for another reason: {'none' if why is None else why.kind}")

    def _resume(self) -> tuple[float | None, float | None]:
        """Lift the halt; return when that was done, and when the gate of this process knew."""
        watch = _Watch(self._is_open, self._clock)
        resumed: float | None = None
        try:
            self._control.resume(self._name, reason=REASON, key=self._key)
            resumed = self._clock.now()
        except ControlError as error:
            self._flaws.append(f"it was not resumed: {error}")
        opened = watch.moment(PATIENCE if resumed is not None else 0.0)
        if resumed is not None and opened is None:
            self._flaws.append(f"this process did not see the resume within {PATIENCE:g} s")
        return resumed, opened

    def _note(self, floor: str) -> None:
        """Have `aiguard check` know of a drill that passed."""
        if not self._flaws:
            try:
                record(self._control.state, self._name, Drill(self._clock.wall(), floor))
            except OSError as error:
                self._flaws.append(f"that it was drilled could not be written down: {error.strerror}")

    def _record(self, floor: str, moments: Moments) -> int | None:
        said = {
            "boundary": self._name,
            "key": self._key,
            "floor": floor,
            "rung": self._rung,
            "passed": not self._flaws,
            "reason": "; ".join(self._flaws) or None,
            "ms": {name: round(1000 * at, 3) for name, at in moments._asdict().items() if at is not None},
        }
        try:
            with self._control.store.changed(self._control.actor, self._clock.wall()) as change:
                return change.append("drill", **said)
        except StoreError as error:
            self._flaws.append(f"the drill is not on the record: {error.why}")
            return None
