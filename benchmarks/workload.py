"""What every subject does: call a trivial component, and turn its answer into a validated `Triage`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field


class Triage(BaseModel):
    """The contract: four fields, as a support desk would want them."""

    category: Literal["billing", "bug", "account", "other"]
    priority: Literal["low", "normal", "high", "urgent"]
    summary: str
    confidence: Annotated[float, Field(ge=0.0, le=1.0)]


Component: TypeAlias = Callable[[str], str]
AsyncComponent: TypeAlias = Callable[[str], Awaitable[str]]

# one set of limits for every subject that has the feature
DEADLINE = 2.0
ATTEMPT_TIMEOUT = 0.8
ATTEMPTS = 3
PERMITS = 16
QUEUE = 32
OPEN_FOR = 15.0

TICKET = "I was charged twice for the same order."
ANSWER = '{"category": "billing", "priority": "high", "summary": "Charged twice for one order.", "confidence": 0.93}'
EXPECTED = Triage(category="billing", priority="high", summary="Charged twice for one order.", confidence=0.93)


def fallback() -> Triage:
    """Return what a caller gets when the component cannot answer; never equal to `EXPECTED`."""
    return Triage(category="other", priority="normal", summary="Not triaged.", confidence=0.0)


def answer(_ticket: str) -> str:
    """Answer at once."""
    return ANSWER


async def answer_async(_ticket: str) -> str:
    """Answer without suspending: only what surrounds the component is left to measure."""
    return ANSWER


async def answer_after_suspending(_ticket: str) -> str:
    """Give way to the event loop once, as every real awaited component does."""
    await asyncio.sleep(0)
    return ANSWER
