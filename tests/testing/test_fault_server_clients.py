"""What the real client libraries make of every fault: over sockets, with their own retries switched off."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

from aiguard.testing.faultserver import FaultServer, WireFault, fault_server
from aiguard.testing.faultserver.catalogue import ONLY_IN_STREAMS
from aiguard.testing.faultserver.wire import GARBAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

SHORT, LONG = 0.1, 10.0
"""Seconds that a client waits for a server that hangs, and for any other: machines are busy."""

HANGS = {
    WireFault.HANG_BEFORE_HEADERS,
    WireFault.HANG_AFTER_HEADERS,
    WireFault.HANG_MID_BODY,
    WireFault.HANG_MID_STREAM,
}

FOREVER = {WireFault.ENDLESS_STREAM, WireFault.KEEP_ALIVE_ONLY}
"""Bytes keep coming, so that no client's own timeout ends it."""

SMALL = {WireFault.SLOW: ":0.02", WireFault.DRIP: ":0", WireFault.BIG_BODY: ":1", WireFault.GZIP_BOMB: ":1"}
"""Numbers that make a quick test of it."""

TEXT = "All is well."
MESSAGES: list[Any] = [{"role": "user", "content": "How is it?"}]


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """One for all, as a test suite would have it."""
    with fault_server(answer=TEXT) as server:
        yield server


