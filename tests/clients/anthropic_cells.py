"""Anthropic's own client: messages, in one piece and as a stream."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import FailureKind as K
from aiguard.testing import FaultServer, RawReply
from tests.clients.cell import IN_WORDS, MESSAGES, RETURNED, Cell, Client, Health

if TYPE_CHECKING:
    from collections.abc import Iterator


class Opened(NamedTuple):
    """A client, its module and the adapter."""

    client: Any
    module: Any
    url: str
    component: Any


@contextmanager
def opened(server: FaultServer) -> Iterator[Opened]:
    """Yield the client, its own retries off."""
    anthropic = import_module("anthropic")

    from aiguard.integrations.anthropic import component  # noqa: PLC0415 - as above

    with anthropic.Anthropic(base_url=server.anthropic_url, api_key="none", max_retries=0) as client:
        yield Opened(client, anthropic, server.anthropic_url, component)


def messages(it: Opened, model: str, patience: float) -> Any:
    """Return a message."""
    return it.client.messages.create(model=model, messages=MESSAGES, max_tokens=9, timeout=patience)


async def messages_async(it: Opened, model: str, patience: float) -> Any:
    """Return a message of the asynchronous client."""
    async with it.module.AsyncAnthropic(base_url=it.url, api_key="none", max_retries=0) as client:
        return await client.messages.create(model=model, messages=MESSAGES, max_tokens=9, timeout=patience)


def stream(it: Opened, model: str, patience: float) -> Iterator[Any]:
    """Yield the events of a message."""
    yield from it.client.messages.create(model=model, messages=MESSAGES, max_tokens=9, stream=True, timeout=patience)


def parsed(it: Opened, model: str, patience: float) -> Any:
    """Return what the client itself has parsed."""
    asked = it.client.messages.parse(
        model=model, messages=MESSAGES, max_tokens=9, output_format=Health, timeout=patience
    )
    return asked.parsed_output


def final_message(it: Opened, model: str, patience: float) -> Any:
    """Return what the client makes of a stream."""
    with it.client.messages.stream(model=model, messages=MESSAGES, max_tokens=9, timeout=patience) as events:
        return events.get_final_message()


def without_a_stream(it: Opened, model: str, patience: float) -> Any:  # noqa: ARG001 - nothing is sent
    """Ask for more than the client waits for without a stream."""
    with it.module.Anthropic(base_url=it.url, api_key="none", max_retries=0) as client:
        return client.messages.create(model=model, messages=MESSAGES, max_tokens=1_000_000)


def adapted(it: Opened, model: str, patience: float) -> Any:
    """Return a message, by the adapter."""
    create = it.component(it.client.messages.create)
    return create(model=model, messages=MESSAGES, max_tokens=9, timeout=patience)


def adapted_stream(it: Opened, model: str, patience: float) -> Iterator[Any]:
    """Yield the events of a message, by the adapter."""
    create = it.component(it.client.messages.create)
    yield from create(model=model, messages=MESSAGES, max_tokens=9, stream=True, timeout=patience)


def error(status: int, kind: str, message: str = "", **more: Any) -> RawReply:
    """Return an error in Anthropic's form."""
    return RawReply(status, {"type": "error", "error": {"type": kind, "message": message, **more}})


def message(stop: str, *texts: str) -> RawReply:
    """Return a message that stopped for this reason."""
    content = [{"type": "text", "text": text} for text in texts]
    usage = {"input_tokens": 1, "output_tokens": 1}
    said = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content, "usage": usage}
    return RawReply(200, said | {"stop_reason": stop, "stop_sequence": None})


SPENT: Final = error(429, "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"})
LOW: Final = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade."

