"""Elements of the lists that real clients' streams bring, over real sockets, with every event of every client."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import anthropic
import openai
import pytest
from pydantic import BaseModel

from aiguard import Boundary, BoundaryError, FailureKind, Outcome
from aiguard.integrations import anthropic as of_anthropic
from aiguard.integrations import google as of_google
from aiguard.integrations import openai as of_openai
from aiguard.testing import FaultServer, fault_server, fresh_registry
from tests.integrations.components import DEADLINE, Form

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


class Item(BaseModel):
    """What a list is of."""

    name: str


ANSWER = '[{"name": "one"}, {"name": "two and three"}, {"name": "four"}]'
"""Half of it is whole up to its first item."""

ITEMS = [Item(name="one"), Item(name="two and three"), Item(name="four")]

MESSAGES: Any = [{"role": "user", "content": "Which?"}]
ASKED: dict[str, Any] = {"messages": MESSAGES, "max_tokens": 9}

FORMS = {
    "openai": (
        Form("chat.completions.create", {"messages": MESSAGES, "stream": True}),
        Form("chat.completions.stream", {"messages": MESSAGES}),
        Form("responses.create", {"input": "Which?", "stream": True}),
        Form("responses.stream", {"input": "Which?"}),
    ),
    "anthropic": (
        Form("messages.create", {**ASKED, "stream": True}),
        Form("messages.stream", ASKED),
        Form("beta.messages.stream", ASKED),
    ),
    "google": (Form("models.generate_content_stream", {"contents": "Which?"}),),
}
"""Each way to stream, by the client's package."""

COMPONENTS: dict[str, Callable[[Any], Any]] = {
    "openai": of_openai.component,
    "anthropic": of_anthropic.component,
    "google": of_google.component,
}

KINDS = {
    "content-filter": FailureKind.CONTENT_FILTER,
    "cut-mid-stream": FailureKind.CONNECTION,
    "empty": FailureKind.EMPTY_OUTPUT,
    "garbage": FailureKind.MALFORMED_OUTPUT,
    "refusal": FailureKind.REFUSAL,
    "role-only": FailureKind.EMPTY_OUTPUT,
}
"""What a stream is that has no element."""

OTHERWISE = {
    ("anthropic", "content-filter"): FailureKind.BAD_REQUEST,
    ("google", "refusal"): FailureKind.CONTENT_FILTER,
}
"""What a provider says in another way."""

EVERY = [(client, form) for client, forms in FORMS.items() for form in forms]


class Read(NamedTuple):
    """
    What came of a stream.

    Attributes:
        items: Its elements, as they left.
        ended: How it ended.
        cause: What ended it where some had left already.
    """

    items: list[Any]
    ended: Outcome[Any]
    cause: FailureKind | None


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """One for all."""
    with fault_server(answer=ANSWER) as server:
        yield server


@asynccontextmanager
async def opened(client: str, server: FaultServer) -> AsyncIterator[tuple[Any, Any]]:
    """Yield a sync client and an async one."""
    if client == "openai":
        settings: Any = {"base_url": server.openai_url, "api_key": "none"}
        with openai.OpenAI(**settings) as sync:
            async with openai.AsyncOpenAI(**settings) as other:
                yield sync, other
    elif client == "anthropic":
        settings = {"base_url": server.anthropic_url, "api_key": "none"}
        with anthropic.Anthropic(**settings) as claude:
            async with anthropic.AsyncAnthropic(**settings) as another:
                yield claude, another
    else:
        genai = pytest.importorskip("google.genai")
        with genai.Client(api_key="none", http_options={"base_url": server.gemini_url}) as gemini:
            async with gemini.aio as aio:
                yield gemini, aio


