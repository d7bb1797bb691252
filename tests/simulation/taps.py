"""
A tap before every stage: who comes, who is let in, and how it ends, each told to the reference of that stage.

A tap waits for nothing and changes nothing. Since everything between two waits happens at once, the order in which the
taps hear is the order in which the stages decided: the reference need not guess who was first.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from aiguard import BoundaryError
from aiguard.engine import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.call import Call, Proceed, Stage
    from tests.simulation.conformance import Conformance


class Visit:
    """
    One call at one stage.

    Attributes:
        stage: The stage's name.
        call: The call, as it came.
        journal: What tells this call from others.
        boundary: The boundary's name.
        parent: The same call at the stage around, or `None`.
        began: When it came.
        jumped: How far the clock had jumped by then.
        inner: How often it was let in.
        ended: When it left.
        how: How it ended: `ok`, a failure kind, or what was raised.
        value: What it answered.
        error: What it raised.
        memo: What the stage's reference keeps of it.
    """

    __slots__ = (
        "began",
        "boundary",
        "call",
        "ended",
        "error",
        "how",
        "inner",
        "journal",
        "jumped",
        "memo",
        "parent",
        "stage",
        "value",
    )

    def __init__(  # noqa: PLR0917 - positional for speed
        self, stage: str, boundary: str, call: Call, parent: Visit | None, now: float, jumped: float
    ) -> None:
        self.stage = stage
        self.boundary = boundary
        self.call = call
        self.journal = call.journal
        self.parent = parent
        self.began = now
        self.jumped = jumped
        self.inner = 0
        self.ended = float("inf")
        self.how = ""
        self.value: Any = None
        self.error: BaseException | None = None
        self.memo: Any = None

    def above(self, stage: str) -> Visit | None:
        """Return the same call at a stage around this one, or `None`."""
        found = self.parent
        while found is not None and found.stage != stage:
            found = found.parent
        return found

    @property
    def retry_after(self) -> float | None:
        """What the failure says of when to come back."""
        return self.error.failure.retry_after if isinstance(self.error, BoundaryError) else None

    @property
    def decided_by(self) -> str:
        """The stage that the failure names."""
        return self.error.failure.stage if isinstance(self.error, BoundaryError) else ""


class Tap:
    """What stands before a stage."""

    def __init__(self, stage: Stage, name: str, inner: Tap | None) -> None:
        self.stage = stage
        self.name = name
        self.inner = inner
        self.kind = type(stage).__name__.removesuffix("Stage").lower()

    async def run(self, parent: Visit | None, call: Call) -> Any:
        """Pass the call on, and tell of it."""
        listening = CURRENT.conformance
        if listening is None:
            return await self.stage.run(self._passing(None), call)
        visit = listening.comes(self.kind, self.name, call, parent)
        try:
            visit.value = await self.stage.run(self._passing(visit), call)
            visit.how = "ok"
            return visit.value
        except BoundaryError as error:
            visit.how = error.failure.kind.value
            visit.error = error
            raise
        except BaseException as error:
            visit.how = "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__
            visit.error = error
            raise
        finally:
            listening.goes(visit)

    def _passing(self, visit: Visit | None) -> Any:
        return partial(self.inner.run, visit) if self.inner is not None else None


class _Current:
    conformance: Conformance | None = None
    tapping = True


CURRENT = _Current()


@contextlib.contextmanager
def in_place() -> Iterator[None]:
    """Tap every pipeline that is made."""
    plain, order = pipeline.chained, pipeline.order
    name = ""

    def named(policy: Any, state: Any, fallback: Any, *, judged: bool) -> list[Stage]:
        nonlocal name
        name = state.name
        return order(policy, state, fallback, judged=judged)

    def tapped(stages: list[Stage]) -> Proceed:
        if not CURRENT.tapping:
            return plain(stages)
        tap: Tap | None = None
        for stage in reversed(stages):
            tap = Tap(stage, name, tap)
        assert tap is not None
        return partial(tap.run, None)

    pipeline.chained, pipeline.order = tapped, named
    try:
        yield
    finally:
        pipeline.chained, pipeline.order = plain, order
        CURRENT.conformance = None


def moved_by_hand(what: str) -> None:
    """Tell of a breaker that was moved by hand."""
    if CURRENT.conformance is not None:
        CURRENT.conformance.moved_by_hand(what)
