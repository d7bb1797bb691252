"""Guarded HTTP clients over real sockets and in real time, alone and under the SDKs of OpenAI and Anthropic."""

from __future__ import annotations

import asyncio
import importlib
import time
from typing import TYPE_CHECKING, Any

import pytest

import aiguard
from aiguard import FailureKind, guard
from aiguard.integrations.http import guard_client
from aiguard.propagation import HEADER, within
from aiguard.testing import fresh_registry
from tests.integrations.loopback import DRIBBLE, Loopback, loopback_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[Loopback]:
    """A server over real sockets."""
    with loopback_server() as loopback:
        yield loopback


@pytest.fixture
def server(running: Loopback) -> Loopback:
    """The server, as if it had just been started."""
    running.mode = "answer"
    running.seen.clear()
    return running


@pytest.fixture
def real_time() -> Iterator[None]:
    """Boundaries of a test that waits for real sockets, in real time."""
    with fresh_registry():
        yield


@pytest.mark.usefixtures("real_time")
def test_a_server_hears_how_long_it_is_waited_for(library: Any, server: Loopback) -> None:
    """Sync in the caller's thread, sync in a worker, and async."""
    client = guard_client(library.Client())

    def page() -> Any:
        return client.get(server.url).json()

    inline, thread = (guard(kind, deadline=2.0, isolation=kind)(page) for kind in ("inline", "thread"))

    @guard("async", deadline=2.0)
    async def asked() -> Any:
        async with guard_client(library.AsyncClient()) as client:
            return (await client.get(server.url)).json()

    with client:
        assert [inline(), thread(), asyncio.run(asked())] == [{"ok": True}] * 3
    assert [1500 < int(seen[HEADER]) <= 2000 for seen in server.seen] == [True] * 3


@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("mode", ["dribble", "hang", "stall"])
def test_a_server_that_goes_on_is_cut_at_the_deadline_in_sync_code(library: Any, server: Loopback, mode: str) -> None:
    """In the caller's thread, where nothing else could interrupt it; after a silence no later than twice the time."""
    server.mode = mode
    errors: list[Any] = []

    @guard("page", deadline=0.3, isolation="inline")
    def page() -> Any:
        try:
            return client.get(server.url)
        except Exception as error:
            errors.append(error)
            raise

    with guard_client(library.Client(timeout=60.0)) as client:
        began = time.monotonic()
        with pytest.raises(aiguard.BoundaryError) as caught:
            page()
    assert 0.25 < time.monotonic() - began < DRIBBLE / 2  # machines are busy
    assert type(errors[0]) is library.ReadTimeout
    assert caught.value.failure.kind is FailureKind.TIMEOUT


@pytest.mark.usefixtures("real_time")
def test_a_connection_that_was_cut_is_not_used_again(library: Any, server: Loopback) -> None:
    """The rest of a dribbled body must not become the next response."""
    with guard_client(library.Client()) as client:
        server.mode = "dribble"
        with within(0.2), pytest.raises(library.ReadTimeout):
            client.get(server.url)
        server.mode = "answer"
        with within(5.0):
            assert client.get(server.url).json() == {"ok": True}


@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_real_sdk_behind_a_guarded_client(server: Loopback, name: str) -> None:
    """The recipe of the docs: the header arrives, and a dribble of five seconds is the SDK's own timeout error."""
    module = importlib.import_module(name)
    http = guard_client(module.DefaultHttpxClient())
    base = f"{server.url}/v1" if name == "openai" else server.url
    sdk = (module.OpenAI if name == "openai" else module.Anthropic)(
        api_key="x", base_url=base, max_retries=0, http_client=http
    )

    @guard("sdk", deadline=2.0, isolation="inline")
    def ask() -> Any:
        messages = [{"role": "user", "content": "well?"}]
        if name == "openai":
            return sdk.chat.completions.create(model="m", messages=messages).choices[0].message.content
        return sdk.messages.create(model="m", messages=messages, max_tokens=9).content[0].text

    with sdk:
        assert ask() == "yes"
        assert 1000 < int(server.seen[0][HEADER]) <= 2000
        server.mode = "dribble"
        began = time.monotonic()
        with within(0.3), pytest.raises(aiguard.BoundaryError) as caught:
            ask()
    assert time.monotonic() - began < DRIBBLE / 2
    assert caught.value.failure.kind is FailureKind.TIMEOUT
    assert type(caught.value.failure.exception).__name__ == "APITimeoutError"


@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_real_async_sdk_behind_a_guarded_client(server: Loopback, name: str) -> None:
    """The same on a loop."""
    module = importlib.import_module(name)

    @guard("sdk", deadline=2.0)
    async def ask() -> Any:
        messages = [{"role": "user", "content": "well?"}]
        http = guard_client(module.DefaultAsyncHttpxClient())
        if name == "openai":
            sdk = module.AsyncOpenAI(api_key="x", base_url=f"{server.url}/v1", max_retries=0, http_client=http)
            async with sdk:
                answer = await sdk.chat.completions.create(model="m", messages=messages)
            return answer.choices[0].message.content
        async with module.AsyncAnthropic(api_key="x", base_url=server.url, max_retries=0, http_client=http) as sdk:
            answer = await sdk.messages.create(model="m", messages=messages, max_tokens=9)
        return answer.content[0].text

    assert asyncio.run(ask()) == "yes"
    assert 500 < int(server.seen[0][HEADER]) <= 2000
