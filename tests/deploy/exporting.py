"""
A process whose boundaries go through everything that has a series, over and over.

    python -m tests.deploy.exporting PORT

It serves its metrics on that port of loopback, and ends when its standard input closes. It sets OpenTelemetry up by
itself, as a program does that Prometheus scrapes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server
from pydantic import BaseModel
from tenacity import wait_none

from aiguard import BoundaryError, Breaker, Bulkhead, InputContract, Price, Retry, Text, Usage, guard, report_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PRICES = {"*": Price(input=2.0, output=8.0, cached=1.0)}
turn = itertools.count()


class Mood(BaseModel):
    """What a review says."""

    mood: str


def no_rules(review: str) -> Mood:
    """Fail, as a rung may that knows no answer."""
    raise LookupError(review)


@guard(
    "mood",
    owner="shop-ml",
    input=InputContract({"review": Text(max_length=20)}, on_breach="warn"),
    output=Mood,
    deadline=2.0,
    retry=Retry(attempts=2, wait=wait_none()),
    reask=1,
    prices=PRICES,
    fallback=[no_rules, Mood(mood="mixed")],
)
async def mood(review: str) -> dict[str, Any]:
    """Answer, break the contract, or fail."""
    number = next(turn)
    report_usage(Usage(input=900, output=60, cached=300, model=f"small-{number % 2}"))
    if number % 5 == 1:
        raise ConnectionResetError
    return {"humour": review} if number % 5 > 2 else {"mood": "pleased"}


@guard("letter", owner="shop-ml", deadline=1.0, breaker=Breaker(minimum_calls=3, open_for=2.0), dependency="provider")
async def letter(_: str) -> str:
    """Fail: nothing else can write a letter, so errors leave, and then refusals."""
    raise ConnectionRefusedError


@guard("summary", owner="search", deadline=1.0, breaker=Breaker(minimum_calls=3, open_for=2.0), dependency="provider")
async def summary(_: str) -> str:
    """Answer, as long as the provider that `letter` fails with is let be asked."""
    return "short"


@guard("title", deadline=1.0, fallback=[no_rules])
async def title(review: str) -> str:
    """Fail, with a ladder that fails too."""
    raise ConnectionRefusedError(review)


@guard("chat", owner="shop-ml", deadline=2.0, stream="passthrough")
async def chat(_: str) -> AsyncIterator[str]:
    """Answer item by item."""
    for word in ("one", "two"):
        yield word


@guard("search", owner="search", deadline=600.0, bulkhead=Bulkhead(limit=1, queue=2))
async def search(_: str) -> str:
    """Hang."""
    await asyncio.Event().wait()
    return "never"


async def once() -> None:
    """Go through everything."""
    for ask, text in ((mood, "I love it"), (mood, "I love it so much that"), (letter, ""), (summary, ""), (title, "")):
        with contextlib.suppress(BoundaryError):
            await ask(text)
    async for _ in chat(""):
        pass
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(search("given up"), 0.01)


async def main(port: int) -> None:
    """Go through it until nobody wants it any more."""
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    start_http_server(port, "127.0.0.1")
    unwanted = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(unwanted.set)), daemon=True).start()
    hung = [asyncio.create_task(search("")) for _ in range(2)]  # one is in flight, one waits
    while not unwanted.is_set():
        await once()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(unwanted.wait(), 0.1)
    for task in hung:
        task.cancel()
    await asyncio.gather(*hung, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
