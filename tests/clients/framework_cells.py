"""Frameworks that go with today's openai: LangChain, pydantic-ai, openai-agents."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import FailureKind as K
from aiguard.testing import FaultServer, RawReply
from tests.clients.cell import IN_WORDS, RETURNED, Cell, Client, Health

if TYPE_CHECKING:
    from collections.abc import Iterator


def _completion(content: str, finish: str) -> RawReply:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}
    return RawReply(200, {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})


class LangChain(NamedTuple):
    """Its chat models of OpenAI and Anthropic, and its parser."""

    openai: Any
    anthropic: Any
    parser: Any
    server: FaultServer


@contextmanager
def _langchain(server: FaultServer) -> Iterator[LangChain]:
    chat_anthropic_model = import_module("langchain_anthropic").ChatAnthropic
    parser = import_module("langchain_core.output_parsers").PydanticOutputParser
    chat_openai_model = import_module("langchain_openai").ChatOpenAI

    yield LangChain(chat_openai_model, chat_anthropic_model, parser(pydantic_object=Health), server)


def chat_openai(it: LangChain, model: str, patience: float) -> Any:
    """Return the message of a chat model of OpenAI."""
    url = it.server.openai_url
    return it.openai(model=model, base_url=url, api_key="none", max_retries=0, timeout=patience).invoke("?")


def chat_anthropic(it: LangChain, model: str, patience: float) -> Any:
    """Return the message of a chat model of Anthropic."""
    url = it.server.anthropic_url
    return it.anthropic(model=model, base_url=url, api_key="none", max_retries=0, timeout=patience).invoke("?")


async def chat_async(it: LangChain, model: str, patience: float) -> Any:
    """Return the message of a chat model of OpenAI, asynchronously."""
    httpx2 = import_module("httpx2")

    async with httpx2.AsyncClient() as client:  # its own would be of the loop before
        language_model = it.openai(
            model=model,
            base_url=it.server.openai_url,
            api_key="none",
            max_retries=0,
            timeout=patience,
            http_async_client=client,
        )
        return await language_model.ainvoke("?")


def chain(it: LangChain, model: str, patience: float) -> Any:
    """Return what LangChain's own parser makes of the message."""
    url = it.server.openai_url
    return (it.openai(model=model, base_url=url, api_key="none", max_retries=0, timeout=patience) | it.parser).invoke(
        "?"
    )


