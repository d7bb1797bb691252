"""Who else draws the spans of requests to providers, and how they are kept quiet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context

if TYPE_CHECKING:
    from opentelemetry.context import Context

_LIBRARIES: Final = (
    "genai",
    "openai",
    "anthropic",
    "generativeai",
    "vertexai",
    "bedrock",
    "mistral",
    "cohere",
    "litellm",
    "langchain",
    "llama",
    "haystack",
    "crewai",
    "openinference",
)
"""What the modules of GenAI instrumentations are named after."""

_QUIET: Final = (
    "suppress_language_model_instrumentation",
    getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation"),  # no public name, and none other
)
"""What OpenLLMetry and OpenInference look for; the second keeps those of HTTP clients quiet too."""


def active_instrumentations() -> list[str]:
    """Return the modules of the instrumentations of GenAI libraries that are active in this process."""
    instrumentor: Any = sys.modules.get("opentelemetry.instrumentation.instrumentor")
    base = getattr(instrumentor, "BaseInstrumentor", None)
    found: list[str] = []
    waiting: list[Any] = [] if base is None else [base]
    while waiting:
        for cls in waiting.pop().__subclasses__():
            waiting.append(cls)
            one = getattr(cls, "_instance", None)
            if getattr(one, "_is_instrumented_by_opentelemetry", False) and _is_genai(cls.__module__):
                found.append(cls.__module__)
    return [one for one in found if not any(one.startswith(f"{other}.") for other in found)]


def _is_genai(module: str) -> bool:
    return any(library in module for library in _LIBRARIES)


def hushed(within: Context) -> Context:
    """Return a context in which they draw nothing."""
    for key in _QUIET:
        within = context.set_value(key, value=True, context=within)
    util: Any = sys.modules.get("opentelemetry.util.genai.invocation")
    if util is not None:  # inside another's invocation the official ones draw nothing, and give what they know to it
        for kind in ("INFERENCE", "EMBEDDING"):
            key, data = f"CLIENT_{kind}_CONTEXT_KEY", f"{kind.title()}Data"
            if hasattr(util, key) and hasattr(util, data):
                within = context.set_value(getattr(util, key), getattr(util, data)(), within)
    return within


def hush() -> object:
    """Keep active ones quiet in the running context; return what `unhush` needs, `None` where there are none."""
    return context.attach(hushed(context.get_current())) if active_instrumentations() else None


def unhush(token: Any) -> None:
    """Undo `hush`, in the same context."""
    if token is not None:
        context.detach(token)


class HushedManager:
    """
    What an SDK's `stream()` returns, with the others kept quiet while it is entered: only then is the request sent.

    Args:
        manager: The SDK's own, or what an instrumentation has put in its place.
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    def __enter__(self) -> Any:
        token = hush()
        try:
            return self._manager.__enter__()
        finally:
            unhush(token)

    def __exit__(self, *raised: object) -> Any:
        return self._manager.__exit__(*raised)

    async def __aenter__(self) -> Any:
        token = hush()
        try:
            return await self._manager.__aenter__()
        finally:
            unhush(token)

    async def __aexit__(self, *raised: object) -> Any:
        return await self._manager.__aexit__(*raised)
