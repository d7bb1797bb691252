"""
The records of the audit, and the chain that they form.

A record is a JSON object in one fixed spelling: keys sorted, no blanks, nothing beyond ASCII. Its hash is the SHA-256
of the hash before it, as 64 hex digits, and of that text, so that anybody can follow the chain without aiguard:

    printf '%s%s' "$previous" "$record" | sha256sum
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, NamedTuple

GENESIS: Final = "0" * 64
"""What stands where the first record's predecessor would."""


class Record(NamedTuple):
    """
    One record.

    Attributes:
        seq: Its number, counted from 1.
        text: The JSON object, in its one spelling.
        hash: Of the chain up to this record, as 64 hex digits.
    """

    seq: int
    text: str
    hash: str

    @property
    def data(self) -> dict[str, Any]:
        """What it says."""
        said: dict[str, Any] = json.loads(self.text)
        return said


class Head(NamedTuple):
    """
    The last record of a chain.

    Attributes:
        seq: Its number; 0 where there is none.
        hash: Of the chain up to it.
    """

    seq: int
    hash: str


NOTHING: Final = Head(0, GENESIS)


def canonical(data: dict[str, Any]) -> str:
    """Return `data` in its one spelling, without what is `None`."""
    said = {key: value for key, value in data.items() if value is not None}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)


def chained(previous: str, text: str) -> str:
    """Return the hash of a record that follows `previous`."""
    return hashlib.sha256((previous + text).encode()).hexdigest()


def following(head: Head, data: dict[str, Any]) -> Record:
    """Return the record that says `data`, behind `head`."""
    seq = head.seq + 1
    text = canonical({**data, "seq": seq})
    return Record(seq, text, chained(head.hash, text))
