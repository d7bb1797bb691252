"""
Pydantic AI's `Agent` with an output type and the `ModelFallback` capability.

The docstring of `ModelFallback` asks to prefer it over `FallbackModel` inside an agent. Models are faked by
`FunctionModel`, as its page on testing has it; the output comes as a tool call, its default for an output type. An
invalid output is asked for again; failed requests are not: what it has for those is in the HTTP transport of a real
model (its page on retries). `request_timeout` ends an attempt that hangs, `max_concurrency` is its bulkhead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_ai import Agent, ModelResponse, ModelSettings, RequestUsage, ToolCallPart, UnexpectedModelBehavior
from pydantic_ai.capabilities import ModelFallback
from pydantic_ai.concurrency import ConcurrencyLimit
from pydantic_ai.models.function import FunctionModel

from benchmarks.workload import (
    ATTEMPT_TIMEOUT,
    ATTEMPTS,
    PERMITS,
    QUEUE,
    AsyncComponent,
    Component,
    Triage,
    fallback,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

_USAGE = RequestUsage(input_tokens=30, output_tokens=30)  # as a provider reports it; else the fake counts words


def _ticket(messages: Any) -> str:
    ticket: str = messages[0].parts[-1].content
    return ticket


def _said(info: Any, arguments: str) -> Any:
    return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, arguments)], usage=_USAGE)


async def _rules(_messages: Any, info: Any) -> Any:
    return _said(info, fallback().model_dump_json())


def _agent(ask: Any) -> Any:
    rules = FunctionModel(_rules, model_name="rules")
    return Agent(
        FunctionModel(ask, model_name="first"),
        output_type=Triage,
        retries={"output": ATTEMPTS - 1},
        model_settings=ModelSettings(request_timeout=ATTEMPT_TIMEOUT),
        max_concurrency=ConcurrencyLimit(PERMITS, QUEUE),
        capabilities=[ModelFallback(rules, fallback_on=(Exception,))],
    )


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""

    async def ask(messages: Any, info: Any) -> Any:
        return _said(info, await component(_ticket(messages)))

    agent = _agent(ask)

    async def triage(ticket: str) -> Triage:
        try:
            answer: Triage = (await agent.run(ticket)).output
        except UnexpectedModelBehavior:  # an output that stays invalid does not reach the models' fallback
            return fallback()
        return answer

    return triage


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component, called inside the loop that `run_sync` runs."""

    async def ask(messages: Any, info: Any) -> Any:  # a function that is not `async` would get a thread
        return _said(info, component(_ticket(messages)))

    agent = _agent(ask)

    def triage(ticket: str) -> Triage:
        try:
            answer: Triage = agent.run_sync(ticket).output
        except UnexpectedModelBehavior:  # an output that stays invalid does not reach the models' fallback
            return fallback()
        return answer

    return triage
