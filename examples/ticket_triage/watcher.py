"""What whoever watches a run hears of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from examples.ticket_triage.call import Call, Run
    from examples.ticket_triage.phases import Phase


class Watcher(Protocol):
    """Shows a run while it happens."""

    def phase(self, run: Run, phase: Phase) -> None:
        """Note that the model enters a phase."""

    def sent(self, ticket: str) -> None:
        """Note that a ticket has arrived at the service."""

    def answered(self, call: Call) -> None:
        """Note that a ticket's call has ended, one way or another."""

    def phase_over(self, run: Run, phase: Phase) -> None:
        """Note that every ticket of the phase is answered."""
