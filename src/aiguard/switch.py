"""
Whether a boundary may run: what this process knows of halts, and the switch of each boundary.

    the gate's file ──▶ Gate, one for a process ──▶ Switch, one for a boundary ──▶ a call asks, in three places

A call looks at the time, and at whether what is known has changed since nothing stood in its way. The file is read at
most once a millisecond, however many calls there are.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.clock import SYSTEM
from aiguard.failure import Failure, FailureKind
from aiguard.gate_file import GateFile, Halts, OpenGate
from aiguard.problem import shown_path
from aiguard.state_directory import UnusableError, state_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from aiguard.clock import Clock
    from aiguard.gate_file import State
    from aiguard.halts import Halt
    from aiguard.risk import OnStale, Risk

FRESH: Final = 0.001
"""Seconds for which what was read of the file is taken for what it says."""

PROVEN: Final = 1.0
"""Seconds from one proof that the gate is armed to the next."""

STALE: Final = 30.0
"""Seconds after the last proof from which nobody knows any more whether a boundary is halted."""

_LOST: Final = "is gone, and what it said of halts: the next `aiguard halt` or `aiguard resume` brings it back"

logger: Final = logging.getLogger("aiguard")


class Known(NamedTuple):
    """
    What is known of halts, until something else is.

    Attributes:
        halts: Those in force as the file says it, or said it last.
        sure: Whether that was proven of late.
        why: What is wrong with the gate; `None` where nothing is.
    """

    halts: Halts
    sure: bool
    why: str | None


def _nobody(cause: str) -> None:
    """Hear of a broken gate."""


broken: Callable[[str], None] = _nobody
"""Hears what is wrong with the gate: telemetry, once it is loaded."""


class Gate:
    """
    What one process knows of halts; shared by its threads, and good in a forked one.

    It is armed by the first call that asks: the directory and the file are made where they are not there. Where that
    cannot be done, and where the file is damaged or gone later, what was known last stands, that is told once for each
    cause, and tried again each second.

    Args:
        directory: Returns the directory that processes share; `None` for a gate that no file is behind, through which
            everybody may go.
        clock: Where it reads time: the clock of the boundaries that ask it.
        fresh: Seconds for which it takes what it has read for what the file says; zero for a gate that looks each time.

    Attributes:
        due: The moment from which it is to look again.
        known: What it knows; another object once anything of it changes.
        now: Reads the time.
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_clock",
        "_directory",
        "_file",
        "_fresh",
        "_head",
        "_knowing",
        "_lock",
        "_opened",
        "_proof_due",
        "_proven",
        "due",
        "known",
        "now",
    )

    def __init__(
        self, directory: Callable[[], Path] | None = None, clock: Clock = SYSTEM, fresh: float = FRESH
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._fresh = fresh
        self._lock = threading.RLock()  # a signal's handler may ask too
        self._knowing = threading.RLock()
        self._file: GateFile | None = None
        self._opened: OpenGate | None = None
        self._head = b""
        self._asked: float | None = None
        self._proven: float | None = None
        self._proof_due = -math.inf
        self.now = clock.now
        self.due = math.inf if directory is None else -math.inf
        self.known = Known((), sure=directory is None, why=None)
        _GATES.add(self)

    def wall(self) -> float:
        """Return Unix seconds."""
        return self._clock.wall()

    def look(self) -> None:
        """Read what the file says, and prove from time to time that it would say it if somebody halted a boundary."""
        if self._directory is None:
            return
        lock = self._lock  # a fork in between replaces it
        # the first call waits for what it says, and so does everybody else then; later, one who reads is enough
        if not lock.acquire(blocking=self._asked is None):
            self._doubt(self.now())  # whoever reads may wait for a disk that is gone
            return
        try:
            told = self._looked()
        except Exception as error:  # noqa: BLE001 - what is wrong with the gate must not become a caller's error
            told = self._failed(error)
        finally:
            lock.release()
        if told is not None:
            _tell(told)

    def age(self) -> float | None:
        """
        Return the seconds since the last proof that the gate is armed, after another one where that is due.

        Where there was never one, those since it was first tried; `None` before the first call.
        """
        if self._asked is None:
            return None
        self.look()
        return self.now() - (self._asked if self._proven is None else self._proven)

    def forked(self) -> None:
        """Go on in a forked process: whoever held the lock is not here, and may have read half of what is new."""
        self._lock = threading.RLock()
        self._knowing = threading.RLock()
        self._head = b""
        if self._directory is not None:
            self.due = self._proof_due = -math.inf

    def _looked(self) -> str | None:
        """Look; return what is to be told."""
        now = self.now()
        before = why = self.known.why
        told = None
        self._read()
        if now >= self._proof_due:
            wrong = self._prove(now)
            why = None if self._proven == now else wrong
            told = wrong if wrong != before else None
            self._proof_due = now + PROVEN
        sure = self._proven is not None and now - self._proven <= STALE
        self._know(sure=sure, why=why)
        self._rest(now)
        return told

    def _rest(self, now: float) -> None:
        """Look again in a while: from before it was read, since what has changed meanwhile may not be in it."""
        if self._asked is None:
            self._asked = now
        if self._fresh:
            self.due = now + self._fresh

    def _failed(self, error: Exception) -> str | None:
        """Stand by what is known after something that nobody foresaw; return what is to be told."""
        now, before = self.now(), self.known.why
        why = f"its file cannot be looked at: {type(error).__name__}"
        self._know(why=why)
        self._doubt(now)
        self._proof_due = now + PROVEN
        self._rest(now)
        return why if why != before else None

    def _doubt(self, now: float) -> None:
        """Note that what is known is not sure any more, where the last proof was too long ago."""
        proven = self._proven
        if self.known.sure and (proven is None or now - proven > STALE):
            self._know(sure=False, why=self.known.why or "its file does not answer")

    def _know(self, **changed: Any) -> None:
        """Replace what is known, where that is another thing."""
        with self._knowing:  # held for this alone: who waits for a disk holds the other one
            known = self.known._replace(**changed)
            if known != self.known:
                self.known = known

    def _read(self) -> None:
        """Take over what the file says, where it has changed; what is not whole is looked at once, and proven."""
        opened = self._opened
        if opened is None:
            return
        try:
            head = opened.head()
        except OSError:
            head = b""
        if head == self._head:
            return
        try:
            self._take(opened.state())
        except UnusableError:
            self._head = head
            self._proof_due = -math.inf
        else:
            if self.known.why is not None:  # it was mended
                self._proof_due = -math.inf

    def _take(self, read: tuple[bytes, State]) -> None:
        head, state = read
        # a file that was made anew and that nobody has written to says nothing of what was known before
        if state.generation > 0:
            self._know(halts=state.halts)
        self._head = head  # last: whoever is interrupted in between reads it again

    def _prove(self, now: float) -> str | None:
        """Arm the gate, or prove that it is armed; return what was wrong, which a file in its place may have ended."""
        opened = self._opened
        if opened is None:
            return self._arm(now)
        try:
            opened.check()
            self._take(opened.state())
        except UnusableError as error:
            self._arm(now)
            return str(error)
        self._proven = now
        return None

    def _arm(self, now: float) -> str | None:
        """Open the file and read it; return why that cannot be done."""
        if self._directory is None or not hasattr(os, "pread"):
            return "this system has no way to read its file"
        try:
            file = self._file
            if file is None:
                file = _made(self._directory())  # only at first: what somebody has taken away, a halt brings back
            opened = file.open()
            try:
                opened.check()
                self._take(opened.state())
            except UnusableError:
                opened.close()
                raise
        except UnusableError as error:
            return str(error)
        if self._opened is not None:
            self._opened.close()
        self._file, self._opened, self._proven = file, opened, now
        return None


def _made(directory: Path) -> GateFile:
    """Return the file, made where there never was one. Raises `UnusableError`."""
    file = GateFile(directory)
    if file.is_lost():  # one that is made anew would say that nothing is halted
        raise UnusableError(f"{shown_path(file.path)} {_LOST}")
    file.make()
    return file


_GATES: Final[weakref.WeakSet[Gate]] = weakref.WeakSet()

NO_GATE: Final = Gate()
"""No file is behind it: for what is tried without one."""

PROCESS: Final = Gate(state_directory)
"""The gate of this process."""


def _forked() -> None:
    for gate in tuple(_GATES):
        gate.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _tell(cause: str) -> None:
    logger.warning("nobody can halt a boundary in this process: %s", cause)
    broken(cause)


class _Setting(NamedTuple):
    """What a switch stands at, and what its boundary's policy says of halts."""

    off: bool
    risk: Risk
    on_stale: OnStale


class Switch:
    """
    Whether one boundary may run.

    Args:
        name: The boundary's.
        gate: What its process knows of halts.
        off: Whether it is switched off by hand.
        risk: What is at stake.
        on_stale: What holds where nobody knows whether it is halted.

    Attributes:
        gate: What its process knows of halts.
        clear: What was known when nothing stood in anybody's way. Who has just read the time, on the gate's clock, need
            not ask while that is what is known, and the gate is not due: an item of a stream is worth no call.
    """

    __slots__ = ("_name", "_setting", "clear", "gate")

    def __init__(
        self,
        name: str = "",
        gate: Gate = NO_GATE,
        *,
        off: bool = False,
        risk: Risk = "medium",
        on_stale: OnStale = "keep",
    ) -> None:
        self._name = name
        self.gate = gate
        self._setting = _Setting(off, risk, on_stale)
        self.clear: Known | None = None

    @property
    def off(self) -> bool:
        """Whether it is switched off by hand, in this process."""
        return self._setting.off

    @off.setter
    def off(self, off: bool) -> None:
        self._set(self._setting._replace(off=off))

    def configure(self, risk: Risk, on_stale: OnStale) -> None:
        """Take over what a policy says of halts."""
        self._set(self._setting._replace(risk=risk, on_stale=on_stale))

    def halted(self, key: Hashable = None) -> Failure | None:
        """Return why a call with that key may not run, or may not answer; `None` where it may."""
        gate = self.gate
        if gate.now() >= gate.due:
            gate.look()
        return None if gate.known is self.clear else self._why(key)

    @property
    def broken(self) -> str | None:
        """What is wrong with the gate, so that a halt may not be seen; `None` where nothing is."""
        self.gate.look()
        return self.gate.known.why

    def halts(self) -> Halts:
        """Return the halts in force for this boundary, for all its calls or for those of a key."""
        self.gate.look()
        now = self.gate.wall()
        risk = self._setting.risk
        return tuple(halt for halt in self._about(self.gate.known) if halt.holds(now, risk))

    def _set(self, setting: _Setting) -> None:
        self._setting = setting
        self.clear = None  # after: who has just found nothing under the old setting looks at it once more

    def _why(self, key: Hashable) -> Failure | None:
        setting, known = self._setting, self.gate.known
        if setting.off:
            return Failure(FailureKind.HALTED, "gate", "the boundary is switched off")
        unsure = not known.sure and setting.on_stale == "off"
        concerned = self._about(known)
        if not concerned and not unsure:
            self.clear = known
            if self._setting is not setting:
                self.clear = None
            return None
        now = self.gate.wall()
        for halt in concerned:
            if halt.holds(now, setting.risk) and (halt.key is None or halt.key == _text_of(key)):
                return Failure(FailureKind.HALTED, "gate", str(halt))
        if unsure:
            message = f"whether the boundary is halted is not known: {known.why}"
            return Failure(FailureKind.HALTED, "gate", message)
        return None

    def _about(self, known: Known) -> list[Halt]:
        return [halt for halt in known.halts if halt.concerns(self._name)]


def _text_of(key: Hashable) -> str | None:
    """Return a key as it is compared; `None` where there is none, or it has no text."""
    try:
        return None if key is None else str(key)
    except Exception:  # noqa: BLE001 - the code of whoever wrote the key
        return None


ALWAYS_ON: Final = Switch()
"""Nobody can halt it: for what is tried without a boundary."""
