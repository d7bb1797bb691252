"""Every way of writing the workload that is measured, and what each of them has."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, TypeAlias

Shape: TypeAlias = Literal["asynchronous", "synchronous", "threaded"]
"""The function of a peer's module that puts it around a component."""

Features: TypeAlias = tuple[str, ...]

FEATURES: Features = ("deadline", "timeout", "retry", "breaker", "bulkhead")
"""
What one may have and another not: no attempt or wait begins past the deadline; a timeout ends an attempt that hangs.

Validation and a fallback are in all of them, pydantic's and an `except` where a library brings none of its own. No
function can be interrupted in its caller's thread: called like that, none has a timeout that holds.
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """
    One way of writing the workload.

    Attributes:
        name: Its key in the report.
        label: What people read.
        module: Where it is written, below `benchmarks.peers`; its docstring says whose documentation it follows.
        package: The distribution it is made of.
        asynchronous: What it has around a coroutine function; `None` where it has nothing for one.
        synchronous: The same for a function that runs in its caller's thread.
        threaded: The same for a function that it puts into another thread, where it can be left behind.
    """

    name: str
    label: str
    module: str
    package: str
    asynchronous: Features | None = None
    synchronous: Features | None = None
    threaded: Features | None = None

    @property
    def installed(self) -> bool:
        """Whether this environment has its package."""
        try:
            version(self.package)
        except PackageNotFoundError:
            return False
        return True

    def has(self, shape: Shape) -> Features | None:
        """Return what it has in this shape."""
        features: Features | None = getattr(self, shape)
        return features

    def wrap(self, shape: Shape, component: Any) -> Any:
        """Return the component with this around it; some of them want that done in a running event loop."""
        return getattr(import_module(f"benchmarks.peers.{self.module}"), shape)(component)


FLOOR = Peer(
    "floor",
    "by hand: deadline, validation, fallback",
    "floor",
    "pydantic",
    asynchronous=("deadline", "timeout"),
    synchronous=("deadline",),
)
COMPOSED = Peer(
    "composed",
    "tenacity + pybreaker + pydantic",
    "composed",
    "pybreaker",
    asynchronous=("deadline", "timeout", "retry", "breaker"),
    synchronous=("deadline", "retry", "breaker"),
    threaded=("deadline", "timeout", "retry", "breaker"),
)
GUARD = Peer(
    "guard",
    "aiguard, every stage on",
    "guarded",
    "aiguard-boundary",
    asynchronous=FEATURES,
    synchronous=("deadline", "retry", "breaker", "bulkhead"),
    threaded=FEATURES,
)
INTERLOCK = Peer(
    "interlock",
    "interlock-cb pipeline + pydantic",
    "interlock_pipeline",
    "interlock-cb",
    asynchronous=("timeout", "retry", "breaker", "bulkhead"),
    synchronous=("retry", "breaker", "bulkhead"),
    threaded=("timeout", "retry", "breaker", "bulkhead"),
)

LIBRARIES = (
    FLOOR,
    Peer(
        "circuitbreaker",
        "circuitbreaker + pydantic",
        "circuitbreaker_decorator",
        "circuitbreaker",
        asynchronous=("breaker",),
        synchronous=("breaker",),
    ),
    Peer(
        "purgatory",
        "purgatory + pydantic",
        "purgatory_decorator",
        "purgatory",
        asynchronous=("breaker",),
        synchronous=("breaker",),
    ),
    Peer(
        "stamina",
        "stamina + pydantic",
        "stamina_decorator",
        "stamina",
        asynchronous=("deadline", "retry"),
        synchronous=("deadline", "retry"),
    ),
    Peer(
        "hyx",
        "hyx + pydantic",
        "hyx_decorators",
        "hyx",
        asynchronous=("timeout", "retry", "breaker", "bulkhead"),
    ),
    GUARD,
    COMPOSED,
    INTERLOCK,
)
"""They run in the benchmark's own process."""

FRAMEWORKS = (
    Peer(
        "langchain",
        "LangChain: with_retry, with_fallbacks",
        "langchain_runnable",
        "langchain-core",
        asynchronous=("retry",),
        synchronous=("retry",),
    ),
    Peer(
        "pydantic-ai-direct",
        "Pydantic AI: FallbackModel, direct",
        "pydantic_ai_direct",
        "pydantic-ai-slim",
        asynchronous=("timeout", "bulkhead"),
        synchronous=("bulkhead",),
    ),
    Peer(
        "pydantic-ai-agent",
        "Pydantic AI: Agent, ModelFallback",
        "pydantic_ai_agent",
        "pydantic-ai-slim",
        asynchronous=("timeout", "bulkhead"),
        synchronous=("bulkhead",),
    ),
    Peer(
        "litellm",
        "LiteLLM Router with fallbacks",
        "litellm_router",
        "litellm",
        asynchronous=("retry", "breaker", "bulkhead"),
        synchronous=("retry", "breaker"),
    ),
)
"""Each runs in a process of its own, in the environment that the frameworks share."""
