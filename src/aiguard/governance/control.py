"""
Halting and resuming: who may, in which order files and store are written, and what is refused by which rule.

A halt is in force once the gate's file says so, and only then goes on the record: a store that cannot be written stops
no stop. A resume is on the record first. What a crash leaves between the two, the next operation reconciles.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from aiguard.call import logger
from aiguard.clock import SYSTEM, unique
from aiguard.config.live import path_of_file
from aiguard.errors import PolicyError
from aiguard.gate_file import BrokenError, GateFile
from aiguard.governance.directory import Directory
from aiguard.governance.errors import ControlError, NoRecordError, StoreError
from aiguard.governance.known import Known
from aiguard.governance.reconciliation import begun, reconcile, said_of, settle, with_these
from aiguard.governance.rules import DRILL, check_boundary, key_of, name_of, reason_of, until_of
from aiguard.governance.store import Actor, Store
from aiguard.halts import EVERY, Halt
from aiguard.problem import nearest, shown
from aiguard.risk import TIERS
from aiguard.state_directory import UnusableError, state_directory

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.clock import Clock
    from aiguard.config.people import Action
    from aiguard.gate_file import Halts
    from aiguard.governance.store import Change

LONGEST_SAID: Final = 200
"""Characters that the record of a refusal keeps of a name, a key, a reason."""


class Halted(NamedTuple):
    """
    What a halt has done.

    Attributes:
        halt: What is in force.
        number: The number of its record; `None` where it is not on the record yet.
        unrecorded: Why it is not; `None` where it is.
    """

    halt: Halt
    number: int | None
    unrecorded: str | None


class Resumed(NamedTuple):
    """
    What a resume has done.

    Attributes:
        lifted: The halts that are in force no more, the oldest first.
        number: The number of the last record.
        left: Those that still concern the boundary: of everything, of a key, of the person who resumes.
    """

    lifted: tuple[Halt, ...]
    number: int
    left: tuple[Halt, ...]


class _Said(NamedTuple):
    """What somebody asked for, whatever that is."""

    name: object
    key: object
    reason: object


class Control:
    """
    What operators do to the boundaries of one state directory.

    Args:
        state: The directory that processes share.
        directory: Who may do what; `None` where there is no file: then whoever can write the gate's file may.
        broken: Why the file cannot be read; nobody resumes then, and whoever can write the gate's file halts.
        clock: What dates records.
    """

    def __init__(
        self, state: Path, directory: Directory | None = None, *, broken: str | None = None, clock: Clock = SYSTEM
    ) -> None:
        self.state = state
        self.store = Store(state)
        self.gate = GateFile(state)
        self.actor = Actor(Directory.acting(), os.geteuid())
        self._rules = directory if directory is not None and directory.control else None
        self._broken = broken
        self._known = Known(state, directory.boundaries, directory.risk) if directory is not None else Known(state, {})
        self._clock = clock

    def halt(
        self, name: str, *, reason: str, key: object = None, for_: float | None = None, unknown: bool = False
    ) -> Halted:
        """As the function of this module."""
        now = self._clock.wall()
        try:
            name_of(name)
            line, word, until = reason_of(reason), key_of(key), until_of(for_, now)
            self._check_rights("halt")
            if unknown or not self._is_known(name):
                check_boundary(name, () if unknown else self._known.names(), unknown=unknown)
            stays = until is not None and name != EVERY  # until it is known what is at stake: to ask takes a while
            halt = Halt(unique(16).hex(), name, word, self.actor.person, line, now, until, stays=stays, recorded=False)
            back = self._stop(halt)
        except ControlError as refused:
            self._record_refusal(refused, "halt", _Said(name, key, reason))
            raise
        return self._recorded(halt, now, back)

    def resume(self, name: str, *, reason: str, key: object = None) -> Resumed:
        """As the function of this module."""
        now = self._clock.wall()
        line, word = self.check_resume(name, reason=reason, key=key)
        refusal: ControlError | None = None
        lifted: list[Halt] = []
        left: tuple[Halt, ...] = ()
        back = self._check_gate(_Said(name, key, reason))
        self._known.names()  # asks the processes, which may take a while: not while the store is ours
        with self.store.changed(self.actor, now) as change:
            there = self._reconcile(change, now, back)
            in_force = [one.halt for one in change.in_force().values()]
            concerned = [halt for halt in in_force if halt.concerns(name)]
            meant = [halt for halt in concerned if (halt.boundary, halt.key) == (name, word)]
            lifted = [halt for halt in meant if self._may_lift(halt)]
            left = tuple(halt for halt in concerned if halt not in lifted)
            if not lifted:
                refusal = self._nothing_to_lift(name, word, meant, in_force)
                _append_refusal(change, refusal, "resume", _Said(name, key, reason))
            for halt in lifted:
                ended = {**said_of(halt), "reason": line, "until": None}
                change.end(halt.id, change.append("resume", **ended, ends=True))
            number, kept = change.head.seq, change.among({*there, *(halt.id for halt in lifted)})
        try:
            settle(self.gate, kept)
        except UnusableError as error:
            if refusal is None:
                raise ControlError("gate", f"it is on the record, but calls do not see it: {error}") from error
        if refusal is not None:
            raise refusal
        return Resumed(tuple(lifted), number, left)

    def halts(self) -> tuple[Halt, ...]:
        """As the function of this module."""
        try:
            return self.gate.read().halts if self.gate.path.exists() else ()
        except UnusableError as error:
            raise ControlError("gate", str(error)) from None

    # --- who, what

    def check_resume(self, name: str, *, reason: str, key: object) -> tuple[str, str | None]:
        """Return reason and key as they are recorded. Raises `ControlError`, which is too, where who acts may not."""
        try:
            name_of(name)
            line, word = reason_of(reason), key_of(key)
            if self._broken is not None:
                raise ControlError("file", f"who may resume stands in a file that cannot be read: {self._broken}")  # noqa: TRY301 - recorded below
            self._check_rights("resume")
        except ControlError as refused:
            self._record_refusal(refused, "resume", _Said(name, key, reason))
            raise
        return line, word

    def _check_rights(self, action: Action) -> None:
        person, rules = self.actor.person, self._rules
        if rules is None or rules.may(action, person):
            return
        if rules.person_of(person) is None:
            raise ControlError("person", f"{shown(person)} is no person of the directory: only they may {action}")
        allowed = ", ".join(rules.control.get(action, ())) or "nobody"
        raise ControlError("rights", f"{shown(person)} may not {action}: the file's `control` lists {allowed}")

    def _is_known(self, name: str) -> bool:
        return name == EVERY or self._known.is_here(name) or self._is_on_record(name)

    def _is_on_record(self, name: str) -> bool:
        try:
            with self.store.read() as reading:
                return reading.has_halt_of(name)
        except StoreError:
            return False

    def _ends_by_itself(self, name: str) -> bool:
        risk = self._known.risk(name)
        return risk is None or TIERS[risk].halt_ends

    def _may_lift(self, halt: Halt) -> bool:
        risk = self._known.risk(halt.boundary)
        is_high = halt.stays or (risk is not None and not TIERS[risk].halter_resumes)
        is_drill = halt.key is not None and halt.key.startswith(DRILL)  # whoever drills resumes: no call has that key
        return is_drill or not is_high or halt.by != self.actor.person

    def _nothing_to_lift(self, name: str, key: str | None, meant: list[Halt], in_force: list[Halt]) -> ControlError:
        if meant:
            why = f"{shown(name)} is of high risk, and {self.actor.person} halted it: somebody else resumes it"
            return ControlError("not-self", why)
        whose = f" for the key {shown(key)}" if key is not None else ""
        names = {halt.boundary for halt in in_force}
        hint = nearest(name, sorted(names))
        if name in names:
            hint = (
                "; it was halted without a key, or for another" if key is not None else "; name the key that is halted"
            )
        others = [halt for halt in in_force if halt.concerns(name)]
        told = "; in force are: " + "; ".join(f"{_where(halt)}, {halt}" for halt in others) if others else ""
        return ControlError("not-halted", f"no halt of {shown(name)}{whose} is in force{hint}{told}")

    # --- in which order

    def _stop(self, halt: Halt) -> Halts:
        """Have the gate say it, at once; return what it had lost and says again."""
        try:
            back = self._lost()
        except StoreError as error:
            logger.warning("what the gate's file said is lost, and the record cannot be read: %s", error)
            back = ()
        try:
            self.gate.change(lambda halts: (*with_these(halts, back), halt))
        except UnusableError as error:
            raise ControlError("gate", f"nothing is halted: {error}") from error
        return back

    def _check_gate(self, said: _Said) -> Halts:
        """
        Have the gate say what it had lost; return that.

        Raises:
            StoreError: It is not known what that was: a gate made anew would say that nothing is halted.
            ControlError: The gate cannot be changed: a resume would be on the record, and lift nothing.
        """
        back = self._lost()
        try:
            self.gate.change(lambda halts: with_these(halts, back))
        except UnusableError as error:
            refused = ControlError("gate", f"nothing is resumed: {error}")
            self._record_refusal(refused, "resume", said)
            raise refused from error
        return back

    def _lost(self) -> Halts:
        """Return what a gate said that is gone, damaged or made anew: no repair resumes. Raises `StoreError`."""
        try:
            is_lost = self.gate.read().generation == 0 if self.gate.path.exists() else self.gate.is_lost()
        except BrokenError:
            is_lost = True
        except UnusableError:
            is_lost = False  # whoever changes it says what is wrong
        except OSError as error:
            raise StoreError("store", f"whether there is a record is not known: {error.strerror}") from error
        if not is_lost:
            return ()
        try:
            with self.store.read() as reading:
                return tuple(one.halt for one in reading.in_force().values())
        except NoRecordError:
            return ()

    def _recorded(self, halt: Halt, now: float, back: Halts) -> Halted:
        if any(one.until is not None for one in (halt, *self._there())):
            self._known.names()  # as in `resume`
        try:
            with self.store.changed(self.actor, now) as change:
                known = change.among([halt.id]).get(halt.id)  # another operation may have found it in the gate
                done = self._with_its_end(halt) if known is None else known.halt
                number = begun(change, done) if known is None else known.seq
                kept = change.among(self._reconcile(change, now, back))
        except StoreError as error:
            return Halted(self._with_its_end(halt), None, error.why)
        try:
            settle(self.gate, kept)
        except UnusableError as error:
            logger.warning("the gate's file does not say yet that the halt is on the record: %s", error)
        return Halted(done._replace(recorded=True), number, None)

    def _there(self) -> Halts:
        try:
            return self.gate.read().halts
        except UnusableError:
            return ()

    def _with_its_end(self, halt: Halt) -> Halt:
        """Return the halt as one that its time ends, where it is, and have the gate say so."""
        if not halt.stays or not self._ends_by_itself(halt.boundary):
            return halt
        ends = halt._replace(stays=False)
        try:
            self.gate.change(lambda halts: tuple(ends if one == halt else one for one in halts))
        except UnusableError as error:
            logger.warning("the gate's file does not say that a time ends the halt: %s", error)
            return halt
        return ends

    def _reconcile(self, change: Change, now: float, back: Halts) -> frozenset[str]:
        try:
            return reconcile(change, self.gate, now, self._known.risk, back)
        except UnusableError as error:
            logger.warning("the gate's file and the record may differ: %s", error)
            return frozenset()

    def _record_refusal(self, refused: ControlError, action: Action, said: _Said) -> None:
        try:
            with self.store.changed(self.actor, self._clock.wall()) as change:
                _append_refusal(change, refused, action, said)
        except StoreError as error:
            logger.warning("a refused %s is not on the record: %s", action, error)


def _append_refusal(change: Change, refused: ControlError, action: Action, said: _Said) -> None:
    change.append(
        "refused",
        boundary=_cut(said.name),
        key=None if said.key is None else str(said.key)[:LONGEST_SAID],
        reason=_cut(said.reason),
        action=action,
        rule=refused.rule,
    )


def _cut(said: object) -> str:
    return said[:LONGEST_SAID] if isinstance(said, str) else shown(said)


def _where(halt: Halt) -> str:
    what = "every boundary" if halt.boundary == EVERY else halt.boundary
    return what if halt.key is None else f"{what} for the key {shown(halt.key)}"


def control_of(state: str | os.PathLike[str] | None = None) -> Control:
    """
    Return the control of a state directory, under the rules of the file that is named or lies here.

    Raises:
        ControlError: Nobody knows where the state directory is.
    """
    try:
        found = state_directory(state)
    except UnusableError as error:
        raise ControlError("state", str(error)) from None
    path = path_of_file(None)
    if path is None:
        return Control(found)
    try:
        return Control(found, Directory.of_file(path))
    except PolicyError as error:
        return Control(found, broken=str(error))


def halt(
    name: str,
    *,
    reason: str,
    key: object = None,
    for_: float | None = None,
    unknown: bool = False,
    state: str | os.PathLike[str] | None = None,
) -> Halted:
    """
    Halt a boundary, in every process that shares the state directory.

    It holds for calls that are running too, and for processes that start later. It is in force before it is on the
    record, and without the record where that cannot be written: later operations write it down.

    Args:
        name: The boundary, or `EVERY`.
        reason: Why, in one line of at most 200 characters. Callers that are turned away are told.
        key: Only calls with this key, compared as `str()`. By default all.
        for_: Seconds until it ends by itself; of a boundary of high risk it never does. By default when somebody
            resumes.
        unknown: Whether to take a name that neither the file, nor a running process, nor the record knows.
        state: The state directory; by default what `AIGUARD_STATE` names, else the user's own.

    Raises:
        ControlError: It was refused, by the rule that it names; nothing is halted then.
    """
    return control_of(state).halt(name, reason=reason, key=key, for_=for_, unknown=unknown)


def resume(name: str, *, reason: str, key: object = None, state: str | os.PathLike[str] | None = None) -> Resumed:
    """
    Lift the halts of a boundary: those of just this name and key.

    Args:
        name: As it was halted: the boundary, or `EVERY`. A halt of everything outlives the resume of one boundary.
        reason: Why, in one line of at most 200 characters.
        key: As it was halted.
        state: The state directory; by default what `AIGUARD_STATE` names, else the user's own.

    Raises:
        ControlError: It was refused, by the rule that it names; what was halted is halted then. Where the message says
            that it is on the record, the next operation that can change the gate's file finishes it.
    """
    return control_of(state).resume(name, reason=reason, key=key)


def halts(*, state: str | os.PathLike[str] | None = None) -> tuple[Halt, ...]:
    """
    Return every halt that the gate's file names, the oldest first.

    One whose time is over is among them where it may still hold a boundary of high risk: `Halt.holds` says.

    Args:
        state: The state directory; by default what `AIGUARD_STATE` names, else the user's own.

    Raises:
        ControlError: The gate's file cannot be read.
    """
    return control_of(state).halts()
