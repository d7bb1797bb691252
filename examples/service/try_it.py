"""
Try the service: with a real model that answers, that hangs, and that was killed.

    make examples
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from examples.promises import Promises, hold
from examples.served import served
from examples.ticket_triage.model_process import ModelProcess, free_port

if TYPE_CHECKING:
    import httpx2

POLICIES = Path(__file__).with_name("aiguard.yaml")
GOOD, BAD = "I love these shoes, they are great.", "The lamp came late, and it was broken."


async def trial(promises: Promises) -> None:
    """Go through it."""
    with ModelProcess(free_port(None)) as model, TemporaryDirectory() as folder:
        policies = Path(folder) / "aiguard.yaml"
        policies.write_text(POLICIES.read_text(encoding="utf-8"), encoding="utf-8")
        await model.start()
        async with served("examples.service.app:app", model.base_url, AIGUARD_CONFIG=str(policies)) as http:
            print("service: the model is up")
            answers = [(await post(http, "/mood", text))[1].json() for text in (GOOD, BAD)]
            promises.check("the model answers", any(answer["by"] == "model" for answer in answers))
            promises.check(
                "an answer that is not the model's says why",
                all(answer["degraded"] == bool(answer["reason"]) for answer in answers),
            )
            letters = [(await post(http, "/reply", text))[1] for text in (GOOD, BAD)]
            promises.check("the model writes letters", any(letter.status_code == 200 for letter in letters))

            print("service: an operator writes `mode: off` into aiguard.yaml")
            text = policies.read_text(encoding="utf-8")
            policies.write_text(text.replace("reask: 1", "mode: off"), encoding="utf-8")
            await asyncio.sleep(1.0)
            seconds, answer = await post(http, "/mood", GOOD)
            promises.check("a second later the rules answer", (answer.json()["by"], seconds < GRACE) == ("rules", True))
            promises.check("because it was halted", answer.json()["reason"] == "halted")
            policies.write_text(text, encoding="utf-8")
            await asyncio.sleep(1.0)
            promises.check("and a second after it is undone, no more", not halted((await post(http, "/mood", GOOD))[1]))

            print("service: the model hangs")
            model.hang()
            seconds, answer = await post(http, "/mood", GOOD, wait=0.4)
            promises.check("whoever waits for 0.4 s has an answer in time", seconds < 0.4 + GRACE)
            promises.check("it is the rules'", (answer.json()["by"], answer.json()["reason"]) == ("rules", "timeout"))
            seconds, letter = await post(http, "/reply", GOOD, wait=0.4)
            promises.check("without a ladder it is 504, as soon", letter.status_code == 504 and seconds < 0.4 + GRACE)

            print("service: the model is killed")
            model.kill()
            tried = [await post(http, "/mood", BAD) for _ in range(5)]
            promises.check("every answer is 200 and degraded", all(degraded(answer) for _, answer in tried))
            promises.check("and quick", all(seconds < 0.3 + GRACE for seconds, _ in tried))
            letters = [(await post(http, "/reply", BAD))[1] for _ in range(5)]
            promises.check("without a ladder it is 502", letters[0].status_code == 502)
            promises.check(
                "then 503 with a Retry-After", letters[-1].status_code == 503 and letters[-1].headers["Retry-After"]
            )
            health = (await http.get("/health")).json()
            promises.check("/health shows two open breakers", [b["breaker"] for b in health.values()] == ["open"] * 2)
            promises.check("and nothing in flight", all(b["in_flight"] == 0 for b in health.values()))


GRACE = 0.5
"""Seconds for HTTP, on a machine that has other things to do."""


async def post(
    http: httpx2.AsyncClient, path: str, text: str, wait: float | None = None
) -> tuple[float, httpx2.Response]:
    """Send a review, waiting for so many seconds; return how long it took, and the response."""
    headers = {} if wait is None else {"X-Request-Timeout": str(wait)}
    start = perf_counter()
    response = await http.post(path, json={"text": text}, headers=headers)
    seconds = perf_counter() - start
    print(f"  {seconds:5.2f} s  {path}  {response.status_code}  {response.text}", flush=True)
    return seconds, response


def degraded(response: httpx2.Response) -> bool:
    """Whether the service answered without its model."""
    answer: dict[str, Any] = response.json()
    return response.status_code == 200 and answer["degraded"] is True


def halted(response: httpx2.Response) -> bool:
    """Whether the service answered without its model because somebody said so."""
    return bool(response.json()["reason"] == "halted")


if __name__ == "__main__":
    hold(trial, within=60)