LANGCHAIN: Final = Client(
    "langchain-core",
    "langchain_core",
    _langchain,
    raised=(
        Cell(K.TIMEOUT, "langchain_openai.OpenAITimeoutError", "hang-before-headers", chat_openai),
        Cell(K.TIMEOUT, "langchain_anthropic.AnthropicTimeoutError", "hang-mid-body", chat_anthropic),
        Cell(K.CONNECTION, "langchain_openai.OpenAIConnectionError", "reset-before-headers", chat_async),
        Cell(K.CONNECTION, "langchain_anthropic.AnthropicConnectionError", "cut-before-headers", chat_anthropic),
        Cell(K.RATE_LIMITED, "langchain_openai.OpenAIRateLimitError", "429-retry-after:3", chat_openai, 3.0),
        Cell(K.RATE_LIMITED, "langchain_anthropic.AnthropicRateLimitError", "429-retry-after:3", chat_anthropic, 3.0),
        Cell(K.QUOTA_EXHAUSTED, "langchain_openai.OpenAIRateLimitError", "quota", chat_openai),
        Cell(K.QUOTA_EXHAUSTED, "anthropic.PaymentRequiredError", "quota", chat_anthropic),
        Cell(K.OVERLOADED, "langchain_openai.OpenAIAPIError", "503", chat_openai),
        Cell(K.OVERLOADED, "langchain_anthropic.AnthropicOverloadedError", "529", chat_anthropic),
        Cell(K.SERVER_ERROR, "langchain_openai.OpenAIAPIError", "500", chat_async),
        Cell(K.SERVER_ERROR, "langchain_anthropic.AnthropicAPIError", "502", chat_anthropic),
        Cell(K.AUTH, "langchain_openai.OpenAIAuthenticationError", "401", chat_openai),
        Cell(K.AUTH, "langchain_anthropic.AnthropicPermissionDeniedError", "403", chat_anthropic),
        Cell(K.NOT_FOUND, "langchain_openai.OpenAIModelNotFoundError", "404", chat_openai),
        Cell(K.NOT_FOUND, "langchain_anthropic.AnthropicModelNotFoundError", "404", chat_anthropic),
        Cell(K.BAD_REQUEST, "langchain_openai.OpenAIInvalidRequestError", "400", chat_openai),
        Cell(K.BAD_REQUEST, "langchain_anthropic.AnthropicInvalidRequestError", "400", chat_anthropic),
        Cell(K.CONTEXT_LENGTH, "langchain_openai.OpenAIInvalidRequestError", "context-length", chat_openai),
        Cell(K.CONTEXT_LENGTH, "langchain_anthropic.AnthropicContextOverflowError", "context-length", chat_anthropic),
        Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", RawReply(200, '{"id": '), chat_openai),
        Cell(K.MALFORMED_OUTPUT, "langchain_core.OutputParserException", _completion("Fine.", "stop"), chain),
        Cell(K.SCHEMA_VIOLATION, "langchain_core.OutputParserException", _completion("{}", "stop"), chain),
    ),
    returned=(
        Cell(K.TRUNCATED, RETURNED, "truncated", chat_openai),
        Cell(K.TRUNCATED, RETURNED, "truncated", chat_anthropic),
        Cell(K.REFUSAL, RETURNED, "refusal", chat_openai),
        Cell(K.REFUSAL, RETURNED, "refusal", chat_anthropic),
        Cell(K.CONTENT_FILTER, RETURNED, "content-filter", chat_async),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", chat_openai),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", chat_anthropic),
    ),
    notes={K.CONTENT_FILTER: "returns it"},
    needs=("langchain_openai", "langchain_anthropic"),
    environments=("clients-frameworks",),
    beside=("langchain-openai", "langchain-anthropic"),
)


class Agents(NamedTuple):
    """A framework of agents, and the clients that it uses."""

    module: Any
    server: FaultServer
    openai: Any
    anthropic: Any = None


@contextmanager
def _pydantic_ai(server: FaultServer) -> Iterator[Agents]:
    anthropic = import_module("anthropic")
    openai = import_module("openai")
    pydantic_ai = import_module("pydantic_ai")

    yield Agents(pydantic_ai, server, openai, anthropic)


def _own(it: Agents, kind: str, patience: float) -> Any:
    if kind == "openai":
        return it.openai.AsyncOpenAI(base_url=it.server.openai_url, api_key="none", max_retries=0, timeout=patience)
    return it.anthropic.AsyncAnthropic(
        base_url=it.server.anthropic_url, api_key="none", max_retries=0, timeout=patience
    )


async def agent_openai(it: Agents, model: str, patience: float, **settings: Any) -> Any:
    """Return the output of an agent with a model of OpenAI."""
    model_of = import_module("pydantic_ai.models.openai").OpenAIChatModel
    provider_of = import_module("pydantic_ai.providers.openai").OpenAIProvider

    async with _own(it, "openai", patience) as client:
        used = model_of(model, provider=provider_of(openai_client=client))
        return (await it.module.Agent(used, retries=0, **settings).run("?")).output


async def agent_anthropic(it: Agents, model: str, patience: float) -> Any:
    """Return the output of an agent with a model of Anthropic."""
    model_of = import_module("pydantic_ai.models.anthropic").AnthropicModel
    provider_of = import_module("pydantic_ai.providers.anthropic").AnthropicProvider

    async with _own(it, "anthropic", patience) as client:
        used = model_of(model, provider=provider_of(anthropic_client=client))
        return (await it.module.Agent(used, retries=0).run("?")).output


async def typed(it: Agents, model: str, patience: float) -> Any:
    """Return the output of an agent that asks for a type, which the model has to write as JSON."""
    return await agent_openai(it, model, patience, output_type=it.module.PromptedOutput(Health))


