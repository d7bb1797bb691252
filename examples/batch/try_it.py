"""
Try the batch: run it, kill it in the middle, run it again.

    make examples
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from examples.batch.records import ATTACHMENT, EMPTY, NOTHING, records
from examples.promises import Promises, hold

COUNT = 300


async def trial(promises: Promises) -> None:
    """Go through it."""
    with TemporaryDirectory() as folder:
        tickets, labels, again = (Path(folder) / name for name in ("tickets.jsonl", "labels.jsonl", "again.jsonl"))
        tickets.write_text("".join(json.dumps(record) + "\n" for record in records(COUNT)), encoding="utf-8")

        print(f"batch: {COUNT} tickets, three in each hundred of them bad", flush=True)
        batch = await start(tickets, labels)
        promises.check("it ends well", await batch.wait() == 0)
        rows = read(labels)
        promises.check("a line for each ticket, in order", ids(rows) == [f"R-{number:04}" for number in range(COUNT)])
        by = Counter(row["by"] for row in rows)
        promises.check("the counts add up", by.total() == COUNT)
        promises.check("the model answers what it can", by["model"] > 0.9 * COUNT)
        promises.check(
            "each bad ticket is answered by the ladder, which says why",
            [whys(rows, position) for position in BAD] == list(BAD.values()),
        )

        print("batch: killed in the middle, and run again", flush=True)
        batch = await start(tickets, again)
        while lines_of(again) < COUNT // 3:  # noqa: ASYNC110 - a file tells nobody that it grows
            await asyncio.sleep(0.01)
        batch.kill()
        await batch.wait()
        done = lines_of(again)
        promises.check(f"it was killed after {done} lines", done < COUNT)
        batch = await start(tickets, again)
        promises.check("it ends well", await batch.wait() == 0)
        promises.check("each ticket has one line, in order", ids(read(again)) == ids(rows))


BAD = {NOTHING: {"unclassified"}, EMPTY: {"check_failed"}, ATTACHMENT: {"timeout"}}


async def start(tickets: Path, labels: Path) -> asyncio.subprocess.Process:
    """Start the batch as its README says."""
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "examples.batch.batch", tickets, labels)


def lines_of(labels: Path) -> int:
    """Return how many whole lines there are so far."""
    return labels.read_bytes().count(b"\n") if labels.exists() else 0


def read(labels: Path) -> list[dict[str, Any]]:
    """Read what the batch has written."""
    return [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines()]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    """Return the tickets' names."""
    return [row["id"] for row in rows]


def whys(rows: list[dict[str, Any]], position: int) -> set[str]:
    """Return why the model did not answer one sort of ticket."""
    return {row["failure"] for number, row in enumerate(rows) if number % 100 == position}


if __name__ == "__main__":
    hold(trial, within=90)
