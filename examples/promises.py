"""What an example promises, held against what it did: what the `try_it.py` of each prints."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Promises:
    """
    Prints each promise as it is kept or broken.

    Attributes:
        broken: How many were.
    """

    def __init__(self) -> None:
        self.broken = 0

    def check(self, promise: str, kept: object) -> None:
        """Print a promise, and whether it was kept."""
        print(f"  {'kept  ' if kept else 'BROKEN'}  {promise}", flush=True)
        self.broken += not kept


def hold(trial: Callable[[Promises], Awaitable[None]], within: float) -> NoReturn:
    """Run a trial, for so many seconds at most; exit with status 1 where a promise was broken or time ran out."""
    promises = Promises()

    async def limited() -> None:
        async with asyncio.timeout(within):
            await trial(promises)

    try:
        asyncio.run(limited())
    except TimeoutError:
        promises.check(f"all of this takes less than {within:g} s", kept=False)
    sys.exit(1 if promises.broken else 0)
