"""
LangChain: a runnable with `with_retry()` and `with_fallbacks()`.

As the docstrings of `Runnable.with_retry` and of `RunnableWithFallbacks` show them, each on a `RunnableLambda`. The
component and pydantic are called inside that, so that what is measured is LangChain's retry and fallback alone: with a
fake chat model and a `PydanticOutputParser` in their place a call costs 1.5 times as much, 3 times in async. It has
nothing else that a boundary has; a timeout is the model client's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

from benchmarks.workload import ATTEMPTS, AsyncComponent, Component, Triage, fallback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

_RULES = RunnableLambda(lambda _ticket: fallback())


def _contained(ask: Callable[[str], Any]) -> Any:
    return (
        RunnableLambda(ask)
        .with_retry(
            retry_if_exception_type=(ConnectionError, TimeoutError, ValidationError),
            stop_after_attempt=ATTEMPTS,
            exponential_jitter_params={"initial": 0.1, "max": 2.0, "jitter": 0.1},
        )
        .with_fallbacks([_RULES])
    )


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""

    async def ask(ticket: str) -> Triage:
        return Triage.model_validate_json(await component(ticket))

    guarded: Callable[[str], Awaitable[Triage]] = _contained(ask).ainvoke
    return guarded


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component."""

    def ask(ticket: str) -> Triage:
        return Triage.model_validate_json(component(ticket))

    guarded: Callable[[str], Triage] = _contained(ask).invoke
    return guarded
