"""Clients that retry by themselves, known by their looks: none of them is imported, none of their code is run."""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from aiguard.check.attempts import allowed_by, attempts_of
from aiguard.check.statically import MISSING, attribute, attributes, is_a, mro, vars_of
from aiguard.guarded import Guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiguard.policy import Policy


@dataclass(frozen=True, slots=True)
class Retrier:
    """
    Something that tries more than once by itself.

    Attributes:
        what: What it is.
        whose: Whose its attempts are, in a word.
        attempts: How often it tries at most; `None` where that is not known.
        remedy: How to let it try once.
        unit: What each of its attempts is.
    """

    what: str
    whose: str
    attempts: int | None
    remedy: str
    unit: str = "requests"


def retrier(thing: object, policies: Mapping[str, Policy]) -> Retrier | None:
    """Return how `thing` retries by itself, or `None`."""
    for recognise in _RECOGNISED:
        found = recognise(thing)
        if found is not None:
            return found
    return _guarded(thing, policies) if issubclass(type(thing), Guarded) else None


def _guarded(thing: Any, policies: Mapping[str, Policy]) -> Retrier | None:
    boundary = thing.boundary
    retry = policies.get(boundary.name, boundary.policy).retry
    attempts = attempts_of(retry)
    if attempts == 1:
        return None
    return Retrier(f"the boundary {boundary.name!r}", "that boundary", attempts, "let one of the two boundaries retry")


def _sdk(thing: object) -> Retrier | None:
    """Recognise the clients that Stainless generates: OpenAI's, Anthropic's, Groq's and others."""
    retries = _over_zero(attribute(thing, "max_retries"))
    if not retries or not any(_is_generated_client(cls) for cls in mro(type(thing))):
        return None
    return Retrier(_class_of(thing), "the client", retries + 1, "make it with `max_retries=0`")


def _is_generated_client(cls: type) -> bool:
    module = vars_of(cls).get("__module__")
    named = type.__getattribute__(cls, "__name__") == "BaseClient"
    return named and isinstance(module, str) and module.endswith("._base_client")


def _langchain(thing: object) -> Retrier | None:
    packages = ("langchain", "langchain_core", "langchain_community", "langchain_openai", "langchain_anthropic")
    if not any(is_a(thing, package) for package in packages):
        return None
    if is_a(thing, "langchain_core", "RunnableRetry"):
        attempts = _over_zero(attribute(thing, "max_attempt_number"))
        return Retrier("`with_retry`", "the chain", attempts, "leave `with_retry` out") if attempts > 1 else None
    retries = _over_zero(attribute(thing, "max_retries"))
    if attribute(thing, "max_retries") is None:  # it leaves that to the client inside
        retries = _over_zero(attribute(attribute(thing, "root_client"), "max_retries"))
    return Retrier(_class_of(thing), "the client", retries + 1, "make it with `max_retries=0`") if retries else None


def _google(thing: object) -> Retrier | None:
    """Recognise what every client of google-genai keeps; it retries only where it was told to."""
    if not is_a(thing, "google.genai", "BaseApiClient"):
        return None
    attempts = allowed_by(attribute(attribute(thing, "_retry"), "stop"))
    if attempts is None or attempts == 1:
        return None
    return Retrier("google.genai.Client", "the client", attempts, "set `attempts` of its `HttpRetryOptions` to 1")


def _litellm(thing: object) -> Retrier | None:
    retries = _over_zero(attribute(thing, "num_retries"))
    is_module = issubclass(type(thing), ModuleType) and attribute(thing, "__name__") == "litellm"
    if not retries or not (is_module or is_a(thing, "litellm")):
        return None
    return Retrier("litellm", "litellm", retries + 1, "set its `num_retries` to 0")


def _tenacity(thing: object) -> Retrier | None:
    """Recognise a function that tenacity decorated, and tenacity's own object."""
    decorated = type(thing) is FunctionType
    loop = attribute(thing, "retry") if decorated else thing
    if loop is MISSING or not is_a(loop, "tenacity", "BaseRetrying"):
        return None
    stop = attribute(loop, "stop")
    attempts = allowed_by(stop)
    if attempts == 1:
        return None
    remedy = "leave tenacity's `@retry` out" if decorated else "leave tenacity out"
    return Retrier("tenacity", "tenacity", attempts, f"{remedy}: the boundary retries")


def _pool(thing: object) -> Retrier | None:
    """Recognise the connection pool of an httpx transport: it connects again, and sends nothing twice."""
    for package, transport in (("httpcore", "httpx"), ("httpcore2", "httpx2")):
        if is_a(thing, package):
            retries = _over_zero(attribute(thing, "_retries"))
            remedy = "make it with `retries=0`"
            what = f"{transport}'s transport"
            return Retrier(what, "the transport", retries + 1, remedy, "connections") if retries else None
    return None


def _adapter(thing: object) -> Retrier | None:
    if not is_a(thing, "requests", "HTTPAdapter"):
        return None
    policy = attribute(thing, "max_retries")
    retries = _over_zero(attribute(policy, "total"))
    remedy = "mount one with `max_retries=0`"
    return Retrier("an adapter of requests", "the adapter", retries + 1, remedy) if retries else None


_RECOGNISED: Final[tuple[Callable[[object], Retrier | None], ...]] = (
    _sdk,
    _langchain,
    _google,
    _litellm,
    _tenacity,
    _pool,
    _adapter,
)

KEYWORDS: Final = ("max_retries", "num_retries")
"""What calls of clients are told by; `functools.partial` keeps it."""


def by_keyword(keywords: Mapping[str, object]) -> Retrier | None:
    """Return how what is called with `keywords` retries."""
    for name in KEYWORDS:
        retries = _over_zero(keywords.get(name))
        if retries:
            return Retrier(f"`{name}={retries}`", "the client", retries + 1, f"set `{name}` to 0")
    return None


def holds_clients(thing: object) -> bool:
    """Whether `thing` is of a package whose objects keep clients."""
    return bool(attributes(thing)) and any(is_a(thing, package) for package in _HOLDERS)


_HOLDERS: Final = (
    "anthropic",
    "google",
    "httpx",
    "httpx2",
    "langchain",
    "langchain_anthropic",
    "langchain_community",
    "langchain_core",
    "langchain_openai",
    "litellm",
    "openai",
    "requests",
)


def _over_zero(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _class_of(thing: object) -> str:
    cls = type(thing)
    module = vars_of(cls).get("__module__")
    name = type.__getattribute__(cls, "__name__")
    return f"{module.partition('.')[0]}.{name}" if isinstance(module, str) else name
