"""Google's client for Gemini: `generate_content`, in one piece and as a stream."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import FailureKind as K
from aiguard.testing import FaultServer, RawReply
from tests.clients.cell import IN_WORDS, RETURNED, Cell, Client, Health

if TYPE_CHECKING:
    from collections.abc import Iterator


class Opened(NamedTuple):
    """A client, what makes another one, and the adapter."""

    client: Any
    made: Any
    component: Any


@contextmanager
def opened(server: FaultServer) -> Iterator[Opened]:
    """Yield the client, its own retries off."""
    genai = import_module("google.genai")

    from aiguard.integrations.google import component  # noqa: PLC0415 - as above

    options = genai.types.HttpOptions(base_url=server.gemini_url, retry_options={"attempts": 1})

    def made() -> Any:
        return genai.Client(api_key="none", http_options=options)

    with made() as client:
        yield Opened(client, made, component)


def _config(patience: float, **more: Any) -> Any:
    return {"http_options": {"timeout": int(patience * 1000)}, **more}


def generate(it: Opened, model: str, patience: float) -> Any:
    """Return a response."""
    return it.client.models.generate_content(model=model, contents="?", config=_config(patience))


async def generate_async(it: Opened, model: str, patience: float) -> Any:
    """Return a response of the asynchronous client: by aiohttp where that is installed, else by httpx2."""
    with it.made() as client:
        try:
            return await client.aio.models.generate_content(model=model, contents="?", config=_config(patience))
        finally:
            await client.aio.aclose()


def stream(it: Opened, model: str, patience: float) -> Iterator[Any]:
    """Yield the responses of a stream."""
    yield from it.client.models.generate_content_stream(model=model, contents="?", config=_config(patience))


def parsed(it: Opened, model: str, patience: float) -> Any:
    """Return a response that the client itself has parsed, or not."""
    config = _config(patience, response_mime_type="application/json", response_schema=Health)
    return it.component(it.client.models.generate_content)(model=model, contents="?", config=config)


def adapted(it: Opened, model: str, patience: float) -> Any:
    """Return a response, by the adapter."""
    return it.component(it.client.models.generate_content)(model=model, contents="?", config=_config(patience))


def adapted_stream(it: Opened, model: str, patience: float) -> Iterator[Any]:
    """Yield the responses of a stream, by the adapter."""
    create = it.component(it.client.models.generate_content_stream)
    yield from create(model=model, contents="?", config=_config(patience))


def error(status: int, word: str, message: str = "", *details: Any) -> RawReply:
    """Return an error in Google's form."""
    return RawReply(status, {"error": {"code": status, "message": message, "status": word, "details": list(details)}})


def ended(reason: str, text: str = "") -> RawReply:
    """Return a response whose candidate finished for this reason."""
    candidate: dict[str, Any] = {"index": 0, "finishReason": reason}
    if text:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    return RawReply(200, {"candidates": [candidate]})


NO_KEY: Final = error(
    400,
    "INVALID_ARGUMENT",
    "API key not valid. Please pass a valid API key.",
    {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
)
BILLING: Final = error(
    400,
    "FAILED_PRECONDITION",
    "Gemini API free tier is not available in your country. Please enable billing on your project.",
)

CLIENT: Final = Client(
    "google-genai",
    "google.genai",
    opened,
    raised=(
        Cell(K.TIMEOUT, "httpx2.ReadTimeout", "hang-before-headers", generate),
        Cell(K.TIMEOUT, "httpx2.ReadTimeout / builtins.TimeoutError", "hang-before-headers", generate_async),
        Cell(K.TIMEOUT, "httpx2.ReadTimeout", "hang-mid-stream", stream),
        Cell(K.TIMEOUT, "google.ClientError", error(408, "DEADLINE_EXCEEDED"), generate),
        Cell(K.TIMEOUT, "google.ServerError", "504", generate),
        Cell(K.CONNECTION, "httpx2.ReadError", "reset-before-headers", generate),
        Cell(K.CONNECTION, "httpx2.RemoteProtocolError", "cut-before-headers", generate),
        Cell(K.CONNECTION, "httpx2.RemoteProtocolError", "cut-mid-stream", adapted_stream),
        Cell(K.RATE_LIMITED, "google.ClientError", "429", generate),
        Cell(K.RATE_LIMITED, "google.ClientError", "429-retry-info:3", generate, 3.0),
        Cell(K.QUOTA_EXHAUSTED, "google.ClientError", "quota", generate),
        Cell(K.QUOTA_EXHAUSTED, "google.ClientError", BILLING, generate, None, K.BAD_REQUEST, IN_WORDS),
        Cell(K.OVERLOADED, "google.ServerError", "503", generate),
        Cell(K.OVERLOADED, "google.ServerError", "error-in-200", stream),
        Cell(K.SERVER_ERROR, "google.ServerError", "500", generate),
        Cell(K.SERVER_ERROR, "google.ServerError", "502", generate),
        Cell(K.AUTH, "google.ClientError", "401", generate),
        Cell(K.AUTH, "google.ClientError", "403", generate_async),
        Cell(K.AUTH, "google.ClientError", NO_KEY, generate),
        Cell(K.NOT_FOUND, "google.ClientError", "404", generate),
        Cell(K.BAD_REQUEST, "google.ClientError", "400", generate),
        Cell(K.CONTEXT_LENGTH, "google.ClientError", "context-length", generate, None, K.BAD_REQUEST, IN_WORDS),
        Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", "html", generate),
        Cell(K.MALFORMED_TRANSPORT, "google.UnknownApiResponseError", "malformed-event", stream),
    ),
    returned=(
        Cell(K.TRUNCATED, RETURNED, "truncated", generate),
        Cell(K.TRUNCATED, RETURNED, ended("CONTINUATION", '{"fine":'), generate),
        Cell(K.TRUNCATED, RETURNED, "truncated", adapted),
        Cell(K.TRUNCATED, RETURNED, "truncated", adapted_stream),
        *[
            Cell(K.CONTENT_FILTER, RETURNED, ended(reason), generate)
            for reason in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR")
        ],
        Cell(K.CONTENT_FILTER, RETURNED, "refusal", adapted),
        Cell(K.CONTENT_FILTER, RETURNED, "content-filter", adapted_stream),
        *[
            Cell(K.PROVIDER_FAILED, RETURNED, ended(reason), generate)
            for reason in ("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "OTHER")
        ],
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", generate),
        Cell(K.EMPTY_OUTPUT, RETURNED, "null", adapted),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", adapted_stream),
        Cell(K.SCHEMA_VIOLATION, RETURNED, ended("STOP", "{}"), parsed),
        Cell(K.STREAM_INTERRUPTED, RETURNED, "no-terminator", adapted_stream),
    ),
    environments=("test", "clients-frameworks"),
)
