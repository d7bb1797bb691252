"""Tickets that keep coming, whatever is done to the service meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from examples.ticket_triage.call import Answer
    from examples.ticket_triage.services import Service
    from examples.ticket_triage.tickets import Ticket


class Passed(NamedTuple):
    """
    A ticket that went through the service.

    Attributes:
        ticket: Its name.
        answer: What the service made of it.
        sent: When it arrived, in seconds of `perf_counter`.
        left: When its answer left.
    """

    ticket: str
    answer: Answer
    sent: float
    left: float


class Flow:
    """
    A context manager: tickets come while it is entered.

    Args:
        service: Triages one.
        tickets: Where they come from.
        pace: Seconds between two of them.
        show: Hears of each once it is answered.

    Attributes:
        passed: Those that were answered, in the order in which they were.
    """

    def __init__(
        self, service: Service, tickets: Iterator[Ticket], pace: float, show: Callable[[Passed], None]
    ) -> None:
        self.passed: list[Passed] = []
        self._service = service
        self._tickets = tickets
        self._pace = pace
        self._show = show
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._answered = asyncio.Event()

    async def until(self, enough: Callable[[list[Passed]], bool], within: float) -> bool:
        """Wait until enough was answered; return whether it was, within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not enough(self.passed):
                    self._answered.clear()
                    await self._answered.wait()
        return enough(self.passed)

    async def __aenter__(self) -> Self:
        self._arriving = asyncio.create_task(self._arrive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._arriving.cancel()
        await asyncio.gather(self._arriving, *self._on_their_way, return_exceptions=True)

    async def _arrive(self) -> None:
        for ticket in self._tickets:
            task = asyncio.create_task(self._send(ticket))
            self._on_their_way.add(task)
            task.add_done_callback(self._on_their_way.discard)
            await asyncio.sleep(self._pace)

    async def _send(self, ticket: Ticket) -> None:
        sent = perf_counter()
        answer = await self._service(ticket.text)
        done = Passed(ticket.id, answer, sent, perf_counter())
        self.passed.append(done)
        self._show(done)
        self._answered.set()