CLIENT: Final = Client(
    "anthropic",
    "anthropic",
    opened,
    raised=(
        Cell(K.TIMEOUT, "anthropic.APITimeoutError", "hang-before-headers", messages),
        Cell(K.TIMEOUT, "anthropic.APITimeoutError", "hang-before-headers", messages_async),
        Cell(K.TIMEOUT, "httpx2.ReadTimeout", "hang-mid-stream", stream),
        Cell(K.TIMEOUT, "anthropic.RequestTimeoutError", error(408, "timeout_error"), messages),
        Cell(K.TIMEOUT, "anthropic.GatewayTimeoutError", "504", messages),
        Cell(K.CONNECTION, "anthropic.APIConnectionError", "reset-before-headers", messages),
        Cell(K.CONNECTION, "httpx2.ReadError", "reset-mid-stream", stream),
        Cell(K.CONNECTION, "httpx2.RemoteProtocolError", "cut-mid-stream", adapted_stream),
        Cell(K.RATE_LIMITED, "anthropic.RateLimitError", "429-retry-after:3", messages, 3.0),
        Cell(K.QUOTA_EXHAUSTED, "anthropic.PaymentRequiredError", "quota", messages),
        Cell(K.QUOTA_EXHAUSTED, "anthropic.EnforcedSpendLimitReachedError", SPENT, messages),
        Cell(
            K.QUOTA_EXHAUSTED,
            "anthropic.BadRequestError",
            error(400, "invalid_request_error", LOW),
            messages,
            None,
            K.BAD_REQUEST,
            IN_WORDS,
        ),
        Cell(K.OVERLOADED, "anthropic.OverloadedError", "529", messages),
        Cell(K.OVERLOADED, "anthropic.ServiceUnavailableError", "503", messages),
        Cell(K.OVERLOADED, "anthropic.APIStatusError", "error-in-200", stream),
        Cell(K.SERVER_ERROR, "anthropic.InternalServerError", "500", messages),
        Cell(K.SERVER_ERROR, "anthropic.InternalServerError", "502", messages_async),
        Cell(K.SERVER_ERROR, "anthropic.ConflictError", error(409, "conflict_error"), messages),
        Cell(K.AUTH, "anthropic.AuthenticationError", "401", messages),
        Cell(K.AUTH, "anthropic.PermissionDeniedError", "403", messages),
        Cell(K.NOT_FOUND, "anthropic.NotFoundError", "404", messages),
        Cell(K.BAD_REQUEST, "anthropic.BadRequestError", "400", messages),
        Cell(K.BAD_REQUEST, "anthropic.ContentTooLargeError", error(413, "request_too_large"), messages),
        Cell(K.BAD_REQUEST, "anthropic.UnprocessableEntityError", error(422, "invalid_request_error"), messages),
        Cell(K.BAD_REQUEST, "builtins.ValueError", "", without_a_stream),
        Cell(K.CONTEXT_LENGTH, "anthropic.BadRequestError", "context-length", messages, None, K.BAD_REQUEST, IN_WORDS),
        Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", RawReply(200, '{"id": '), messages),
        Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", "malformed-event", stream),
        Cell(K.MALFORMED_OUTPUT, "pydantic_core.ValidationError", "garbage", parsed),
        Cell(K.SCHEMA_VIOLATION, "pydantic_core.ValidationError", message("end_turn", "{}"), parsed),
    ),
    returned=(
        Cell(K.TRUNCATED, RETURNED, "truncated", messages),
        Cell(K.TRUNCATED, RETURNED, message("model_context_window_exceeded", '{"fine":'), messages),
        Cell(K.TRUNCATED, RETURNED, "truncated", adapted),
        Cell(K.TRUNCATED, RETURNED, "truncated", adapted_stream),
        Cell(K.REFUSAL, RETURNED, "refusal", messages),
        Cell(K.REFUSAL, RETURNED, message("refusal", "I"), adapted),
        Cell(K.REFUSAL, RETURNED, "refusal", adapted_stream),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", messages),
        Cell(K.EMPTY_OUTPUT, RETURNED, "null", adapted),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", adapted_stream),
        Cell(K.MALFORMED_TRANSPORT, RETURNED, "html", adapted),
        Cell(K.STREAM_INTERRUPTED, RETURNED, "no-terminator", adapted_stream),
        Cell(K.STREAM_INTERRUPTED, RETURNED, "no-terminator", final_message),
    ),
    environments=("test", "clients-frameworks", "clients-openai2"),
)
