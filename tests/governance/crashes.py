"""
Kill writers of control events at random moments: `python -m tests.governance.crashes --kills 1000`.

A writer halts and resumes, and says what it has done once the function has returned. It is killed with SIGKILL at a
moment that is random to the microsecond. What it has said is on the record then, the chain holds, and the next control
operation brings the gate's file and the store together.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from aiguard.gate_file import GateFile
from aiguard.governance.control import Control
from aiguard.governance.errors import ControlError, StoreError
from aiguard.governance.store import Actor, Store
from aiguard.governance.verification import verified

MOST = 4
"""Operations that a writer is let finish, at most."""

LONGEST = 0.04
"""Seconds that it lives afterwards, at most: an operation or two, at any moment of which it is killed."""

PEOPLE = (Actor("anna", 1001), Actor("ben", 1002))


class LostError(AssertionError):
    """What was acknowledged is not there; the message says what."""


def control_of(state: Path, person: int) -> Control:
    """Return what a person uses; without rules, whoever can write the files may."""
    control = Control(state)
    control.actor = PEOPLE[person]
    return control


def write_until_killed(state: Path, seed: int, said: int) -> None:
    """Halt and resume for ever; say what is done."""
    chance = random.Random(seed)
    while True:
        control = control_of(state, chance.randrange(2))
        name = f"boundary-{chance.randrange(3)}"
        if chance.random() < 0.6:
            for_ = chance.choice([None, None, 0.001, 3600.0])
            done = control.halt(name, reason="a crash test", for_=for_, unknown=True)
            os.write(said, f"halt {done.halt.id} {done.number}\n".encode())
        else:
            try:
                lifted = control.resume(name, reason="a crash test").lifted
            except ControlError as refused:
                if refused.rule not in {"not-halted", "not-self"}:  # of a killed one it is not known what is at stake
                    raise
                continue
            os.write(said, "".join(f"resume {halt.id}\n" for halt in lifted).encode())


def killed(state: Path, chance: random.Random) -> list[list[str]]:
    """Start a writer, kill it after a while, and return what it had said."""
    reading, said = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            write_until_killed(state, chance.randrange(2**32), said)
        except Exception:  # noqa: BLE001 - whatever it is, nobody else would tell
            traceback.print_exc()
        finally:
            os._exit(1)  # it is never left otherwise than by the kill
    os.close(said)
    heard = b""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        for _ in range(chance.randrange(MOST + 1)):
            heard += pipe.read(4096)
        time.sleep(chance.random() * LONGEST)
        os.kill(child, signal.SIGKILL)
        heard += pipe.readall()
    lines = heard.decode().splitlines()
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise LostError("the writer ended by itself")
    return [line.split() for line in lines]


class Campaign:
    """
    One state directory, and writers that are killed in it.

    Attributes:
        kills: How many were.
        acknowledged: How many operations had returned before.
        found: What the kills left to be brought together: halts without a record, lifted ones still in the gate.
    """

    def __init__(self, state: Path, seed: int) -> None:
        self._state = state
        self._chance = random.Random(seed)
        self.kills = 0
        self.acknowledged = 0
        self.found: Counter[str] = Counter()

    def kill_one(self) -> None:
        """Kill one more. Raises `LostError` where something is not as it was acknowledged."""
        said = killed(self._state, self._chance)
        self.kills += 1
        self.acknowledged += len(said)
        self.check(said)

    def check(self, said: list[list[str]]) -> None:
        """Hold what is there against what a writer had said. Raises `LostError`."""
        store, gate = Store(self._state), GateFile(self._state)
        there = gate.read().halts if gate.path.exists() else ()
        self._count({halt.id for halt in there})
        control_of(self._state, 0).halt("after-the-kill", reason="bring it together", unknown=True)
        control_of(self._state, 0).resume("after-the-kill", reason="bring it together")
        verdict = verified(self._state)
        if verdict.flaws:
            raise LostError(f"the chain does not hold: {verdict.flaws}")
        with store.read() as reading:
            kept = reading.halts()
        for what, id_, *number in said:
            if id_ not in kept:
                raise LostError(f"the acknowledged halt {id_} is not on the record")
            if what == "resume" and kept[id_].ended is None:
                raise LostError(f"the acknowledged resume of {id_} is not on the record")
            if number and number != [str(kept[id_].seq)]:
                raise LostError(f"the acknowledged halt {id_} has another number")
        in_force = {id_ for id_, one in kept.items() if one.ended is None}
        after = gate.read().halts
        if {halt.id for halt in after} != in_force or not all(halt.recorded for halt in after):
            raise LostError("the gate's file and the store do not agree")

    def _count(self, ids: set[str]) -> None:
        try:
            with Store(self._state).read() as reading:
                kept = reading.halts()
        except StoreError as nothing:
            if "nothing was recorded yet" not in nothing.why:
                raise
            kept = {}
        in_force = {id_ for id_, one in kept.items() if one.ended is None}
        self.found["halts without a record"] += len(ids - set(kept))
        self.found["resumes not in the gate"] += len(ids & set(kept) - in_force)
        self.found["halts not in the gate"] += len(in_force - ids)


def main() -> int:
    """Kill as many writers as the command line says; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.governance.crashes", description="Kill writers.")
    parser.add_argument("--kills", type=int, default=1000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1_000_000, help="(default: the clock)")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        campaign = Campaign(Path(directory) / "state", chosen.seed)
        while campaign.kills < chosen.kills:
            try:
                campaign.kill_one()
            except LostError as lost:
                sys.stdout.write(f"LOST after {campaign.kills} kills, seed {chosen.seed}: {lost}\n")
                return 1
        seconds = time.monotonic() - began
        left = ", ".join(f"{number} {what}" for what, number in sorted(campaign.found.items()))
        records = verified(Path(directory) / "state").head.seq
    sys.stdout.write(
        f"{campaign.kills:,} kills in {seconds:,.0f} s, {campaign.acknowledged:,} acknowledged, none lost\n"
    )
    sys.stdout.write(f"{records:,} records, one chain; left by kills and brought together: {left}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
