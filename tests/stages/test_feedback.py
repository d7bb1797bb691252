"""What a component is told when it is asked again: little, the same each time, and nothing of what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aiguard.failure import Failure, FailureKind
from aiguard.stages.feedback import LONGEST, told
from tests.stages.fakes import call_for

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock


class Model:
    """A component with a method."""

    def ask(self, question: str, *, feedback: str | None = None) -> str:
        """Take it."""
        raise NotImplementedError


def by_name(question: str, *, feedback: str | None = None) -> str:
    """Take it."""
    raise NotImplementedError


def by_place(question: str, feedback: str | None = None) -> str:
    """Have a parameter of one's own with that name."""
    raise NotImplementedError


def by_any_name(question: str, **rest: Any) -> str:
    """Take anything."""
    raise NotImplementedError


@pytest.mark.parametrize(
    ("component", "taken"),
    [(by_name, True), (Model().ask, True), (by_place, False), (by_any_name, False), (dict, False), (print, False)],
)
def test_who_has_the_parameter_is_told(clock: VirtualClock, component: Any, taken: bool) -> None:  # noqa: FBT001 - from the table
    """Keyword-only and by its name; nobody else gets an argument that it did not ask for."""
    call = call_for(clock, "a question", fn=component, other=1)
    again = told(call, Failure(FailureKind.SCHEMA_VIOLATION, "output", "1 error: missing at summary"))
    said = {"feedback": "schema_violation: 1 error: missing at summary"} if taken else {}
    assert again.kwargs == {"other": 1} | said
    assert call.kwargs == {"other": 1}
    assert (again.args, again.deadline, again.journal) == (call.args, call.deadline, call.journal)


def test_feedback_is_at_most_a_kibibyte(clock: VirtualClock) -> None:
    """Cut between two letters, however long the names of a schema are."""
    call = told(call_for(clock, fn=by_name), Failure(FailureKind.SCHEMA_VIOLATION, "output", "é" * 4000))
    assert len(call.kwargs["feedback"].encode()) in {LONGEST - 1, LONGEST}
