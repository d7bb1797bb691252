"""The line before a bulkhead, against a list."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiguard.priority import CRITICAL, NORMAL, SHEDDABLE
from aiguard.stages.line import Line

priorities = st.sampled_from([CRITICAL, NORMAL, SHEDDABLE])


class Somebody:
    """A waiter of whom the line needs to know the priority only."""

    admitted = False
    refusal: Exception | None = None

    def __init__(self, priority: int) -> None:
        self.priority = priority

    def left(self) -> float:
        """Never asked by the line."""
        raise AssertionError

    def wake(self) -> bool:
        """Never asked by the line."""
        raise AssertionError


class LineMachine(RuleBasedStateMachine):
    """Waiters come, are served, leave and are displaced in any order; the model is a list in order of arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line()
        self.model: list[Somebody] = []

    @rule(priority=priorities)
    def add(self, priority: int) -> None:
        somebody = Somebody(priority)
        self.line.add(somebody)
        self.model.append(somebody)

    @rule()
    def first(self) -> None:
        served = min(self.model, key=lambda waiter: waiter.priority, default=None)  # the first of equals
        assert self.line.first() is served
        if served is not None:
            self.model.remove(served)

    @rule(priority=priorities)
    def last_below(self, priority: int) -> None:
        lowest = max((waiter.priority for waiter in self.model), default=CRITICAL)
        same = [waiter for waiter in self.model if waiter.priority == lowest]
        displaced = same[-1] if lowest > priority else None
        assert self.line.last_below(priority) is displaced
        if displaced is not None:
            self.model.remove(displaced)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        somebody = self.model.pop(data.draw(st.integers(0, len(self.model) - 1)))
        assert self.line.remove(somebody) is True
        assert self.line.remove(somebody) is False

    @rule(priority=priorities)
    def remove_a_stranger(self, priority: int) -> None:
        assert self.line.remove(Somebody(priority)) is False

    @rule()
    def shed(self) -> None:
        shed = [waiter for waiter in self.model if waiter.priority == SHEDDABLE]
        assert self.line.sheddable() == shed
        self.model = [waiter for waiter in self.model if waiter not in shed]

    @invariant()
    def is_as_long_as_the_list(self) -> None:
        assert len(self.line) == len(self.model)
        assert bool(self.line) is bool(self.model)


TestLineMachine = LineMachine.TestCase


def test_who_is_served_and_who_is_displaced() -> None:
    """Served: critical first, then by arrival. Displaced: the youngest of the lowest priority below the newcomer's."""
    line = Line()
    old_normal, old_shed, critical, young_normal, young_shed = map(Somebody, (1, 2, 0, 1, 2))
    for waiter in (old_normal, old_shed, critical, young_normal, young_shed):
        line.add(waiter)
    assert line.last_below(SHEDDABLE) is None
    assert line.last_below(NORMAL) is young_shed
    assert line.last_below(CRITICAL) is old_shed
    assert line.last_below(NORMAL) is None
    assert line.last_below(CRITICAL) is young_normal
    assert [line.first(), line.first(), line.first()] == [critical, old_normal, None]
