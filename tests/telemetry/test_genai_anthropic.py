"""The span of a request to Anthropic, with the real SDK and the fault server; and beside others' spans of it."""

from __future__ import annotations

import asyncio
import inspect
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import guard
from aiguard.integrations.anthropic import component
from aiguard.telemetry import genai, names
from aiguard.telemetry.settings import SETTINGS
from aiguard.testing import FaultServer, fault_server, fresh_registry
from tests.telemetry.drawn import assert_drawn_once, billed, instrumented

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.telemetry.conftest import Recorded

anthropic = pytest.importorskip("anthropic")

ASKED: dict[str, Any] = {"model": "ok", "max_tokens": 9, "messages": [{"role": "user", "content": "CANARY-4711"}]}

OTHERS = {
    "official": "opentelemetry.instrumentation.genai.anthropic",
    "openinference": "openinference.instrumentation.anthropic",
    "openllmetry": "opentelemetry.instrumentation.anthropic",
}
"""What draws the same request as others see it: installed by `make test-telemetry`."""

FORMS = ["create", "streamed", "helper"]


@pytest.fixture(scope="module")
def running() -> Iterator[FaultServer]:
    """One server for all."""
    with fault_server(answer='{"fine": true}') as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> Iterator[FaultServer]:
    """The server, as if it had just been started; boundaries and the choice are a test's own."""
    running.clear()
    genai._told.clear()
    before = SETTINGS.genai_spans
    yield running
    SETTINGS.genai_spans = before


def ask(server: FaultServer, kind: str, form: str, *, by_sdk: bool = False) -> None:
    """Ask once, inside a boundary, and read a stream to its end."""
    settings = told(server) if not by_sdk else {"base_url": server.anthropic_url, "api_key": "none"}
    with fresh_registry():
        if kind == "sync":
            with anthropic.Anthropic(**settings) as client:
                guard("ask", deadline=20.0)(_asked)(client, form)
        else:
            asyncio.run(_async_client(settings, form))


def told(server: FaultServer) -> dict[str, Any]:
    """Return the settings of a client that draws nothing itself."""
    return {"base_url": server.anthropic_url, "api_key": "none", "open_telemetry": {"traces": False}}


def _asked(client: Any, form: str) -> None:
    if form == "create":
        component(client.messages.create)(**ASKED)
    elif form == "streamed":
        for _ in component(client.messages.create)(stream=True, **ASKED):
            pass
    else:
        with component(client.messages.stream)(**ASKED) as events:
            for _ in events:
                pass


async def _async_client(settings: dict[str, Any], form: str) -> None:
    async with anthropic.AsyncAnthropic(**settings) as client:
        await guard("ask", deadline=20.0)(_asked_async)(client, form)


async def _asked_async(client: Any, form: str) -> None:
    if form == "create":
        await component(client.messages.create)(**ASKED)
    elif form == "streamed":
        async for _ in await component(client.messages.create)(stream=True, **ASKED):
            pass
    else:
        async with component(client.messages.stream)(**ASKED) as events:
            async for _ in events:
                pass


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_request_is_a_span_below_its_attempt(recorded: Recorded, server: FaultServer, kind: str, form: str) -> None:
    """Plain, as a stream and by the SDK's helper for streams, with what the answer says of itself; no word of it."""
    ask(server, kind, form)
    [chat] = billed(recorded)
    assert (chat.name, recorded.tree["chat ok"]) == ("chat ok", "aiguard.attempt ask")
    said = dict(chat.attributes)
    assert said.pop(names.GEN_AI_REQUEST_STREAM, False) is (form != "create")
    assert (names.GEN_AI_FIRST_CHUNK in said) is (form != "create")
    said.pop(names.GEN_AI_FIRST_CHUNK, None)
    assert said == {
        "aiguard.boundary": "ask",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "ok",
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.response.id": "msg_fault",
        "gen_ai.response.model": "ok",
        "gen_ai.usage.input_tokens": 8,
        "gen_ai.usage.output_tokens": 2,
        "server.address": "127.0.0.1",
    }
    assert "CANARY" not in recorded.everything()


def test_a_helper_that_nobody_enters_sends_and_draws_nothing(recorded: Recorded, server: FaultServer) -> None:
    """Nor does it leave a span that never ends, though the async one has its request made already."""
    settings = told(server)
    with anthropic.Anthropic(**settings) as client:
        component(client.messages.stream)(**ASKED)

    async def unentered() -> None:
        async with anthropic.AsyncAnthropic(**settings) as client:
            manager = component(client.messages.stream)(**ASKED)
            [request] = [value for value in vars(manager).values() if inspect.iscoroutine(value)]
            request.close()  # or Python warns that nobody awaited it

    asyncio.run(unentered())
    assert not server.requests
    assert not recorded.spans


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("choice", ["off", "auto", "own"])
def test_what_the_sdk_draws_itself_is_left_to_it(
    recorded: Recorded, server: FaultServer, choice: Any, form: str
) -> None:
    """As it does unless it is told not to."""
    SETTINGS.genai_spans = choice
    ask(server, "sync", form, by_sdk=True)
    [chat] = billed(recorded)
    assert chat.instrumentation_scope.name == "com.anthropic.sdk.python"


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest, recorded: Recorded) -> Iterator[str]:
    """Have the same requests drawn by somebody else too."""
    with instrumented(OTHERS[request.param], "AnthropicInstrumentor", recorded):
        yield request.param


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", list(product(["off", "auto", "own"], ["sync", "async"])), ids="-".join)
def test_one_span_has_the_usage_of_each_request(
    recorded: Recorded, server: FaultServer, how: tuple[Any, str], form: str
) -> None:
    """Beside each of them: the other's where it is left to it, aiguard's own where the other was kept quiet."""
    SETTINGS.genai_spans, kind = choice, _ = how
    ask(server, kind, form)
    assert_drawn_once(recorded, by_aiguard=choice == "own")
