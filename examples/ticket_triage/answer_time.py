"""How fast the model is on this machine: the pace of the tickets follows it."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Final

from openai import AsyncOpenAI

from examples.ticket_triage.prompt import request

PATIENCE: Final = 60.0
TICKETS: Final = (
    "Which of your plans has support by telephone?",
    "My name is spelled wrong on the badge that came by post, can you send another one please?",
    "Every link in your newsletter leads to the same page. I thought you would like to know.",
)
"""Not among those that count: a text the model has just read is answered faster."""


async def answer_time(base_url: str) -> float:
    """Return the seconds that an answer takes where nothing else is asked meanwhile."""
    async with AsyncOpenAI(base_url=base_url, max_retries=0, timeout=PATIENCE) as client:
        times = []
        for ticket in TICKETS:
            start = perf_counter()
            await client.chat.completions.create(**request(ticket))
            times.append(perf_counter() - start)
        return median(times)