@pytest.fixture(scope="module")
def of_openai(server: FaultServer) -> Iterator[openai.OpenAI]:
    """The real client."""
    with openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def of_anthropic(server: FaultServer) -> Iterator[anthropic.Anthropic]:
    """The real client."""
    with anthropic.Anthropic(base_url=server.anthropic_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def of_google(server: FaultServer) -> Iterator[Any]:
    """The real client, where it is installed."""
    genai = pytest.importorskip("google.genai")
    options = genai.types.HttpOptions(base_url=server.gemini_url, retry_options={"attempts": 1})
    client = genai.Client(api_key="none", http_options=options)
    yield client
    client.close()


def told(call: Callable[[], Any]) -> Any:
    """Return the class of what `call` raises and the HTTP status that it carries, or what it returns."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - all of them are what is asked about
        status = getattr(error, "status_code", None) or getattr(error, "code", None)
        status = f" {status}" if isinstance(status, int) else ""
        return f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}{status}"


def short(text: Any) -> Any:
    """Return a text as short as it can be told by."""
    return f"{len(text)} letters" if isinstance(text, str) and len(text) > 100 else text


def spelled(fault: WireFault) -> tuple[str, float]:
    """Return the model's name for it, and how long to wait."""
    return f"{fault}{SMALL.get(fault, '')}", SHORT if fault in HANGS else LONG


def ask_openai(client: openai.OpenAI, fault: WireFault) -> Any:
    """Return text and ending of a chat completion."""
    model, timeout = spelled(fault)
    answer: Any = client.chat.completions.create(model=model, messages=MESSAGES, timeout=timeout)
    if isinstance(answer, str):
        return "the page" if answer.startswith("<html>") else answer
    if answer.choices is None:
        return None
    message = answer.choices[0].message
    return short(message.content), message.refusal, answer.choices[0].finish_reason


def stream_openai(client: openai.OpenAI, fault: WireFault) -> Any:
    """Return text and ending of a chat completion that comes in chunks."""
    model, timeout = spelled(fault)
    text, ended = "", None
    for chunk in client.chat.completions.create(model=model, messages=MESSAGES, stream=True, timeout=timeout):
        choice = chunk.choices[0]
        text += choice.delta.content or choice.delta.refusal or ""
        ended = choice.finish_reason or ended
    return short(text), ended


def ask_responses(client: openai.OpenAI, fault: WireFault) -> Any:
    """Return text and status of a response."""
    model, timeout = spelled(fault)
    answer: Any = client.responses.create(model=model, input="How is it?", timeout=timeout)
    if isinstance(answer, str):
        return "the page" if answer.startswith("<html>") else answer
    if answer.output is None:
        return None
    parts = [getattr(part, "text", "refusal") for item in answer.output for part in item.content]
    return [short(part) for part in parts], answer.status


def stream_responses(client: openai.OpenAI, fault: WireFault) -> Any:
    """Return text and last event of a response that comes as events."""
    model, timeout = spelled(fault)
    text, last = "", None
    for event in client.responses.create(model=model, input="How is it?", stream=True, timeout=timeout):
        text += event.delta if event.type == "response.output_text.delta" else ""
        last = event.type
    return short(text), last


def ask_embeddings(client: openai.OpenAI, fault: WireFault) -> Any:
    """Return lengths of vectors."""
    model, timeout = spelled(fault)
    answer: Any = client.embeddings.create(model=model, input=["one", "two"], timeout=timeout)
    return [len(one.embedding) if one.embedding else None for one in answer.data]


def ask_anthropic(client: anthropic.Anthropic, fault: WireFault) -> Any:
    """Return text and ending of a message."""
    model, timeout = spelled(fault)
    answer: Any = client.messages.create(model=model, messages=MESSAGES, max_tokens=9, timeout=timeout)
    if isinstance(answer, str):
        return "the page" if answer.startswith("<html>") else answer
    if answer.content is None:
        return None, answer.stop_reason
    return [short(block.text) for block in answer.content], answer.stop_reason


def stream_anthropic(client: anthropic.Anthropic, fault: WireFault) -> Any:
    """Return text, ending and last event of a message that comes as events."""
    model, timeout = spelled(fault)
    text, ended, last = "", None, None
    stream = client.messages.create(model=model, messages=MESSAGES, max_tokens=9, stream=True, timeout=timeout)
    for event in stream:
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            text += event.delta.text
        if event.type == "message_delta":
            ended = event.delta.stop_reason
        last = event.type
    return short(text), ended, last


def google_options(timeout: float) -> Any:
    """Return a timeout as that client wants it."""
    return {"http_options": {"timeout": int(timeout * 1000)}}


def read_google(answer: Any) -> Any:
    """Return texts and ending of a response."""
    if not answer.candidates:
        blocked = answer.prompt_feedback
        return blocked.block_reason.value if blocked else None
    (candidate,) = answer.candidates
    parts = candidate.content.parts if candidate.content else None
    ended = candidate.finish_reason.value if candidate.finish_reason else None
    return short("".join(part.text for part in parts)) if parts else None, ended


def ask_google(client: Any, fault: WireFault) -> Any:
    """Return text and ending of a response."""
    model, timeout = spelled(fault)
    return read_google(client.models.generate_content(model=model, contents="?", config=google_options(timeout)))


def stream_google(client: Any, fault: WireFault) -> Any:
    """Return text and ending of a response that comes in pieces."""
    model, timeout = spelled(fault)
    text, ended = "", None
    for answer in client.models.generate_content_stream(model=model, contents="?", config=google_options(timeout)):
        read = read_google(answer)
        text += (read[0] or "") if isinstance(read, tuple) else ""
        ended = read[1] if isinstance(read, tuple) else read
    return short(text), ended


SORRY = "I'm sorry, I can't assist with that."

ERRORS: dict[WireFault, tuple[Any, Any, Any]] = {
    WireFault.HANG_BEFORE_HEADERS: ("openai.APITimeoutError", "anthropic.APITimeoutError", "httpx2.ReadTimeout"),
    WireFault.RESET_BEFORE_HEADERS: ("openai.APIConnectionError", "anthropic.APIConnectionError", "httpx2.ReadError"),
    WireFault.CUT_BEFORE_HEADERS: (
        "openai.APIConnectionError",
        "anthropic.APIConnectionError",
        "httpx2.RemoteProtocolError",
    ),
    WireFault.BAD_REQUEST: ("openai.BadRequestError 400", "anthropic.BadRequestError 400", "google.ClientError 400"),
    WireFault.AUTH: ("openai.AuthenticationError 401", "anthropic.AuthenticationError 401", "google.ClientError 401"),
    WireFault.FORBIDDEN: (
        "openai.PermissionDeniedError 403",
        "anthropic.PermissionDeniedError 403",
        "google.ClientError 403",
    ),
    WireFault.NOT_FOUND: ("openai.NotFoundError 404", "anthropic.NotFoundError 404", "google.ClientError 404"),
    WireFault.CONTEXT_LENGTH: ("openai.BadRequestError 400", "anthropic.BadRequestError 400", "google.ClientError 400"),
    WireFault.RATE_LIMITED: ("openai.RateLimitError 429", "anthropic.RateLimitError 429", "google.ClientError 429"),
    WireFault.RATE_LIMITED_RETRY_AFTER: (
        "openai.RateLimitError 429",
        "anthropic.RateLimitError 429",
        "google.ClientError 429",
    ),
    WireFault.RATE_LIMITED_RETRY_DATE: (
        "openai.RateLimitError 429",
        "anthropic.RateLimitError 429",
        "google.ClientError 429",
    ),
    WireFault.RATE_LIMITED_RETRY_MS: (
        "openai.RateLimitError 429",
        "anthropic.RateLimitError 429",
        "google.ClientError 429",
    ),
    WireFault.RATE_LIMITED_RETRY_INFO: (
        "openai.RateLimitError 429",
        "anthropic.RateLimitError 429",
        "google.ClientError 429",
    ),
    WireFault.QUOTA: ("openai.RateLimitError 429", "anthropic.PaymentRequiredError 402", "google.ClientError 429"),
    WireFault.SERVER_ERROR: (
        "openai.InternalServerError 500",
        "anthropic.InternalServerError 500",
        "google.ServerError 500",
    ),
    WireFault.BAD_GATEWAY: (
        "openai.InternalServerError 502",
        "anthropic.InternalServerError 502",
        "google.ServerError 502",
    ),
    WireFault.UNAVAILABLE: (
        "openai.InternalServerError 503",
        "anthropic.ServiceUnavailableError 503",
        "google.ServerError 503",
    ),
    WireFault.UNAVAILABLE_RETRY_AFTER: (
        "openai.InternalServerError 503",
        "anthropic.ServiceUnavailableError 503",
        "google.ServerError 503",
    ),
    WireFault.GATEWAY_TIMEOUT: (
        "openai.InternalServerError 504",
        "anthropic.GatewayTimeoutError 504",
        "google.ServerError 504",
    ),
    WireFault.OVERLOADED: ("openai.InternalServerError 529", "anthropic.OverloadedError 529", "google.ServerError 529"),
    WireFault.INVALID_UTF8: ("builtins.UnicodeDecodeError", "builtins.UnicodeDecodeError", ("���", "STOP")),
    WireFault.DEEP_JSON: ("builtins.RecursionError", "builtins.RecursionError", "builtins.RecursionError"),
}
"""What openai, anthropic and google-genai make of it, streaming or not."""

PLAIN: dict[WireFault, tuple[Any, Any, Any]] = {
    **ERRORS,
    WireFault.OK: ((TEXT, None, "stop"), ([TEXT], "end_turn"), (TEXT, "STOP")),
    WireFault.SLOW: ((TEXT, None, "stop"), ([TEXT], "end_turn"), (TEXT, "STOP")),
    WireFault.DRIP: ((TEXT, None, "stop"), ([TEXT], "end_turn"), (TEXT, "STOP")),
    WireFault.HANG_AFTER_HEADERS: ("openai.APITimeoutError", "anthropic.APITimeoutError", "httpx2.ReadTimeout"),
    WireFault.HANG_MID_BODY: ("openai.APITimeoutError", "anthropic.APITimeoutError", "httpx2.ReadTimeout"),
    WireFault.HANG_MID_STREAM: ("openai.APITimeoutError", "anthropic.APITimeoutError", "httpx2.ReadTimeout"),
    WireFault.RESET_MID_BODY: ("openai.APIConnectionError", "anthropic.APIConnectionError", "httpx2.ReadError"),
    WireFault.RESET_MID_STREAM: ("openai.APIConnectionError", "anthropic.APIConnectionError", "httpx2.ReadError"),
    WireFault.CUT_MID_BODY: ("openai.APIConnectionError", "anthropic.APIConnectionError", "httpx2.RemoteProtocolError"),
    WireFault.CUT_MID_STREAM: (
        "openai.APIConnectionError",
        "anthropic.APIConnectionError",
        "httpx2.RemoteProtocolError",
    ),
    WireFault.HTML: ("the page", "the page", "json.JSONDecodeError"),
    WireFault.WRONG_CONTENT_TYPE: ((TEXT, None, "stop"), ([TEXT], "end_turn"), (TEXT, "STOP")),
    WireFault.BIG_BODY: (
        ("1000000 letters", None, "stop"),
        (["1000000 letters"], "end_turn"),
        ("1000000 letters", "STOP"),
    ),
    WireFault.GZIP_BOMB: (
        ("1000000 letters", None, "stop"),
        (["1000000 letters"], "end_turn"),
        ("1000000 letters", "STOP"),
    ),
    WireFault.ERROR_IN_200: (None, (None, None), None),
    WireFault.TRUNCATED: (("All is", None, "length"), (["All is"], "max_tokens"), ("All is", "MAX_TOKENS")),
    WireFault.REFUSAL: ((None, SORRY, "stop"), ([], "refusal"), "PROHIBITED_CONTENT"),
    WireFault.CONTENT_FILTER: (("", None, "content_filter"), "anthropic.BadRequestError 400", (None, "SAFETY")),
    WireFault.EMPTY: (("", None, "stop"), ([], "end_turn"), ("", "STOP")),
    WireFault.NULL: ((None, None, "stop"), (None, "end_turn"), (None, "STOP")),
    WireFault.GARBAGE: ((GARBAGE, None, "stop"), ([GARBAGE], "end_turn"), (GARBAGE, "STOP")),
}
"""The same, asked for an answer in one piece: text and ending."""

STREAMS: dict[WireFault, tuple[Any, Any, Any]] = {
    **ERRORS,
    WireFault.OK: ((TEXT, "stop"), (TEXT, "end_turn", "message_stop"), (TEXT, "STOP")),
    WireFault.SLOW: ((TEXT, "stop"), (TEXT, "end_turn", "message_stop"), (TEXT, "STOP")),
    WireFault.DRIP: ((TEXT, "stop"), (TEXT, "end_turn", "message_stop"), (TEXT, "STOP")),
    WireFault.HANG_AFTER_HEADERS: ("openai.APITimeoutError", "httpx2.ReadTimeout", "httpx2.ReadTimeout"),
    WireFault.HANG_MID_BODY: ("openai.APITimeoutError", "httpx2.ReadTimeout", "httpx2.ReadTimeout"),
    WireFault.HANG_MID_STREAM: ("openai.APITimeoutError", "httpx2.ReadTimeout", "httpx2.ReadTimeout"),
    WireFault.RESET_MID_BODY: ("openai.APIConnectionError", "httpx2.ReadError", "httpx2.ReadError"),
    WireFault.RESET_MID_STREAM: ("openai.APIConnectionError", "httpx2.ReadError", "httpx2.ReadError"),
    WireFault.CUT_MID_BODY: ("openai.APIConnectionError", "httpx2.RemoteProtocolError", "httpx2.RemoteProtocolError"),
    WireFault.CUT_MID_STREAM: ("openai.APIConnectionError", "httpx2.RemoteProtocolError", "httpx2.RemoteProtocolError"),
    WireFault.HTML: (("", None), ("", None, None), "google.UnknownApiResponseError"),
    WireFault.WRONG_CONTENT_TYPE: ((TEXT, "stop"), (TEXT, "end_turn", "message_stop"), (TEXT, "STOP")),
    WireFault.BIG_BODY: (
        ("1000000 letters", "stop"),
        ("1000000 letters", "end_turn", "message_stop"),
        ("1000000 letters", "STOP"),
    ),
    WireFault.GZIP_BOMB: (
        ("1000000 letters", "stop"),
        ("1000000 letters", "end_turn", "message_stop"),
        ("1000000 letters", "STOP"),
    ),
    WireFault.ERROR_IN_200: ("openai.APIError", "anthropic.APIStatusError 200", "google.ServerError 503"),
    WireFault.MALFORMED_EVENT: ("json.JSONDecodeError", "json.JSONDecodeError", "google.UnknownApiResponseError"),
    WireFault.NO_TERMINATOR: ((TEXT, None), (TEXT, None, "content_block_delta"), (TEXT, None)),
    WireFault.ROLE_ONLY: (("", "stop"), ("", "end_turn", "message_stop"), ("", "STOP")),
    WireFault.TRUNCATED: (("All is", "length"), ("All is", "max_tokens", "message_stop"), ("All is", "MAX_TOKENS")),
    WireFault.REFUSAL: ((SORRY, "stop"), ("", "refusal", "message_stop"), ("", "PROHIBITED_CONTENT")),
    WireFault.CONTENT_FILTER: (("", "content_filter"), "anthropic.BadRequestError 400", ("", "SAFETY")),
    WireFault.EMPTY: (("", "stop"), ("", "end_turn", "message_stop"), ("", "STOP")),
    WireFault.NULL: (("", "stop"), ("", "end_turn", "message_stop"), ("", "STOP")),
    WireFault.GARBAGE: ((GARBAGE, "stop"), (GARBAGE, "end_turn", "message_stop"), (GARBAGE, "STOP")),
}
"""The same, asked for a stream: text, ending, and for Anthropic the last event."""

OTHERS: dict[WireFault, tuple[Any, Any, Any]] = {
    WireFault.OK: (([TEXT], "completed"), (TEXT, "response.completed"), [8, 8]),
    WireFault.DRIP: (([TEXT], "completed"), (TEXT, "response.completed"), [8, 8]),
    WireFault.HTML: ("the page", ("", None), "builtins.AttributeError"),
    WireFault.WRONG_CONTENT_TYPE: (([TEXT], "completed"), (TEXT, "response.completed"), [8, 8]),
    WireFault.BIG_BODY: ((["1000000 letters"], "completed"), ("1000000 letters", "response.completed"), [8, 8]),
    WireFault.GZIP_BOMB: ((["1000000 letters"], "completed"), ("1000000 letters", "response.completed"), [8, 8]),
    WireFault.ERROR_IN_200: (None, ("All ", "error"), "builtins.ValueError"),
    WireFault.TRUNCATED: ((["All is"], "incomplete"), ("All is", "response.incomplete"), "openai.BadRequestError 400"),
    WireFault.REFUSAL: ((["refusal"], "completed"), ("", "response.completed"), "openai.BadRequestError 400"),
    WireFault.CONTENT_FILTER: (([""], "incomplete"), ("", "response.incomplete"), "openai.BadRequestError 400"),
    WireFault.EMPTY: (([""], "completed"), ("", "response.completed"), "builtins.ValueError"),
    WireFault.NULL: (([], "completed"), ("", "response.completed"), [None, None]),
    WireFault.GARBAGE: (([GARBAGE], "completed"), (GARBAGE, "response.completed"), [1, 1]),
}
"""What openai makes of it as a response, as a streamed response, and as embeddings."""


def cases(table: dict[WireFault, tuple[Any, Any, Any]], column: int) -> Any:
    """Return one column of a table."""
    return pytest.mark.parametrize(
        ("fault", "expected"), [pytest.param(f, row[column], id=f) for f, row in table.items()]
    )


def test_no_fault_is_left_out() -> None:
    """Whatever is in the catalogue was shown to the clients, in the forms in which it exists."""
    assert set(PLAIN) | ONLY_IN_STREAMS == set(WireFault)
    assert set(STREAMS) | FOREVER == set(WireFault)


@cases(PLAIN, 0)
def test_openai_takes_an_answer_so(of_openai: openai.OpenAI, fault: WireFault, expected: Any) -> None:
    """Class and status of its error, or text, refusal and finish reason."""
    assert told(lambda: ask_openai(of_openai, fault)) == expected


@cases(STREAMS, 0)
def test_openai_takes_a_stream_so(of_openai: openai.OpenAI, fault: WireFault, expected: Any) -> None:
    """Class and status of its error, or text and finish reason."""
    assert told(lambda: stream_openai(of_openai, fault)) == expected


@pytest.mark.parametrize(
    ("fault", "asked", "said"),
    [
        (WireFault.OK, True, [None] * 5 + [(8, 3)]),
        (WireFault.TRUNCATED, True, [None] * 4 + [(8, 2)]),
        (WireFault.NO_TERMINATOR, True, [None] * 4),
        (WireFault.OK, False, [None] * 5),
    ],
)
def test_openai_is_told_what_a_stream_used_where_it_asks(
    of_openai: openai.OpenAI, fault: WireFault, *, asked: bool, said: list[Any]
) -> None:
    """In a last chunk, which has no choice; a stream that just stops has none."""
    options: Any = {"stream_options": {"include_usage": asked}}
    chunks = [*of_openai.chat.completions.create(model=fault, messages=MESSAGES, stream=True, **options)]
    assert [chunk.usage and (chunk.usage.prompt_tokens, chunk.usage.completion_tokens) for chunk in chunks] == said
    assert [bool(chunk.choices) for chunk in chunks] == [one is None for one in said]


@cases(PLAIN, 1)
def test_anthropic_takes_an_answer_so(of_anthropic: anthropic.Anthropic, fault: WireFault, expected: Any) -> None:
    """Class and status of its error, or texts and stop reason."""
    assert told(lambda: ask_anthropic(of_anthropic, fault)) == expected


@cases(STREAMS, 1)
def test_anthropic_takes_a_stream_so(of_anthropic: anthropic.Anthropic, fault: WireFault, expected: Any) -> None:
    """Class and status of its error, or text, stop reason and last event."""
    assert told(lambda: stream_anthropic(of_anthropic, fault)) == expected


@cases(PLAIN, 2)
def test_google_takes_an_answer_so(of_google: Any, fault: WireFault, expected: Any) -> None:
    """Class and status of its error, or text and finish reason."""
    assert told(lambda: ask_google(of_google, fault)) == expected


@cases(STREAMS, 2)
def test_google_takes_a_stream_so(of_google: Any, fault: WireFault, expected: Any) -> None:
    """Class and status of its error, or text and finish reason."""
    assert told(lambda: stream_google(of_google, fault)) == expected


@cases(OTHERS, 0)
def test_openai_takes_a_response_so(of_openai: openai.OpenAI, fault: WireFault, expected: Any) -> None:
    """Class and status of its error, or texts and status."""
    assert told(lambda: ask_responses(of_openai, fault)) == expected


@cases(OTHERS, 1)
def test_openai_takes_a_streamed_response_so(of_openai: openai.OpenAI, fault: WireFault, expected: Any) -> None:
    """Class and status of its error, or text and last event."""
    assert told(lambda: stream_responses(of_openai, fault)) == expected


@cases(OTHERS, 2)
def test_openai_takes_embeddings_so(of_openai: openai.OpenAI, fault: WireFault, expected: Any) -> None:
    """Class and status of its error, or the lengths of the vectors."""
    assert told(lambda: ask_embeddings(of_openai, fault)) == expected


@pytest.mark.parametrize("fault", sorted(ONLY_IN_STREAMS))
def test_a_fault_of_streams_says_so_where_none_is_asked_for(of_openai: openai.OpenAI, fault: WireFault) -> None:
    """With a status that no client retries, and a message for whoever wrote the test."""
    with pytest.raises(openai.BadRequestError, match=f"fault '{fault}' is one of streams"):
        ask_openai(of_openai, fault)


@pytest.mark.parametrize(
    ("provider", "fault"),
    [
        ("openai", WireFault.ENDLESS_STREAM),
        ("openai", WireFault.KEEP_ALIVE_ONLY),
        ("anthropic", WireFault.ENDLESS_STREAM),
        ("anthropic", WireFault.KEEP_ALIVE_ONLY),
        ("gemini", WireFault.ENDLESS_STREAM),
    ],
)
def test_no_timeout_of_a_client_ends_what_never_ends(server: FaultServer, provider: str, fault: WireFault) -> None:
    """Something keeps coming, so only a limit on the whole helps; and the server notices that its client left."""

    async def ask() -> int:
        came = 0
        with contextlib.suppress(TimeoutError):
            async with endless(server, provider, fault) as events, asyncio.timeout(2.0):
                async for _ in events:
                    came += 1
        return came

    if provider == "gemini":
        pytest.importorskip("google.genai")
    server.clear()
    came = asyncio.run(ask())
    assert (came > 0) is (fault is WireFault.ENDLESS_STREAM)
    (request,) = server.wait_for(1, ended=True)
    assert (request.provider, request.status, request.left) == (provider, 200, True)


def test_google_takes_a_comment_for_an_answer(of_google: Any) -> None:
    """Which it cannot read: its own trap, and no hang."""
    assert told(lambda: stream_google(of_google, WireFault.KEEP_ALIVE_ONLY)) == "google.UnknownApiResponseError"


@contextlib.asynccontextmanager
async def endless(server: FaultServer, provider: str, fault: WireFault) -> AsyncIterator[Any]:
    """Yield the stream of an asynchronous client whose own timeout is shorter than what follows."""
    if provider == "openai":
        url = server.openai_url
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=1.0) as client:
            yield await client.chat.completions.create(model=fault, messages=MESSAGES, stream=True)
    elif provider == "anthropic":
        url = server.anthropic_url
        async with anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0, timeout=1.0) as claude:
            yield await claude.messages.create(model=fault, messages=MESSAGES, max_tokens=9, stream=True)
    else:
        genai = pytest.importorskip("google.genai")
        options = genai.types.HttpOptions(base_url=server.gemini_url, timeout=1000, retry_options={"attempts": 1})
        async with genai.Client(api_key="none", http_options=options).aio as gemini:
            yield await gemini.models.generate_content_stream(model=fault, contents="?")
