"""OpenAI's own client: chat completions and responses, in one piece, as a stream, and parsed."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import FailureKind as K
from aiguard.testing import FaultServer, RawReply
from tests.clients.cell import MESSAGES, RETURNED, Cell, Client, Health

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class Opened(NamedTuple):
    """A client, an asynchronous one made anew for each loop, and the adapter."""

    client: Any
    module: Any
    url: str
    component: Any


@contextmanager
def opened(server: FaultServer) -> Iterator[Opened]:
    """Yield the client, its own retries off."""
    openai = import_module("openai")

    from aiguard.integrations.openai import component  # noqa: PLC0415 - as above

    with openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0) as client:
        yield Opened(client, openai, server.openai_url, component)


def chat(it: Opened, model: str, patience: float) -> Any:
    """Return a chat completion."""
    return it.client.chat.completions.create(model=model, messages=MESSAGES, timeout=patience)


def responses(it: Opened, model: str, patience: float) -> Any:
    """Return a response."""
    return it.client.responses.create(model=model, input="?", timeout=patience)


def embeddings(it: Opened, model: str, patience: float) -> Any:
    """Return vectors; as an answer of the contract, for they are none of its own."""
    it.client.embeddings.create(model=model, input="?", timeout=patience)
    return {"fine": True}


async def chat_async(it: Opened, model: str, patience: float) -> Any:
    """Return a chat completion of the asynchronous client."""
    async with it.module.AsyncOpenAI(base_url=it.url, api_key="none", max_retries=0) as client:
        return await client.chat.completions.create(model=model, messages=MESSAGES, timeout=patience)


def parsed(it: Opened, model: str, patience: float) -> Any:
    """Return what the client itself has parsed."""
    asked = it.client.chat.completions.parse(model=model, messages=MESSAGES, response_format=Health, timeout=patience)
    return asked.choices[0].message.parsed


def parsed_response(it: Opened, model: str, patience: float) -> Any:
    """Return what the client itself has parsed of a response."""
    return it.client.responses.parse(model=model, input="?", text_format=Health, timeout=patience).output_parsed


def stream(it: Opened, model: str, patience: float) -> Iterator[Any]:
    """Yield the chunks of a chat completion."""
    yield from it.client.chat.completions.create(model=model, messages=MESSAGES, stream=True, timeout=patience)


def adapted(it: Opened, model: str, patience: float) -> Any:
    """Return a chat completion, by the adapter."""
    return it.component(it.client.chat.completions.create)(model=model, messages=MESSAGES, timeout=patience)


def adapted_parse(it: Opened, model: str, patience: float) -> Any:
    """Return what the client itself has parsed, by the adapter."""
    asked = it.component(it.client.chat.completions.parse)(
        model=model, messages=MESSAGES, response_format=Health, timeout=patience
    )
    return asked.choices[0].message.parsed


def adapted_response(it: Opened, model: str, patience: float) -> Any:
    """Return a response, by the adapter."""
    return it.component(it.client.responses.create)(model=model, input="?", timeout=patience)


def adapted_stream(it: Opened, model: str, patience: float) -> Iterator[Any]:
    """Yield the chunks of a chat completion, by the adapter."""
    create = it.component(it.client.chat.completions.create)
    yield from create(model=model, messages=MESSAGES, stream=True, timeout=patience)


def adapted_response_stream(it: Opened, model: str, patience: float) -> Iterator[Any]:
    """Yield the events of a response, by the adapter."""
    yield from it.component(it.client.responses.create)(model=model, input="?", stream=True, timeout=patience)


async def _collected(events: AsyncIterator[Any]) -> list[Any]:
    return [event async for event in events]


async def adapted_async_stream(it: Opened, model: str, patience: float) -> Any:
    """Return an answer once a stream of the asynchronous client, by the adapter, has ended."""
    async with it.module.AsyncOpenAI(base_url=it.url, api_key="none", max_retries=0) as client:
        create = it.component(client.chat.completions.create)
        await _collected(await create(model=model, messages=MESSAGES, stream=True, timeout=patience))
    return {"fine": True}


def error(status: int, code: str | None, kind: str = "invalid_request_error") -> RawReply:
    """Return an error in OpenAI's form, without a word in its message."""
    return RawReply(status, {"error": {"message": "", "type": kind, "param": None, "code": code}})


def event(data: str) -> RawReply:
    """Return a stream of one event."""
    return RawReply(200, f"data: {data}\n\n", "text/event-stream")


