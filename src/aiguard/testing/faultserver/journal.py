"""What the server was asked, and what became of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiguard.testing.faultserver.catalogue import WireFault
    from aiguard.testing.faultserver.wire import Provider


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """
    One request, as it stood when `server.requests` was read.

    Attributes:
        number: From 1, in the order in which requests came.
        connection: Number of the connection, from 1: two requests with the same one shared it.
        moment: `time.monotonic()` when the request had been read.
        method: Of HTTP.
        path: Without its query.
        query: What stood behind `?`.
        headers: Names in small letters.
        body: The parsed JSON; the bytes where they are none.
        provider: Whose format it was, or `None` for an unknown path.
        model: The name in it, or `None`.
        fault: What it met, or `None` where that was a `RawReply`, or the server could make nothing of it.
        amount: The fault's number; 0 where it takes none.
        status: Of the reply; `None` while it lasts, and where no headers were ever sent.
        sent: Bytes of the reply that left, headers included; 0 while it lasts.
        ended: The moment when the reply was over, or when the client left; `None` while it lasts.
        left: Whether the client disconnected before the reply was over.
    """

    number: int
    connection: int
    moment: float
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any
    provider: Provider | None
    model: str | None
    fault: WireFault | None
    amount: float = 0.0
    status: int | None = None
    sent: int = 0
    ended: float | None = None
    left: bool = False


class Journal:
    """
    Remembers requests; used by the server's thread and by any other.

    Args:
        keep: How many of the latest.
    """

    def __init__(self, keep: int) -> None:
        self._changed = threading.Condition()
        self._keep = keep
        self._records: dict[int, RecordedRequest] = {}
        self._serial = 0
        self._cleared = 0
        self._ended = 0

    @property
    def records(self) -> tuple[RecordedRequest, ...]:
        """The latest requests, in their order."""
        with self._changed:
            return tuple(self._records.values())

    def begin(self, record: RecordedRequest) -> int:
        """Remember a request that was read; return what to call it by."""
        with self._changed:
            self._serial += 1
            number = self._serial - self._cleared
            self._records[self._serial] = replace(record, number=number, moment=monotonic())
            if len(self._records) > self._keep:
                del self._records[next(iter(self._records))]
            self._changed.notify_all()
            return self._serial

    def end(self, serial: int, *, status: int | None, sent: int, left: bool) -> None:
        """Remember what became of it, unless it was forgotten."""
        with self._changed:
            if serial <= self._cleared:
                return
            self._ended += 1
            if record := self._records.get(serial):
                self._records[serial] = replace(record, status=status, sent=sent, left=left, ended=monotonic())
            self._changed.notify_all()

    def wait_for(self, count: int, timeout: float, *, ended: bool) -> tuple[RecordedRequest, ...]:
        """
        Wait until `count` requests have come, or have ended, since the start or the last `clear`.

        Raises:
            TimeoutError: They have not.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._count(ended=ended) >= count, timeout):
                seen = f"{self._count(ended=False)} came, {self._ended} of them ended"
                raise TimeoutError(f"waited {timeout:g} s for {count} requests: {seen}")
            return tuple(self._records.values())

    def clear(self) -> None:
        """Forget them, and count from 1 again."""
        with self._changed:
            self._records.clear()
            self._cleared = self._serial
            self._ended = 0

    def _count(self, *, ended: bool) -> int:
        return self._ended if ended else self._serial - self._cleared
