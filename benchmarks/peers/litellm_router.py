"""
LiteLLM's `Router` with retries, cooldowns and a fallback, pydantic after it.

Its page on routing, "Basic Reliability": `num_retries`, `allowed_fails` and `cooldown_time`, `fallbacks`,
`default_max_parallel_requests` (for async calls alone), the default routing strategy. Its `timeout` is for the HTTP
client of a real provider, and nothing else enforces it. The fallback's deployment is faked by `mock_response`, as its
page on mock requests shows. The component's own is a `CustomLLM`, as its page on custom servers puts a function behind
a model's name: a mock answers by itself, so that nobody could see how often it is asked, and costs more in async.
"""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import fetches a price list over the network

import litellm
from pydantic import ValidationError

from benchmarks.workload import (
    ATTEMPT_TIMEOUT,
    ATTEMPTS,
    OPEN_FOR,
    PERMITS,
    AsyncComponent,
    Component,
    Triage,
    fallback,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

PROVIDER = "benchmark"

_components: dict[str, Any] = {}  # by the name of the model that each of them plays
_numbers = count(1)


def _said(text: str) -> Any:
    return litellm.ModelResponse(choices=[{"message": {"role": "assistant", "content": text}}])


class _Models(litellm.CustomLLM):  # type: ignore[misc] # not installed where types are checked
    def completion(self, *_args: Any, model: str, messages: Any, **_settings: Any) -> Any:
        return _said(_components[model](messages[-1]["content"]))

    async def acompletion(self, *_args: Any, model: str, messages: Any, **_settings: Any) -> Any:
        return _said(await _components[model](messages[-1]["content"]))


litellm.custom_provider_map = [{"provider": PROVIDER, "custom_handler": _Models()}]


def _router(component: Any) -> Any:
    name = f"component-{next(_numbers)}"
    _components[name] = component
    rules = {"model": "openai/rules", "api_key": "none", "mock_response": fallback().model_dump_json()}
    return litellm.Router(
        model_list=[
            {"model_name": "triage", "litellm_params": {"model": f"{PROVIDER}/{name}"}},
            {"model_name": "rules", "litellm_params": rules},
        ],
        fallbacks=[{"triage": ["rules"]}],
        num_retries=ATTEMPTS - 1,
        timeout=ATTEMPT_TIMEOUT,
        allowed_fails=5,
        cooldown_time=OPEN_FOR,
        default_max_parallel_requests=PERMITS,
    )


def _asked(ticket: str) -> dict[str, Any]:
    return {"model": "triage", "messages": [{"role": "user", "content": ticket}]}


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""
    router = _router(component)

    async def triage(ticket: str) -> Triage:
        try:
            response = await router.acompletion(**_asked(ticket))
            return Triage.model_validate_json(response.choices[0].message.content)
        except ValidationError:  # does not reach the router's fallback
            return fallback()

    return triage


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component."""
    router = _router(component)

    def triage(ticket: str) -> Triage:
        try:
            response = router.completion(**_asked(ticket))
            return Triage.model_validate_json(response.choices[0].message.content)
        except ValidationError:  # does not reach the router's fallback
            return fallback()

    return triage