async def request(it: Agents, model: str, patience: float) -> Any:
    """Return the response of a model, without an agent."""
    model_request = import_module("pydantic_ai.direct").model_request
    model_of = import_module("pydantic_ai.models.openai").OpenAIChatModel
    provider_of = import_module("pydantic_ai.providers.openai").OpenAIProvider

    async with _own(it, "openai", patience) as client:
        used = model_of(model, provider=provider_of(openai_client=client))
        return await model_request(used, [it.module.ModelRequest.user_text_prompt("?")])


PYDANTIC_AI: Final = Client(
    "pydantic-ai-slim",
    "pydantic_ai",
    _pydantic_ai,
    raised=(
        Cell(K.TIMEOUT, "pydantic_ai.ModelTimeoutError", "hang-before-headers", agent_openai),
        Cell(K.TIMEOUT, "pydantic_ai.ModelTimeoutError", "hang-mid-body", agent_anthropic),
        Cell(K.CONNECTION, "pydantic_ai.ModelConnectionError", "reset-before-headers", agent_openai),
        Cell(K.CONNECTION, "pydantic_ai.ModelConnectionError", "cut-before-headers", agent_anthropic),
        Cell(K.RATE_LIMITED, "pydantic_ai.ModelRateLimitError", "429-retry-after:3", agent_openai, 3.0),
        Cell(K.RATE_LIMITED, "pydantic_ai.ModelRateLimitError", "429-retry-after:3", agent_anthropic, 3.0),
        Cell(K.QUOTA_EXHAUSTED, "pydantic_ai.ModelQuotaExceededError", "quota", agent_openai),
        Cell(K.QUOTA_EXHAUSTED, "pydantic_ai.ModelQuotaExceededError", "quota", agent_anthropic),
        Cell(K.OVERLOADED, "pydantic_ai.ModelOverloadedError", "503", agent_openai),
        Cell(K.OVERLOADED, "pydantic_ai.ModelOverloadedError", "529", agent_anthropic),
        Cell(K.SERVER_ERROR, "pydantic_ai.ModelServerError", "500", agent_openai),
        Cell(K.SERVER_ERROR, "pydantic_ai.ModelServerError", "502", agent_anthropic),
        Cell(K.AUTH, "pydantic_ai.ModelAuthenticationError", "401", agent_openai),
        Cell(K.AUTH, "pydantic_ai.ModelAuthenticationError", "403", agent_anthropic),
        Cell(K.NOT_FOUND, "pydantic_ai.ModelNotFoundError", "404", agent_openai),
        Cell(K.NOT_FOUND, "pydantic_ai.ModelNotFoundError", "404", agent_anthropic),
        Cell(K.BAD_REQUEST, "pydantic_ai.ModelRequestRejectedError", "400", agent_openai),
        Cell(K.BAD_REQUEST, "pydantic_ai.ModelRequestRejectedError", "400", agent_anthropic),
        Cell(K.CONTEXT_LENGTH, "pydantic_ai.ModelContextWindowExceededError", "context-length", agent_openai),
        Cell(K.CONTEXT_LENGTH, "pydantic_ai.ModelContextWindowExceededError", "context-length", agent_anthropic),
        Cell(K.CONTENT_FILTER, "pydantic_ai.ContentFilterError", "content-filter", agent_openai),
        Cell(K.CONTENT_FILTER, "pydantic_ai.ContentFilterError", "refusal", agent_anthropic),
        Cell(K.TRUNCATED, "pydantic_ai.OutputTokenLimitExceeded", _completion("", "length"), agent_openai),
        Cell(K.MALFORMED_TRANSPORT, "pydantic_ai.UnexpectedModelBehavior", "html", agent_openai),
        Cell(K.MALFORMED_TRANSPORT, "pydantic_ai.ModelAPIError", "html", agent_anthropic),
        Cell(K.MALFORMED_TRANSPORT, "pydantic_ai.ModelAPIError", RawReply(200, '{"id": '), agent_openai),
        Cell(K.MALFORMED_OUTPUT, "pydantic_ai.UnexpectedModelBehavior", "garbage", typed),
        Cell(K.SCHEMA_VIOLATION, "pydantic_ai.UnexpectedModelBehavior", _completion("{}", "stop"), typed),
    ),
    returned=(
        Cell(K.TRUNCATED, RETURNED, "truncated", request),
        Cell(K.CONTENT_FILTER, RETURNED, "content-filter", request),
        Cell(K.EMPTY_OUTPUT, RETURNED, "empty", request),
    ),
    needs=("openai", "anthropic"),
)


