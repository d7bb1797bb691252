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

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode

from aiguard.call import logger
from aiguard.clock import SYSTEM
from aiguard.contract.breach import Breach, class_name
from aiguard.telemetry import metrics, names, spans
from aiguard.telemetry.answers import Said
from aiguard.telemetry.instrumentations import active_instrumentations, hushed
from aiguard.telemetry.settings import SETTINGS
from aiguard.usage import Usage, report_usage, total_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

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
        self._said = Said()
        self._seen = False
        self._over = False
        within = trace.set_span_in_context(span)
        self._within = hushed(within) if is_own() and active_instrumentations() else within

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

    def see(self, answer: object) -> None:
        """Take note of what an answer says of itself."""
        if self._span.is_recording():
            self._said.see(answer)

    def chunk(self, event: object) -> None:
        """Take note of what an event of a stream says: of the first, also how long it took."""
        if not self._span.is_recording():
            return
        self._said.see(event)
        if not self._seen:
            self._seen = True
            self._span.set_attribute(names.GEN_AI_FIRST_CHUNK, SYSTEM.now() - self._begun)

    def failed(self, error: BaseException) -> None:
        """
        End it, as failed: of the error its status code is told, or its class.

        A request that was called off has not failed, nor has one whose answer is no good.
        """
        told = (getattr(error, name, None) for name in ("status_code", "code"))
        kind = next((str(status) for status in told if isinstance(status, int)), class_name(error))
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
            if self._span.is_recording():
                self._span.set_attributes(self._known())
            self._span.end()
        except Exception as error:  # noqa: BLE001 - a processor's fault must not become the caller's
            metrics.lost(names.SPANS)
            logger.warning("a span could not be ended: %s", type(error).__name__)

    def _known(self) -> dict[str, AttributeValue]:
        """Return what is known of the answer, as far as it came."""
        known: dict[str, AttributeValue] = {}
        if self._said.id is not None:
            known[names.GEN_AI_RESPONSE_ID] = self._said.id
        if self._said.reasons:
            known[names.GEN_AI_FINISH_REASONS] = self._said.reasons
        used = total_of(self._used)
        if used is not None:
            known[names.GEN_AI_INPUT_TOKENS] = used.input
            known[names.GEN_AI_OUTPUT_TOKENS] = used.output
            if used.cached:
                known[names.GEN_AI_CACHED_TOKENS] = used.cached
            if used.model is not None:
                known[names.GEN_AI_RESPONSE_MODEL] = used.model[: names.LONGEST]
        return known

    def drawn(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """Return a stream's chunks; the span ends with them, or when nobody holds them any more."""
        return _Chunks(chunks, self)

    def drawn_async(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Return a stream's chunks; the span ends with them, or when nobody holds them any more."""
        return _AsyncChunks(chunks, self)


class Drawn:
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


class _Chunks(Drawn):
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._chunks)
        except BaseException as error:
            self._ended(error)
            raise
        self._request.chunk(chunk)
        return chunk

    def close(self) -> None:
        """Close them."""
        self._chunks.close()
        self._request.end()


class _AsyncChunks(Drawn):
    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await self._chunks.__anext__()
        except BaseException as error:
            self._ended(error)
            raise
        self._request.chunk(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close them."""
        await self._chunks.aclose()
        self._request.end()
