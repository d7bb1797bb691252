"""The service, over real sockets and with the real SDK; only the model is a stub."""

from __future__ import annotations

import asyncio
import importlib
import json
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import FailureKind
from aiguard.errors import error_for
from aiguard.failure import Failure
from aiguard.testing import fresh_registry
from examples.service import app as module
from tests.examples.openai_stub import served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import httpx2

    from tests.examples.openai_stub import Stub

GOOD = "I love these shoes, they are great."
UNTELLING = "It is a table."


@pytest.fixture
def service() -> Iterator[Any]:
    """The service's module, its boundaries as new, its policies nobody else's."""
    with fresh_registry():
        yield importlib.reload(module)


@pytest.fixture
def play(service: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a scene with the stub and a client for the service."""

    def run(scene: Callable[[Stub, httpx2.AsyncClient], Awaitable[None]]) -> None:
        async def act() -> None:
            async with served(service, monkeypatch) as (stub, http):
                await scene(stub, http)

        asyncio.run(act())

    return run


@pytest.mark.parametrize(
    ("said", "text", "answer"),
    [
        ('{"mood": "annoyed"}', GOOD, {"mood": "annoyed", "degraded": False, "by": "model", "reason": None}),
        ('{"mood": "rapt"}', GOOD, {"mood": "pleased", "degraded": True, "by": "rules", "reason": "schema_violation"}),
        ("Well!", UNTELLING, {"mood": "mixed", "degraded": True, "by": "value", "reason": "malformed_output"}),
    ],
)
def test_an_answer_says_who_gave_it(play: Callable[..., None], said: str, text: str, answer: dict[str, Any]) -> None:
    """The model where it keeps the contract, else the rules, else the constant; and why not the model."""

    async def scene(stub: Stub, http: httpx2.AsyncClient) -> None:
        stub.text = said
        response = await http.post("/mood", json={"text": text})
        assert (response.status_code, response.json()) == (200, answer)

    play(scene)


def test_a_request_may_shorten_the_deadline(play: Callable[..., None]) -> None:
    """In front of a model that hangs, the ladder answers within the header's seconds; without a ladder it is 504."""

    async def scene(stub: Stub, http: httpx2.AsyncClient) -> None:
        stub.behaviour = "hangs"
        start = perf_counter()
        mood = await http.post("/mood", json={"text": GOOD}, headers={"X-Request-Timeout": "0.2"})
        reply = await http.post("/reply", json={"text": GOOD}, headers={"X-Request-Timeout": "0.2"})
        assert perf_counter() - start < 3  # the boundaries' own deadlines are 4 and 10
        assert (mood.status_code, mood.json()["by"], mood.json()["reason"]) == (200, "rules", "timeout")
        assert (reply.status_code, reply.json()) == (504, {"error": "timeout", "boundary": "review-reply"})

    play(scene)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_deadline_that_is_none_is_refused(play: Callable[..., None], seconds: str) -> None:
    """A header that is no time above zero is the caller's mistake: 422."""

    async def scene(_: Stub, http: httpx2.AsyncClient) -> None:
        response = await http.post("/mood", json={"text": GOOD}, headers={"X-Request-Timeout": seconds})
        assert response.status_code == 422

    play(scene)


def test_an_outage_as_callers_see_it(play: Callable[..., None]) -> None:
    """Without a ladder: 502 until the breaker opens, then 503 with a Retry-After; `/health` shows it, as a 200."""

    async def scene(stub: Stub, http: httpx2.AsyncClient) -> None:
        stub.behaviour = "is gone"
        replies = [await http.post("/reply", json={"text": GOOD}) for _ in range(4)]
        assert [reply.status_code for reply in replies] == [502, 502, 502, 503]
        assert 1 <= int(replies[-1].headers["Retry-After"]) <= 5
        health = await http.get("/health")
        assert health.status_code == 200
        assert health.json()["review-reply"] == {
            "owner": "shop-ml",
            "mode": "on",
            "breaker": "open",
            "in_flight": 0,
            "queued": 0,
        }
        assert health.json()["review-mood"]["breaker"] == "closed"

    play(scene)


def test_a_boundary_that_is_switched_off(service: Any, play: Callable[..., None]) -> None:
    """Its ladder answers, with reason `halted`; where it has none, the status is 503."""

    async def scene(_: Stub, http: httpx2.AsyncClient) -> None:
        service.read_mood.boundary.mode = service.write_reply.boundary.mode = "off"
        assert (await http.post("/mood", json={"text": GOOD})).json()["reason"] == "halted"
        assert (await http.post("/reply", json={"text": GOOD})).status_code == 503

    play(scene)


@pytest.mark.parametrize(
    ("kind", "retry_after", "status", "header"),
    [
        (FailureKind.CIRCUIT_OPEN, 1.2, 503, "2"),
        (FailureKind.BULKHEAD_FULL, None, 503, None),
        (FailureKind.RATE_LIMITED, 7.0, 503, "7"),
        (FailureKind.RATE_LIMITED, None, 502, None),
        (FailureKind.DEADLINE_EXHAUSTED, None, 504, None),
        (FailureKind.SCHEMA_VIOLATION, None, 502, None),
        (FailureKind.AUTH, None, 502, None),
    ],
)
def test_errors_have_a_status(
    service: Any, kind: FailureKind, retry_after: float | None, status: int, header: str | None
) -> None:
    """503 come again, 504 too slow, 502 it failed; where it is known when to come again, the response says so."""
    error = error_for(Failure(kind, "stage", "a message", retry_after))
    response = asyncio.run(service.refuse(None, error))
    assert (response.status_code, response.headers.get("Retry-After")) == (status, header)
    assert json.loads(response.body)["error"] == kind