@contextmanager
def _agents(server: FaultServer) -> Iterator[Agents]:
    agents = import_module("agents")
    openai = import_module("openai")

    agents.set_tracing_disabled(disabled=True)
    yield Agents(agents, server, openai)


async def run_chat(it: Agents, model: str, patience: float, **settings: Any) -> Any:
    """Return the output of an agent that uses chat completions."""
    async with _own(it, "openai", patience) as client:
        used = it.module.OpenAIChatCompletionsModel(model=model, openai_client=client)
        agent = it.module.Agent(name="a", model=used, **settings)
        return (await it.module.Runner.run(agent, "?", max_turns=1)).final_output


async def run_responses(it: Agents, model: str, patience: float, **settings: Any) -> Any:
    """Return the output of an agent that uses responses."""
    async with _own(it, "openai", patience) as client:
        used = it.module.OpenAIResponsesModel(model=model, openai_client=client)
        agent = it.module.Agent(name="a", model=used, **settings)
        return (await it.module.Runner.run(agent, "?", max_turns=1)).final_output


async def run_typed(it: Agents, model: str, patience: float) -> Any:
    """Return the output of an agent that asks for a type."""
    return await run_responses(it, model, patience, output_type=Health)


async def run_guarded(it: Agents, model: str, patience: float) -> Any:
    """Return the output of an agent, unless it is none of the contract's."""

    @it.module.output_guardrail
    def fine(context: Any, agent: Any, output: Any) -> Any:  # noqa: ARG001 - how it is called
        return it.module.GuardrailFunctionOutput(output_info=None, tripwire_triggered="fine" not in output)

    return await run_chat(it, model, patience, output_guardrails=[fine])


OPENAI_AGENTS: Final = Client(
    "openai-agents",
    "agents",
    _agents,
    raised=(
        Cell(K.TIMEOUT, "openai.APITimeoutError", "hang-before-headers", run_chat),
        Cell(K.CONNECTION, "openai.APIConnectionError", "reset-before-headers", run_responses),
        Cell(K.RATE_LIMITED, "openai.RateLimitError", "429-retry-after:3", run_chat, 3.0),
        Cell(K.QUOTA_EXHAUSTED, "openai.RateLimitError", "quota", run_responses),
        Cell(K.OVERLOADED, "openai.InternalServerError", "503", run_chat),
        Cell(K.SERVER_ERROR, "openai.InternalServerError", "500", run_responses),
        Cell(K.AUTH, "openai.AuthenticationError", "401", run_chat),
        Cell(K.NOT_FOUND, "openai.NotFoundError", "404", run_responses),
        Cell(K.BAD_REQUEST, "openai.BadRequestError", "400", run_chat),
        Cell(K.CONTEXT_LENGTH, "openai.BadRequestError", "context-length", run_responses),
        Cell(K.CONTENT_FILTER, "agents.OutputGuardrailTripwireTriggered", "garbage", run_guarded),
        Cell(K.REFUSAL, "agents.ModelRefusalError", "refusal", run_chat),
        Cell(K.REFUSAL, "agents.ModelRefusalError", "refusal", run_typed),
        Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", RawReply(200, '{"id": '), run_chat),
        Cell(K.MALFORMED_OUTPUT, "agents.ModelBehaviorError", "garbage", run_typed),
        Cell(K.TRUNCATED, "agents.ModelBehaviorError", "truncated", run_typed, None, K.MALFORMED_OUTPUT, IN_WORDS),
    ),
    needs=("openai",),
)
