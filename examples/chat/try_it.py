"""
Try the chat: read to the end, leave in the middle, and kill the real model in the middle.

    make examples
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import perf_counter
from typing import TYPE_CHECKING, Any

from examples.chat.chat import events
from examples.promises import Promises, hold
from examples.served import served
from examples.ticket_triage.model_process import ModelProcess, free_port

if TYPE_CHECKING:
    import httpx2

STORY = "Tell me a long story about a fox, with many words."


async def trial(promises: Promises) -> None:
    """Go through it."""
    with ModelProcess(free_port(None)) as model:
        await model.start()
        async with served("examples.chat.app:app", model.base_url) as http:
            print("chat: somebody reads to the end")
            start = perf_counter()
            read = [(perf_counter() - start, *event) async for event in events(http, "Name three colours.")]
            first, last = read[0][0], read[-1][0]
            print(f"  {''.join(data for _, name, data in read if name == 'text')!r}")
            print(f"  first piece after {first:.2f} s, the last of {len(read) - 1} after {last:.2f} s: {read[-1][2]}")
            promises.check("pieces come one by one", len(read) > 5 and len({at for at, _, _ in read}) == len(read))
            promises.check("the first one does not wait for the last", first < last)
            promises.check("the end says that it is one, and the model's", read[-1][2] == END | {"interrupted": False})

            print("chat: somebody leaves in the middle")
            async with aclosing(events(http, STORY)) as reader:
                pieces = [await anext(reader) for _ in range(5)]
                during = await in_flight(http)
            promises.check(f"a permit was held for {len(pieces)} pieces", during == 1)
            promises.check("it is given back within 2 s", await settles(http, within=2))

            print("chat: the model is killed in the middle")
            got: list[tuple[str, Any]] = []
            async for event in events(http, STORY):
                got.append(event)
                if len(got) == 10:
                    model.kill()
            print(f"  {''.join(data for name, data in got if name == 'text')!r} {got[-1][1]}")
            promises.check("what was sent stays", len(got) > 10)
            promises.check("the end says that it broke off", got[-1] == ("end", END | {"reason": "stream_interrupted"}))
            promises.check("the permit is back", await settles(http, within=2))
            after = [event async for event in events(http, STORY)]
            promises.check("the next one is told to come back", [name for name, _ in after] == ["text", "end"])
            promises.check("and by whom", after[-1][1]["by"] == "value")


END = {"interrupted": True, "by": "model", "reason": None}


async def in_flight(http: httpx2.AsyncClient) -> int:
    """Return how many permits are taken."""
    return int((await http.get("/health")).json()["in_flight"])


async def settles(http: httpx2.AsyncClient, within: float) -> bool:
    """Whether every permit is back soon."""
    end = perf_counter() + within
    while await in_flight(http):
        if perf_counter() > end:
            return False
        await asyncio.sleep(0.05)
    return True


if __name__ == "__main__":
    hold(trial, within=60)
