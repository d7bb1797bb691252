"""The tickets: written for the demo, each with the triage a person would give it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from examples.ticket_triage.contract import Category, Priority

FILE: Final = Path(__file__).with_name("tickets.jsonl")


@dataclass(frozen=True, slots=True)
class Ticket:
    """
    One support ticket.

    Attributes:
        id: As the table shows it.
        text: What the customer wrote: all that a triage may look at.
        category: Where a person would send it.
        priority: How soon a person would read it.
    """

    id: str
    text: str
    category: Category
    priority: Priority


def load() -> list[Ticket]:
    """Read the file."""
    return [Ticket(**json.loads(line)) for line in FILE.read_text(encoding="utf-8").splitlines()]


def stream(tickets: list[Ticket]) -> Iterator[Ticket]:
    """Yield the tickets for ever, in their order: the queue never runs dry."""
    return cycle(tickets)


def take(count: int, queue: Iterator[Ticket]) -> list[Ticket]:
    """Take the next tickets from the queue."""
    return list(islice(queue, count))
