"""
Print tickets as an export gives them: most are fine, and in every hundred there are three that are not.

    python -m examples.batch.records 300 > tickets.jsonl
"""

from __future__ import annotations

import base64
import json
import random
import sys
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKETS: Final = Path(__file__).parents[1] / "ticket_triage" / "tickets.jsonl"
NOTHING, EMPTY, ATTACHMENT = 20, 45, 70


def records(count: int) -> Iterator[dict[str, Any]]:
    """Yield tickets; in each hundred one without a text, one with an empty text, one with a picture pasted into it."""
    texts = [json.loads(line)["text"] for line in TICKETS.read_text(encoding="utf-8").splitlines()]
    for number, text in enumerate(islice(cycle(texts), count)):
        odd = {NOTHING: None, EMPTY: "", ATTACHMENT: attachment(number)}
        yield {"id": f"R-{number:04}", "text": odd.get(number % 100, text)}


def attachment(number: int) -> str:
    """Return a mail with a picture of 600 kB in it, as a broken mail program sends it: the model chokes on it."""
    picture = random.Random(number).randbytes(600_000)  # noqa: S311 - noise, the same each time
    return f"My parcel looks like this:\n{base64.encodebytes(picture).decode()}"


if __name__ == "__main__":
    for record in records(int(sys.argv[1])):
        print(json.dumps(record))
