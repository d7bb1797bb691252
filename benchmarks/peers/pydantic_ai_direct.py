"""
Pydantic AI without an agent: a direct request to a `FallbackModel`, pydantic after it.

The docstrings of `pydantic_ai.direct` and of `ModelFallback`: `FallbackModel` is for a bare model, outside an agent.
Models are faked by `FunctionModel`, as its page on testing has it; `request_timeout` ends an attempt that hangs,
`ConcurrencyLimitedModel` is its bulkhead. It has no retry here: what it has for failed requests is in the HTTP
transport of a real model (its page on retries).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_ai import ModelRequest, ModelResponse, ModelSettings, RequestUsage, TextPart
from pydantic_ai.concurrency import ConcurrencyLimit
from pydantic_ai.direct import model_request, model_request_sync
from pydantic_ai.models.concurrency import ConcurrencyLimitedModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel

from benchmarks.workload import (
    ATTEMPT_TIMEOUT,
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

_SETTINGS = ModelSettings(request_timeout=ATTEMPT_TIMEOUT)
_USAGE = RequestUsage(input_tokens=30, output_tokens=30)  # as a provider reports it; else the fake counts words


def _said(text: str) -> Any:
    return ModelResponse(parts=[TextPart(text)], usage=_USAGE)


async def _rules(_messages: Any, _info: Any) -> Any:
    return _said(fallback().model_dump_json())


def _model(ask: Any) -> Any:
    first = ConcurrencyLimitedModel(FunctionModel(ask, model_name="first"), ConcurrencyLimit(PERMITS, QUEUE))
    return FallbackModel(first, FunctionModel(_rules, model_name="rules"), fallback_on=(Exception,))


def _ticket(messages: Any) -> str:
    ticket: str = messages[-1].parts[-1].content
    return ticket


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""

    async def ask(messages: Any, _info: Any) -> Any:
        return _said(await component(_ticket(messages)))

    model = _model(ask)

    async def triage(ticket: str) -> Triage:
        try:
            prompt = [ModelRequest.user_text_prompt(ticket)]
            return Triage.model_validate_json((await model_request(model, prompt, model_settings=_SETTINGS)).text)
        except ValidationError:  # does not reach the models' fallback
            return fallback()

    return triage


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component, called inside the loop that a sync request runs."""

    async def ask(messages: Any, _info: Any) -> Any:  # a function that is not `async` would get a thread
        return _said(component(_ticket(messages)))

    model = _model(ask)

    def triage(ticket: str) -> Triage:
        try:
            prompt = [ModelRequest.user_text_prompt(ticket)]
            return Triage.model_validate_json(model_request_sync(model, prompt, model_settings=_SETTINGS).text)
        except ValidationError:  # does not reach the models' fallback
            return fallback()

    return triage
