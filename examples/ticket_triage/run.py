"""One run: a service, the phases, and tickets that arrive whether or not the ones before them are answered."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from examples.ticket_triage.call import Call
from examples.ticket_triage.tickets import load, stream, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from examples.ticket_triage import call
    from examples.ticket_triage.model_process import ModelProcess
    from examples.ticket_triage.phases import Phase
    from examples.ticket_triage.services import Service
    from examples.ticket_triage.tickets import Ticket
    from examples.ticket_triage.watcher import Watcher


async def play(
    run: call.Run,
    service: Service,
    *,
    phases: Sequence[Phase],
    model: ModelProcess,
    answer_time: float,
    watcher: Watcher,
) -> list[Call]:
    """
    Send the tickets of every phase through a service.

    Args:
        run: The run's name.
        service: Triages one ticket.
        phases: What the model goes through.
        model: The model's process.
        answer_time: Seconds a healthy answer takes: what the phases' pace counts in.
        watcher: Hears of everything.
    """
    queue = stream(load())  # from the first ticket in each run: both services get the same ones in the same order
    calls: list[Call] = []
    for phase in phases:
        watcher.phase(run, phase)
        await phase.begin(model)
        tickets = take(phase.tickets, queue)
        async with asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[Call]] = []
            for ticket in tickets:
                if tasks:
                    await asyncio.sleep(phase.pace * answer_time)
                tasks.append(group.create_task(_send(run, service, phase, ticket, watcher)))
        calls += [task.result() for task in tasks]
        watcher.phase_over(run, phase)
    return calls


async def _send(run: call.Run, service: Service, phase: Phase, ticket: Ticket, watcher: Watcher) -> Call:
    watcher.sent(ticket.id)
    start = perf_counter()
    answer = await service(ticket.text)
    done = Call(run, phase.name, ticket.id, answer, perf_counter() - start)
    watcher.answered(done)
    return done
