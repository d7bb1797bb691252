"""What the files of these tests name by import paths."""

from __future__ import annotations

from typing import Literal

import tenacity
from pydantic import BaseModel

from aiguard import Failure, OutputContract


class Triage(BaseModel):
    """A contract."""

    category: Literal["billing", "other"]
    priority: int


CONTRACT = OutputContract(Triage, extract=True)
WAIT = tenacity.wait_fixed(3)
RETRY = tenacity.retry_if_exception_type(ConnectionError)
NUMBER = 7


def rules(ticket: str) -> Triage:
    """Answer by rules."""
    return Triage(category="billing" if "invoice" in ticket else "other", priority=1)


def rules_with_failure(ticket: str, *, failure: Failure) -> Triage:
    """Answer by rules, knowing why."""
    del ticket, failure
    return Triage(category="other", priority=2)


def question(ticket: str) -> str:
    """Return what counts as the same question."""
    return ticket.lower()


def is_urgent(value: Triage) -> bool:
    """Check an answer."""
    return value.priority < 9
