"""Work in the background lets others go first."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import pytest

from aiguard.config import pace
from aiguard.config.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator


class Machine:
    """A clock that is moved by hand, and a record of the pauses."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        """Return what was set."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Note the pause."""
        self.pauses.append(seconds)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Stand in for the machine's time."""
    machine = Machine()
    monkeypatch.setattr(pace, "SYSTEM", machine)
    monkeypatch.setattr(pace, "SYSTEM_PATIENCE", machine)
    return machine


@pytest.fixture
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_pause_comes_after_each_stretch_of_work(machine: Machine) -> None:
    """However often it is asked: not before half a millisecond of work, and then once."""
    breathe = Pace()
    for step in range(1, 91):
        machine.time = step * 0.4 * pace.STRETCH
        breathe()
    assert machine.pauses == [pace.PAUSE] * 30


@pytest.mark.usefixtures("machine", "_thawed")
def test_what_a_load_makes_is_not_looked_at_by_the_collector(machine: Machine) -> None:
    """What is young becomes old at each pause; without that the collector stops every thread to look at it all."""
    gc.collect()
    breathe = Pace()
    young = [[number] for number in range(500)]
    assert gc.get_count()[0] > 400
    machine.time = 1.0
    breathe()
    assert gc.get_count()[0] < 100
    assert gc.get_freeze_count() == 0
    assert any(thing is young[7] for thing in gc.get_objects(generation=2))


@pytest.mark.usefixtures("_thawed")
def test_a_frozen_heap_stays_frozen(machine: Machine) -> None:
    """A program that froze its heap before it forked shares it with its children: thawed, it would be copied."""
    gc.freeze()
    frozen = gc.get_freeze_count()
    breathe = Pace()
    machine.time = 1.0
    breathe()
    assert machine.pauses
    assert gc.get_freeze_count() > frozen * 0.99  # what is no longer used ends all the same


def test_time_and_waiting_are_the_machines() -> None:
    """For real, it pauses and comes back."""
    breathe = Pace()
    threading.Event().wait(2 * pace.STRETCH)
    breathe()