FAILED: Final = RawReply(
    200,
    {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "failed",
        "error": {"code": "server_error", "message": ""},
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "m",
        "output": [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    },
)


def completion(choices: Any) -> RawReply:
    """Return a chat completion with these choices."""
    return RawReply(200, {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices})


CLIENT: Final = Client(
    "openai",
    "openai",
    opened,
    raised=(
        Cell(K.TIMEOUT, "openai.APITimeoutError", "hang-before-headers", chat),
        Cell(K.TIMEOUT, "openai.APITimeoutError", "hang-mid-body", responses),
        Cell(K.TIMEOUT, "openai.APITimeoutError", "hang-before-headers", chat_async),
        Cell(K.TIMEOUT, "openai.APITimeoutError", "hang-before-headers", adapted),
        Cell(K.TIMEOUT, "openai.APIStatusError", error(408, None), chat),
        Cell(K.TIMEOUT, "openai.InternalServerError", "504", chat),
        Cell(K.CONNECTION, "openai.APIConnectionError", "reset-before-headers", chat),
        Cell(K.CONNECTION, "openai.APIConnectionError", "cut-before-headers", chat_async),
        Cell(K.CONNECTION, "openai.APIConnectionError", "reset-mid-body", adapted),
        Cell(K.RATE_LIMITED, "openai.RateLimitError", "429-retry-after:3", chat, 3.0),
        Cell(K.RATE_LIMITED, "openai.RateLimitError", "429-retry-ms:3", responses, 3.0),
        Cell(K.RATE_LIMITED, "openai.RateLimitError", "429", adapted),
        Cell(K.QUOTA_EXHAUSTED, "openai.RateLimitError", "quota", chat),
        Cell(K.QUOTA_EXHAUSTED, "openai.BadRequestError", error(400, "billing_hard_limit_reached"), chat),
        Cell(K.QUOTA_EXHAUSTED, "openai.RateLimitError", error(429, "billing_hard_limit_reached"), chat),
        Cell(K.OVERLOADED, "openai.InternalServerError", "503", chat),
        Cell(K.OVERLOADED, "openai.InternalServerError", "529", embeddings),
        Cell(K.OVERLOADED, "openai.APIError", event('{"error": {"code": "server_is_overloaded"}}'), stream),
        Cell(K.OVERLOADED, "openai.APIError", event('{"error": {"code": "service_unavailable"}}'), stream),
        Cell(K.SERVER_ERROR, "openai.InternalServerError", "500", chat),
        Cell(K.SERVER_ERROR, "openai.InternalServerError", "502", responses),
        Cell(K.SERVER_ERROR, "openai.ConflictError", error(409, None), chat),
        Cell(K.SERVER_ERROR, "openai.APIError", "error-in-200", stream),
        Cell(K.AUTH, "openai.AuthenticationError", "401", chat),
        Cell(K.AUTH, "openai.PermissionDeniedError", "403", chat_async),
        Cell(K.NOT_FOUND, "openai.NotFoundError", "404", embeddings),
        Cell(K.BAD_REQUEST, "openai.BadRequestError", "400", chat),
        Cell(K.BAD_REQUEST, "openai.UnprocessableEntityError", error(422, None), chat),
        Cell(K.BAD_REQUEST, "openai.APIStatusError", error(413, None), chat),
        Cell(K.CONTEXT_LENGTH, "openai.BadRequestError", "context-length", chat),
        Cell(K.CONTENT_FILTER, "openai.BadRequestError", error(400, "content_filter"), chat),
        Cell(K.CONTENT_FILTER, "openai.BadRequestError", error(400, "content_policy_violation"), responses),
        Cell(K.CONTENT_FILTER, "openai.ContentFilterFinishReasonError", "content-filter", parsed),
        Cell(K.TRUNCATED, "openai.LengthFinishReasonError", "truncated", parsed),
        Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", RawReply(200, '{"id": '), chat),
        Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", "malformed-event", stream),
        Cell(K.MALFORMED_OUTPUT, "pydantic_core.ValidationError", "garbage", parsed),
        Cell(
            K.SCHEMA_VIOLATION,
            "pydantic_core.ValidationError",
            completion([{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "{}"}}]),
            parsed,
        ),
        Cell(K.MALFORMED_OUTPUT, "pydantic_core.ValidationError", "garbage", parsed_response),
    ),
    returned=(
        Cell(K.TRUNCATED, RETURNED, "truncated", chat),
        Cell(K.TRUNCATED, RETURNED, "truncated", responses),
        Cell(K.TRUNCATED, RETURNED, "truncated", adapted),
        Cell(K.TRUNCATED, RETURNED, "truncated", adapted_response),
        Cell(K.TRUNCATED, RETURNED, "truncated", adapted_parse),
        Cell(K.TRUNCATED, RETURNED, "truncated", adapted_stream),
        Cell(K.TRUNCATED, RETURNED, "truncated", adapted_response_stream),
        Cell(K.REFUSAL, RETURNED, "refusal", chat),
        Cell(K.REFUSAL, RETURNED, "refusal", responses),
        Cell(K.REFUSAL, RETURNED, "refusal", adapted_parse),
        Cell(K.REFUSAL, RETURNED, "refusal", adapted_stream),
        Cell(K.REFUSAL, RETURNED, "refusal", adapted_response_stream),
        Cell(K.CONTENT_FILTER, RETURNED, "content-filter", chat),
        Cell(K.CONTENT_FILTER, RETURNED, "content-filter", responses),
        Cell(K.CONTENT_FILTER, RETURNED, "content-filter", adapted_stream),
        Cell(K.PROVIDER_FAILED, RETURNED, FAILED, responses),
        Cell(K.PROVIDER_FAILED, RETURNED, FAILED, adapted_response),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", chat),
        Cell(K.EMPTY_OUTPUT, RETURNED, "null", responses),
        Cell(K.EMPTY_OUTPUT, RETURNED, "null", adapted),
        Cell(K.EMPTY_OUTPUT, RETURNED, "null", adapted_parse),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", adapted_stream),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", adapted_response_stream),
        Cell(K.EMPTY_OUTPUT, RETURNED, completion([]), chat),
        Cell(K.EMPTY_OUTPUT, RETURNED, completion(None), adapted),
        Cell(K.MALFORMED_TRANSPORT, RETURNED, "html", adapted),
        Cell(K.STREAM_INTERRUPTED, RETURNED, "no-terminator", adapted_stream),
        Cell(K.STREAM_INTERRUPTED, RETURNED, "no-terminator", adapted_response_stream),
        Cell(K.STREAM_INTERRUPTED, RETURNED, "no-terminator", adapted_async_stream),
    ),
    environments=("test", "clients-frameworks", "clients-openai2"),
)
