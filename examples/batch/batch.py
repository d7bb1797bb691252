"""
Sort a file of tickets with a model that runs in this process, however it fares.

    python -m examples.batch.records 300 > tickets.jsonl
    python -m examples.batch.batch tickets.jsonl sorted.jsonl

A line comes out for every line that goes in, in the same order. Stop it whenever you like: started again, it goes on
where it was.
"""

import json
import logging
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from rich.progress import track

from aiguard import Bulkhead, Outcome, OutputContract, Rung, guard
from examples.batch.model import model

WORKERS = 4


class Label(BaseModel):
    """Where a ticket goes; the model says how sure it is, the rules cannot."""

    category: Literal["billing", "technical", "account", "shipping", "security", "feedback", "other"]
    confidence: float | None = None


def sure(label: Label) -> bool:
    """Whether the model may decide this one."""
    return label.confidence is None or label.confidence >= 0.6


def rules(text: str) -> dict[str, str]:
    """Sort a ticket by one word in it."""
    for word, category in {"invoice": "billing", "password": "account", "parcel": "shipping"}.items():
        if word in text:
            return {"category": category}
    raise LookupError("no word of ours in it")


@guard(
    "ticket-category",
    owner="support-ml",
    output=OutputContract(Label, checks=[sure]),
    deadline=0.5,  # a hundred times what a ticket takes
    bulkhead=Bulkhead(limit=2 * WORKERS, queue=WORKERS),  # room for threads that were left behind
    fallback=[Rung(rules, inline=True), Label(category="other")],
    # no breaker: a model in the process has no outages
)
def categorise(text: str) -> dict[str, Any]:
    """Ask the model, in a thread of the boundary's own: the caller is free at the deadline, whatever becomes of it."""
    probabilities = model().predict_proba([text])[0]
    best = int(probabilities.argmax())
    return {"category": str(model().classes_[best]), "confidence": float(probabilities[best])}


def run(source: Path, target: Path) -> Counter[str]:
    """Sort what is not sorted yet; return how many lines each of model and ladder answered, and why not the model."""
    tickets = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()][lines_done(target) :]
    summary: Counter[str] = Counter()
    model()  # trained before any call's time runs
    with target.open("a", encoding="utf-8") as out, ThreadPoolExecutor(WORKERS) as pool:
        outcomes = pool.map(lambda ticket: categorise.outcome(ticket["text"]), tickets)  # in order, whoever is first
        for ticket, outcome in zip(track(tickets, "sorting"), outcomes, strict=True):
            print(json.dumps({"id": ticket["id"], **row(outcome)}), file=out, flush=True)
            summary[source_of(outcome)] += 1
    return summary


def row(outcome: Outcome[Label]) -> dict[str, Any]:
    """Return what the file says of one ticket: the answer, who gave it, and why not the model."""
    why = None if outcome.failure is None else outcome.failure.kind
    return {**outcome.unwrap().model_dump(), "by": outcome.rung or "model", "failure": why}


def source_of(outcome: Outcome[Label]) -> str:
    """Return who answered, and why not the model."""
    return "model" if outcome.failure is None else f"{outcome.rung}, after {outcome.failure.kind}"


def lines_done(target: Path) -> int:
    """Return how many whole lines the file has; half a line, from a run that was killed, is cut off."""
    if not target.exists():
        return 0
    with target.open("r+b") as file:
        written = file.read()
        file.truncate(written.rfind(b"\n") + 1)
    return written.count(b"\n")


if __name__ == "__main__":
    tickets, labels = Path(sys.argv[1]), Path(sys.argv[2])
    logging.basicConfig(filename=labels.with_suffix(".log"))  # the terminal belongs to the bar
    for source, count in run(tickets, labels).most_common():
        print(f"{count:6} {source}")
    if categorise.boundary.abandoned:
        print(f"{categorise.boundary.abandoned:6} threads still at work on what nobody waits for; the exit leaves them")