def read(server: FaultServer, client: str, form: Form, fault: str, *, is_async: bool, adapted: bool = True) -> Read:
    """Read a stream's elements to its end, every event of it given to the boundary."""
    asked = {"model": fault, **form.asked}

    def of(given: Any) -> Any:
        return COMPONENTS[client](form.of(given)) if adapted else form.of(given)

    async def run() -> Read:
        async with opened(client, server) as (sync, other):

            def events() -> Iterator[Any]:
                stream = of(sync)(**asked)
                with stream if hasattr(stream, "__enter__") else nullcontext(stream) as entered:
                    yield from entered

            async def events_async() -> AsyncIterator[Any]:
                stream = of(other)(**asked)
                stream = stream if hasattr(stream, "__aenter__") else await stream
                async with stream if hasattr(stream, "__aenter__") else nullcontext(stream) as entered:
                    async for event in entered:
                        yield event

            items: list[Any] = []
            cause: BaseException | None = None
            with fresh_registry():
                isolation: Any = {} if is_async else {"isolation": "inline"}
                items_of = Boundary("items", output=list[Item], stream="elements", deadline=DEADLINE, **isolation)
                stream: Any = items_of.stream(events_async if is_async else events)
                try:
                    if is_async:
                        async for item in stream:
                            items.append(item)  # noqa: PERF401 - those before an error are kept
                    else:
                        items.extend(stream)
                except BoundaryError as error:
                    cause = error.__cause__
            return Read(items, stream.outcome, cause.failure.kind if isinstance(cause, BoundaryError) else None)

    return asyncio.run(run())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("client", "form"), EVERY, ids=str)
def test_elements_are_read_from_a_clients_own_events(
    server: FaultServer, client: str, form: Form, *, is_async: bool
) -> None:
    """Each once, although helpers of the clients say their text twice."""
    found = read(server, client, form, "ok", is_async=is_async)
    assert (found.items, found.ended.failure) == (ITEMS, None)


@pytest.mark.parametrize("fault", KINDS)
@pytest.mark.parametrize(("client", "form"), EVERY, ids=str)
def test_a_stream_that_is_no_list_has_its_kind(server: FaultServer, client: str, form: Form, fault: str) -> None:
    """The provider's word for it, where it says one."""
    found = read(server, client, form, fault, is_async=fault in {"empty", "refusal"})
    assert found.items == []
    assert found.ended.failure is not None
    assert found.ended.failure.kind is OTHERWISE.get((client, fault), KINDS[fault])


@pytest.mark.parametrize(("client", "form"), EVERY, ids=str)
def test_a_list_that_is_cut_ends_as_truncated(server: FaultServer, client: str, form: Form) -> None:
    """Behind the elements that were whole; one that just stops, with all of its text, as interrupted."""
    cut = read(server, client, form, "truncated", is_async=True)
    assert (cut.items, cut.cause) == (ITEMS[:1], FailureKind.TRUNCATED)
    stopped = read(server, client, form, "no-terminator", is_async=True)
    assert (stopped.items, stopped.cause) == (ITEMS, FailureKind.STREAM_INTERRUPTED)


@pytest.mark.filterwarnings("ignore")  # what clients warn of is theirs
@pytest.mark.parametrize(("client", "form"), EVERY, ids=str)
def test_without_an_adapter_the_events_are_read_too(server: FaultServer, client: str, form: Form) -> None:
    """And what they say of the end."""
    assert read(server, client, form, "ok", is_async=True, adapted=False).items == ITEMS
    assert read(server, client, form, "truncated", is_async=True, adapted=False).cause is FailureKind.TRUNCATED


def test_tokens_are_counted_once(server: FaultServer) -> None:
    """By the adapter, also those that are told of after the event that says why the answer ended."""
    form = Form("chat.completions.create", {**FORMS["openai"][0].asked, "stream_options": {"include_usage": True}})
    for fault, output in ("ok", 8), ("truncated", 4):
        ended = read(server, "openai", form, fault, is_async=False).ended
        assert ended.usage is not None
        assert (ended.usage.input, ended.usage.output) == (8, output)
        assert (ended.wasted is None) is (fault == "ok")
