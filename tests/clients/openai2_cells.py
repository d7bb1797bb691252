"""Clients that hold openai below 3: LiteLLM, LlamaIndex, instructor."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import FailureKind as K
from aiguard.testing import FaultServer, RawReply
from tests.clients.cell import MESSAGES, RETURNED, Cell, Client, Health

if TYPE_CHECKING:
    from collections.abc import Iterator


class Opened(NamedTuple):
    """The library, and where to ask."""

    module: Any
    server: FaultServer
    openai: Any = None


@contextmanager
def _litellm(server: FaultServer) -> Iterator[Opened]:
    litellm: Any = import_module("litellm")

    litellm.suppress_debug_info = True
    litellm.enable_json_schema_validation = True
    yield Opened(litellm, server)


def completion(it: Opened, model: str, patience: float) -> Any:
    """Return an answer of OpenAI."""
    return it.module.completion(
        model=f"openai/{model}",
        messages=MESSAGES,
        api_base=it.server.openai_url,
        api_key="none",
        max_retries=0,
        num_retries=0,
        timeout=patience,
    )


def completion_anthropic(it: Opened, model: str, patience: float) -> Any:
    """Return an answer of Anthropic."""
    return it.module.completion(
        model=f"anthropic/{model}",
        messages=MESSAGES,
        api_base=it.server.anthropic_url,
        api_key="none",
        max_retries=0,
        num_retries=0,
        timeout=patience,
    )


def completion_typed(it: Opened, model: str, patience: float) -> Any:
    """Return an answer that has a schema."""
    return it.module.completion(
        model=f"openai/{model}",
        messages=MESSAGES,
        response_format=Health,
        api_base=it.server.openai_url,
        api_key="none",
        max_retries=0,
        num_retries=0,
        timeout=patience,
    )


def _chat(content: str) -> RawReply:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    return RawReply(200, {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})


LITELLM: Final = Client(
    "litellm",
    "litellm",
    _litellm,
    raised=(
        Cell(K.TIMEOUT, "litellm.Timeout", "hang-before-headers", completion),
        Cell(K.TIMEOUT, "litellm.Timeout", "hang-before-headers", completion_anthropic),
        Cell(K.TIMEOUT, "litellm.Timeout", "504", completion),
        Cell(K.RATE_LIMITED, "litellm.RateLimitError", "429", completion),
        Cell(K.RATE_LIMITED, "litellm.RateLimitError", "429-retry-after:3", completion, 3.0),
        Cell(K.RATE_LIMITED, "litellm.RateLimitError", "429-retry-after:3", completion_anthropic, 3.0),
        Cell(K.QUOTA_EXHAUSTED, "litellm.PaymentRequiredError", "quota", completion_anthropic),
        Cell(K.OVERLOADED, "litellm.ServiceUnavailableError", "503", completion),
        Cell(K.OVERLOADED, "litellm.ServiceUnavailableError", "503", completion_anthropic),
        Cell(K.OVERLOADED, "litellm.APIError", "529", completion),
        Cell(K.SERVER_ERROR, "litellm.InternalServerError", "500", completion),
        Cell(K.SERVER_ERROR, "litellm.InternalServerError", "500", completion_anthropic),
        Cell(K.SERVER_ERROR, "litellm.InternalServerError", "reset-before-headers", completion),
        Cell(K.AUTH, "litellm.AuthenticationError", "401", completion),
        Cell(K.AUTH, "litellm.PermissionDeniedError", "403", completion_anthropic),
        Cell(K.NOT_FOUND, "litellm.NotFoundError", "404", completion),
        Cell(K.NOT_FOUND, "litellm.NotFoundError", "404", completion_anthropic),
        Cell(K.BAD_REQUEST, "litellm.BadRequestError", "400", completion),
        Cell(K.BAD_REQUEST, "litellm.BadRequestError", "400", completion_anthropic),
        Cell(K.CONTEXT_LENGTH, "litellm.ContextWindowExceededError", "context-length", completion),
        Cell(K.CONTEXT_LENGTH, "litellm.ContextWindowExceededError", "context-length", completion_anthropic),
        Cell(K.CONTENT_FILTER, "litellm.ContentPolicyViolationError", "content-filter", completion_anthropic),
        Cell(K.SCHEMA_VIOLATION, "litellm.JSONSchemaValidationError", _chat("{}"), completion_typed),
        Cell(K.UNCLASSIFIED, "litellm.APIConnectionError", "null", completion_anthropic),
    ),
    returned=(
        Cell(K.TRUNCATED, RETURNED, "truncated", completion),
        Cell(K.TRUNCATED, RETURNED, "truncated", completion_anthropic),
        Cell(K.REFUSAL, RETURNED, "refusal", completion),
        Cell(K.CONTENT_FILTER, RETURNED, "content-filter", completion),
        Cell(K.CONTENT_FILTER, RETURNED, "refusal", completion_anthropic),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", completion),
        Cell(K.EMPTY_OUTPUT, RETURNED, "null", completion),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", completion_anthropic),
    ),
    notes={
        K.CONNECTION: "it says `InternalServerError`, with status 500",
        K.MALFORMED_TRANSPORT: "it says `InternalServerError`, with status 500",
    },
    environments=("clients-openai2",),
)


@contextmanager
def _llama_index(server: FaultServer) -> Iterator[Opened]:
    openai = import_module("llama_index.llms.openai")

    yield Opened(openai, server)


def complete(it: Opened, model: str, patience: float) -> Any:
    """Return the response inside a completion, which says how it ended."""
    language_model = it.module.OpenAI(
        model="gpt-4o-mini",
        additional_kwargs={"model": model},  # it knows OpenAI's models only
        api_base=it.server.openai_url,
        api_key="none",
        max_retries=0,
        timeout=patience,
    )
    return language_model.complete("?").raw


LLAMA_INDEX: Final = Client(
    "llama-index-core",
    "llama_index.core",
    _llama_index,
    raised=(
        Cell(K.TIMEOUT, "openai.APITimeoutError", "hang-before-headers", complete),
        Cell(K.CONNECTION, "openai.APIConnectionError", "reset-before-headers", complete),
        Cell(K.RATE_LIMITED, "openai.RateLimitError", "429-retry-after:3", complete, 3.0),
        Cell(K.QUOTA_EXHAUSTED, "openai.RateLimitError", "quota", complete),
        Cell(K.OVERLOADED, "openai.InternalServerError", "503", complete),
        Cell(K.SERVER_ERROR, "openai.InternalServerError", "500", complete),
        Cell(K.AUTH, "openai.AuthenticationError", "401", complete),
        Cell(K.NOT_FOUND, "openai.NotFoundError", "404", complete),
        Cell(K.BAD_REQUEST, "openai.BadRequestError", "400", complete),
        Cell(K.CONTEXT_LENGTH, "openai.BadRequestError", "context-length", complete),
        Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", RawReply(200, '{"id": '), complete),
    ),
    returned=(
        Cell(K.TRUNCATED, RETURNED, "truncated", complete),
        Cell(K.REFUSAL, RETURNED, "refusal", complete),
        Cell(K.CONTENT_FILTER, RETURNED, "content-filter", complete),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", complete),
    ),
    needs=("llama_index.llms.openai",),
    environments=("clients-openai2",),
    beside=("llama-index-llms-openai",),
)


@contextmanager
def _instructor(server: FaultServer) -> Iterator[Opened]:
    instructor = import_module("instructor")
    openai = import_module("openai")

    yield Opened(instructor, server, openai)


def create(it: Opened, model: str, patience: float) -> Any:
    """Return what the client itself has parsed."""
    with it.openai.OpenAI(base_url=it.server.openai_url, api_key="none", max_retries=0) as client:
        asked = it.module.from_openai(client, mode=it.module.Mode.JSON)
        return asked.chat.completions.create(
            model=model, messages=MESSAGES, response_model=Health, max_retries=0, timeout=patience
        )


_RETRY: Final = "instructor.InstructorRetryException"

INSTRUCTOR: Final = Client(
    "instructor",
    "instructor",
    _instructor,
    raised=(
        Cell(K.TIMEOUT, _RETRY, "hang-before-headers", create),
        Cell(K.CONNECTION, _RETRY, "reset-before-headers", create),
        Cell(K.RATE_LIMITED, _RETRY, "429-retry-after:3", create, 3.0),
        Cell(K.QUOTA_EXHAUSTED, _RETRY, "quota", create),
        Cell(K.OVERLOADED, _RETRY, "503", create),
        Cell(K.SERVER_ERROR, _RETRY, "500", create),
        Cell(K.AUTH, _RETRY, "401", create),
        Cell(K.NOT_FOUND, _RETRY, "404", create),
        Cell(K.BAD_REQUEST, _RETRY, "400", create),
        Cell(K.CONTEXT_LENGTH, _RETRY, "context-length", create),
        Cell(K.TRUNCATED, "instructor.IncompleteOutputException", "truncated", create),
        Cell(K.MALFORMED_TRANSPORT, _RETRY, RawReply(200, '{"id": '), create),
        Cell(K.MALFORMED_OUTPUT, _RETRY, "garbage", create),
        Cell(K.SCHEMA_VIOLATION, _RETRY, _chat("{}"), create),
    ),
    notes={K.CONTENT_FILTER: "it says that there is no JSON", K.REFUSAL: "it says that there is no JSON"},
    needs=("openai",),
    environments=("clients-openai2",),
)
