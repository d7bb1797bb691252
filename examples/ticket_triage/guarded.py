"""
The same service behind a boundary.

The component only asks the model and returns what the SDK returns. When to stop waiting, what to try again,
when to leave the model alone, what an answer must be and who answers instead, all of that is the boundary's.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from openai import AsyncOpenAI

from aiguard import Breaker, Bulkhead, Retry, guard
from examples.ticket_triage.contract import Triage
from examples.ticket_triage.prompt import request
from examples.ticket_triage.rules import rules

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

DEADLINE: Final = 4.0
"""Seconds within which whoever asks for a triage has one."""


@cache
def client() -> AsyncOpenAI:
    """Return the SDK's client; address and key come from `OPENAI_BASE_URL` and `OPENAI_API_KEY`."""
    return AsyncOpenAI(max_retries=0)  # the boundary tries again; two layers that do would multiply


@guard(
    "ticket-triage",
    owner="support-ml",
    output=Triage,
    deadline=DEADLINE,
    attempt_timeout=1.8,
    retry=Retry(attempts=2),
    reask=1,
    breaker=Breaker(failure_rate=0.5, minimum_calls=5, window=5.0, open_for=2.0, open_for_max=2.0, probes=2),
    bulkhead=Bulkhead(limit=4, queue=32),
    fallback=[rules, Triage(category="other", priority="normal", confidence=0.0)],
)
async def triage(ticket: str) -> ChatCompletion:
    """Triage one ticket."""
    completion: ChatCompletion = await client().chat.completions.create(**request(ticket))
    return completion
