"""
What is left of a deadline, on its way from one service to the next.

It travels as milliseconds that are left, not as a date: two machines need not agree on the time of day. What the way
itself takes is not subtracted; the sender's own deadline covers it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from aiguard import deadline
from aiguard.engine.state import SURROUNDINGS

if TYPE_CHECKING:
    from collections.abc import Generator

HEADER: Final = "aiguard-remaining-ms"
"""A whole number of milliseconds that are left of the sender's deadline."""

Headers = Mapping[str, Any] | Mapping[bytes, Any] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]

_WANTED: Final = HEADER.encode()
_MILLISECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_MOST: Final = 1000


def deadline_headers() -> dict[str, str]:
    """
    Return the header that tells a service how long its answer is waited for; nothing outside any boundary.

    For clients that `aiguard.integrations.http` does not know: merge it into the headers of each request, at the time
    of the request.
    """
    left = deadline.remaining()
    return {} if left is None or left == math.inf else {HEADER: str(int(left * 1000))}


@contextmanager
def within(limit: float | Headers) -> Generator[None]:
    """
    Shorten every boundary that is called inside the block to what is left; never lengthen one.

    A boundary that is called when nothing is left rejects the call with `deadline_exhausted`, without calling its
    component. Whatever else happens inside is not interrupted: `aiguard.remaining()` tells it how long there is.

    Args:
        limit: Seconds from now on; or the headers of a request, as a mapping or as pairs, of text or bytes. Of headers
            that carry no time, or anything but a whole number of milliseconds, nothing follows; of several, the least
            holds.

    Raises:
        ValueError: The seconds are not a number (NaN).
        TypeError: It is neither seconds nor headers.
    """
    seconds = float(limit) if isinstance(limit, int | float) else limit_of(limit)
    if seconds is None or seconds == math.inf:
        yield
        return
    if math.isnan(seconds):
        msg = "within(nan): the time that is left has to be a number of seconds, or the headers of a request"
        raise ValueError(msg)
    frame = deadline.current.get()
    clock = frame[1] if frame is not None else SURROUNDINGS.clock
    metered = frame[2] if frame is not None else None
    token = deadline.publish((deadline.earliest(clock.now() + seconds, clock), clock, metered))
    try:
        yield
    finally:
        deadline.withdraw(token)


def limit_of(headers: object) -> float | None:
    """Return the seconds that a request's headers leave for it; `None` where they say nothing that can be read."""
    if isinstance(headers, str | bytes) or not isinstance(headers, Iterable):
        msg = f"within() takes seconds, or the headers of a request, not a {type(headers).__qualname__}"
        raise TypeError(msg)
    try:
        return min(_told(headers), default=None)
    except Exception:  # noqa: BLE001 - headers nobody can read leave all the time there is
        return None


def _told(headers: Iterable[Any]) -> Iterator[float]:
    """Yield the seconds in every value that is one: repeated headers arrive apart, or joined by commas."""
    pairs: Any = headers.items() if hasattr(headers, "items") else headers
    for name, value in islice(pairs, _MOST):
        if _bytes(name).lower() != _WANTED:
            continue
        for one in value if isinstance(value, list | tuple) else (value,):
            for part in _bytes(one).decode("latin-1").split(",", _MOST):
                if found := _MILLISECONDS.fullmatch(part.strip()):
                    yield int(found[0]) / 1000


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1", "replace")
