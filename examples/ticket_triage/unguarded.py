"""
The service as a competent developer writes it first, without aiguard.

Nothing here is wrong: the schema goes with the request, a try may take as long as in the guarded service, the SDK
tries twice more by itself, and the answer is validated before it is used.
"""

from __future__ import annotations

from functools import cache

from openai import AsyncOpenAI

from examples.ticket_triage.contract import Triage
from examples.ticket_triage.prompt import request


@cache
def client() -> AsyncOpenAI:
    """Return the SDK's client; address and key come from `OPENAI_BASE_URL` and `OPENAI_API_KEY`."""
    return AsyncOpenAI(timeout=1.8)


async def triage(ticket: str) -> Triage:
    """Triage one ticket."""
    completion = await client().chat.completions.create(**request(ticket))
    return Triage.model_validate_json(completion.choices[0].message.content or "")
