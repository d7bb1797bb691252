"""The chat, over real sockets and with the real SDK; only the model is a stub."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from examples.chat import app as module
from examples.chat.chat import events, main
from tests.examples.openai_stub import served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx2

    from tests.examples.openai_stub import Stub


@pytest.fixture
def chat() -> Any:
    """The chat's module, its boundary as new."""
    return importlib.reload(module)


@pytest.fixture
def play(chat: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a scene with the stub and a client for the chat."""

    def run(scene: Callable[[Stub, httpx2.AsyncClient], Awaitable[None]]) -> None:
        async def act() -> None:
            async with served(chat, monkeypatch) as (stub, http):
                stub.text = "one two three"
                await scene(stub, http)

        asyncio.run(act())

    return run


TEXTS = [("text", "one"), ("text", "two"), ("text", "three")]


def test_pieces_come_and_the_end_says_that_it_is_one(play: Callable[..., None]) -> None:
    """Each piece is an event of its own; the last event says that it is the last, and who wrote them."""

    async def scene(_: Stub, http: httpx2.AsyncClient) -> None:
        got = [event async for event in events(http, "count")]
        assert got == [*TEXTS, ("end", {"interrupted": False, "by": "model", "reason": None})]

    play(scene)


def test_the_first_piece_does_not_wait_for_the_last(play: Callable[..., None]) -> None:
    """While the model still writes, what it has written is there."""

    async def scene(stub: Stub, http: httpx2.AsyncClient) -> None:
        stub.behaviour = "hangs midway"
        async with aclosing(events(http, "count")) as reader:
            assert [await anext(reader) for _ in TEXTS] == TEXTS
        async with asyncio.timeout(5):
            await stub.left.wait()

    play(scene)


def test_a_reader_who_leaves_gives_the_permit_back(play: Callable[..., None]) -> None:
    """The model is hung up on, nothing is in flight any more, and the breaker holds nothing against it."""

    async def scene(stub: Stub, http: httpx2.AsyncClient) -> None:
        stub.behaviour = "hangs midway"
        async with aclosing(events(http, "count")) as reader:
            await anext(reader)
            assert (await http.get("/health")).json()["in_flight"] == 1
        async with asyncio.timeout(5):
            await stub.left.wait()
            while (await http.get("/health")).json() != {"breaker": "closed", "in_flight": 0}:  # noqa: ASYNC110 - from outside
                await asyncio.sleep(0.01)

    play(scene)


def test_an_answer_that_was_cut_shows_it(play: Callable[..., None]) -> None:
    """At the limit of its length the model stops: no interruption, and nothing against the model, but told."""

    async def scene(stub: Stub, http: httpx2.AsyncClient) -> None:
        stub.finish = "length"
        got = [event async for event in events(http, "count")]
        assert got == [*TEXTS, ("text", " […]"), ("end", {"interrupted": False, "by": "model", "reason": None})]

    play(scene)


def test_an_answer_that_breaks_off_says_so(play: Callable[..., None]) -> None:
    """What was sent stays, nothing else takes its place, and the last event says so."""

    async def scene(stub: Stub, http: httpx2.AsyncClient) -> None:
        stub.behaviour = "breaks midway"
        got = [event async for event in events(http, "count")]
        assert got == [*TEXTS, ("end", {"interrupted": True, "by": "model", "reason": "stream_interrupted"})]

    play(scene)


def test_without_a_model_the_constant_answers(play: Callable[..., None]) -> None:
    """Before the first piece the ladder can answer: the end names the rung, and why."""

    async def scene(stub: Stub, http: httpx2.AsyncClient) -> None:
        stub.behaviour = "is gone"
        text, end = [event async for event in events(http, "count")]
        assert text == ("text", "I cannot answer at the moment. Please try again in a minute.")
        assert end == ("end", {"interrupted": False, "by": "value", "reason": "connection"})

    play(scene)


@pytest.mark.parametrize(
    ("behaviour", "shown"),
    [
        ("answers", "onetwothree\n"),
        ("breaks midway", "onetwothree ... [broken off: stream_interrupted]\n"),
        ("is gone", "I cannot answer at the moment. Please try again in a minute.\n[not the model: connection]\n"),
    ],
)
def test_the_terminal_shows_how_it_ended(
    play: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    behaviour: Any,
    shown: str,
) -> None:
    """The pieces in one line, and after them whether that was all; an empty question ends it."""
    questions = iter(["count", ""])
    monkeypatch.setattr("builtins.input", lambda _: next(questions))

    async def scene(stub: Stub, http: httpx2.AsyncClient) -> None:
        stub.behaviour = behaviour
        await main(str(http.base_url))

    play(scene)
    assert capsys.readouterr().out == shown
