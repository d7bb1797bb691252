"""
The span of one request to a provider, as the GenAI conventions name it, where aiguard's adapters send the request.

    aiguard.call ticket-triage
    └─ aiguard.attempt ticket-triage
        └─ chat gpt-x                 CLIENT: provider, model, tokens

Whoever draws it, it is drawn once, and no other span has `gen_ai.usage.*`: two would be billed twice by whatever adds
them up. So `auto` draws it only where no instrumentation of a GenAI library is active; `own` keeps those quiet that
can be kept quiet; and neither draws one inside another's.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode

from aiguard.call import logger
from aiguard.clock import SYSTEM
from aiguard.contract.breach import Breach, class_name
from aiguard.telemetry import metrics, names, spans
from aiguard.telemetry.settings import SETTINGS
from aiguard.usage import Usage, report_usage, total_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

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

_OPERATIONS: Final = (
    ("/chat/completions", "chat"),
    ("/responses", "chat"),
    ("/messages", "chat"),
    ("/embeddings", "embeddings"),
    ("/completions", "text_completion"),
)


def is_own() -> bool:
    """Whether instrumentations of GenAI libraries are to be kept quiet."""
    return SETTINGS.genai_spans == "own" and spans.is_traced()


def hush() -> object:
    """Keep active instrumentations quiet in this context; return what `unhush` needs, `None` where there are none."""
    return context.attach(_hushed(context.get_current())) if active_instrumentations() else None


def unhush(token: Any) -> None:
    """Undo `hush`, in the same context."""
    if token is not None:
        context.detach(token)


def _hushed(within: Context) -> Context:
    for key in _QUIET:
        within = context.set_value(key, value=True, context=within)
    util: Any = sys.modules.get("opentelemetry.util.genai.invocation")
    if util is not None:  # inside another's invocation the official ones draw nothing, and give what they know to it
        for kind in ("INFERENCE", "EMBEDDING"):
            key, data = f"CLIENT_{kind}_CONTEXT_KEY", f"{kind.title()}Data"
            if hasattr(util, key) and hasattr(util, data):
                within = context.set_value(getattr(util, key), getattr(util, data)(), within)
    return within


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


_told: set[str] = set()


def _is_drawn() -> bool:
    """Whether aiguard draws the spans of requests; the choice is logged once, and again where it changes."""
    chosen = SETTINGS.genai_spans
    if chosen == "off":
        return False
    others = active_instrumentations() if chosen == "auto" else []
    said = f"drawn by {', '.join(others)}" if others else "drawn by aiguard"
    if said not in _told:
        _told.add(said)
        logger.info("genai_spans=%s: the spans of requests to providers are %s", chosen, said)
    return not others


def operation_of(path: str) -> str | None:
    """Return what a request to `path` does, in the words of the conventions; `None` for what they have none for."""
    return next((operation for end, operation in _OPERATIONS if path.endswith(end)), None)


def begin(provider: str, operation: str | None, model: object, address: str | None, *, streams: bool) -> Request | None:
    """
    Begin the span of a request.

    Args:
        provider: The conventions' word for who answers.
        operation: Their word for what is done.
        model: What is asked for.
        address: The server's name.
        streams: Whether the answer is a stream.

    Returns:
        The request; `None` where nobody traces, or somebody else draws it.
    """
    if operation is None or not spans.is_traced() or not _is_drawn():
        return None
    around = trace.get_current_span()
    above: Mapping[str, AttributeValue] = getattr(around, "attributes", None) or {}
    if names.GEN_AI_OPERATION in above:
        return None  # somebody draws it already
    attributes: dict[str, AttributeValue] = {names.GEN_AI_OPERATION: operation, names.GEN_AI_PROVIDER: provider}
    attributes |= {name: above[name] for name in (names.BOUNDARY, names.OWNER) if name in above}
    if isinstance(model, str):
        model = model[: names.LONGEST]
        attributes[names.GEN_AI_REQUEST_MODEL] = model
    if address is not None:
        attributes[names.SERVER_ADDRESS] = address
    if streams:
        attributes[names.GEN_AI_REQUEST_STREAM] = True
    name = f"{operation} {model}" if isinstance(model, str) else operation
    try:
        return Request(spans.tracer().start_span(name, kind=SpanKind.CLIENT, attributes=attributes))
    except Exception as error:  # noqa: BLE001 - a sampler's or a processor's fault must not become the caller's
        metrics.lost(names.SPANS)
        logger.warning("a span could not be started: %s", type(error).__name__)
        return None


class Request:
    """One request to a provider, from its sending to the end of its answer."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._begun = SYSTEM.now()
        self._used: list[Usage] = []
        self._seen = False
        self._over = False
        within = trace.set_span_in_context(span)
        self._within = _hushed(within) if is_own() and active_instrumentations() else within

    def enter(self) -> Any:
        """Make its span the current one; return what `leave` needs."""
        return context.attach(self._within)

    def leave(self, token: Any) -> None:
        """Undo `enter`, in the same context."""
        context.detach(token)

    def report(self, usage: Usage) -> None:
        """Take note of what was used, and report it to the attempt under way."""
        self._used.append(usage)
        report_usage(usage)

    def chunk(self) -> None:
        """Note that a chunk of a stream is there: of the first, how long it took."""
        if self._seen:
            return
        self._seen = True
        if self._span.is_recording():
            self._span.set_attribute(names.GEN_AI_FIRST_CHUNK, SYSTEM.now() - self._begun)

    def failed(self, error: BaseException) -> None:
        """
        End it, as failed: of the error its status code is told, or its class.

        A request that was called off has not failed, nor has one whose answer is no good.
        """
        status = getattr(error, "status_code", None)
        kind = str(status) if isinstance(status, int) else class_name(error)
        is_failure = isinstance(error, Exception) and not isinstance(error, Breach)
        if is_failure and not self._over and self._span.is_recording():
            self._span.set_attribute(names.ERROR_TYPE, kind)
            self._span.set_status(StatusCode.ERROR, kind)
        self.end()

    def end(self) -> None:
        """End it, once, with what was used."""
        if self._over:
            return
        self._over = True
        try:
            used = total_of(self._used)
            if used is not None and self._span.is_recording():
                said: dict[str, AttributeValue] = {
                    names.GEN_AI_INPUT_TOKENS: used.input,
                    names.GEN_AI_OUTPUT_TOKENS: used.output,
                }
                if used.cached:
                    said[names.GEN_AI_CACHED_TOKENS] = used.cached
                if used.model is not None:
                    said[names.GEN_AI_RESPONSE_MODEL] = used.model[: names.LONGEST]
                self._span.set_attributes(said)
            self._span.end()
        except Exception as error:  # noqa: BLE001 - a processor's fault must not become the caller's
            metrics.lost(names.SPANS)
            logger.warning("a span could not be ended: %s", type(error).__name__)

    def drawn(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """Return a stream's chunks; the span ends with them, or when nobody holds them any more."""
        return _Chunks(chunks, self)

    def drawn_async(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Return a stream's chunks; the span ends with them, or when nobody holds them any more."""
        return _AsyncChunks(chunks, self)


class _Drawn:
    """Chunks whose request is over when they are: also where nobody asked for the first of them."""

    __slots__ = ("_chunks", "_request")

    def __init__(self, chunks: Any, request: Request) -> None:
        self._chunks = chunks
        self._request = request

    def __del__(self) -> None:
        self._request.end()

    def _ended(self, error: BaseException) -> None:
        if isinstance(error, StopIteration | StopAsyncIteration):
            self._request.end()
        else:
            self._request.failed(error)


class _Chunks(_Drawn):
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._chunks)
        except BaseException as error:
            self._ended(error)
            raise
        self._request.chunk()
        return chunk

    def close(self) -> None:
        """Close them."""
        self._chunks.close()
        self._request.end()


class _AsyncChunks(_Drawn):
    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await self._chunks.__anext__()
        except BaseException as error:
            self._ended(error)
            raise
        self._request.chunk()
        return chunk

    async def aclose(self) -> None:
        """Close them."""
        await self._chunks.aclose()
        self._request.end()
