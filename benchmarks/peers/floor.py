"""What a careful person writes inline: a timeout, a validation and a fallback; no breaker, no retry, no library."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.workload import DEADLINE, AsyncComponent, Component, Triage, fallback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""

    async def triage(ticket: str) -> Triage:
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await component(ticket)
            return Triage.model_validate_json(answer)
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component, which nothing can interrupt: an answer that comes too late is refused."""

    def triage(ticket: str) -> Triage:
        late = time.monotonic() + DEADLINE
        try:
            answer = component(ticket)
            if time.monotonic() > late:
                raise TimeoutError  # noqa: TRY301 - inlined on purpose: one more call is what a floor does without
            return Triage.model_validate_json(answer)
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage
