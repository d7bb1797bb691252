"""What a call costs while the breaker is open: as an exception at the caller, and answered by a static rung."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import pybreaker

from aiguard import Breaker, CircuitOpenError, ComponentError, guard
from benchmarks.figures import Section, figure
from benchmarks.peers.guarded import everything, name
from benchmarks.slices import interleave, microseconds, synchronous
from benchmarks.workload import Triage, fallback

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.slices import Plan

REJECTED = "rejected"
HOUR = 3600.0


def _down(_ticket: str) -> NoReturn:
    raise ConnectionError


def _guarded(**changed: object) -> Callable[[str], Triage]:
    # one failure opens it, for longer than anybody measures
    breaker = Breaker(failure_rate=1.0, minimum_calls=1, open_for=HOUR, open_for_max=HOUR)
    settings = everything(isolation="inline", retry=None, breaker=breaker) | changed
    guarded: Callable[[str], Triage] = guard(name("open"), **settings)(_down)
    return guarded


def _raising() -> Callable[[str], str]:
    guarded = _guarded(fallback=())
    with suppress(ComponentError):
        guarded("")

    def call(ticket: str) -> str:
        try:
            guarded(ticket)
        except CircuitOpenError:
            return REJECTED
        return ""

    return call


def _answered() -> Callable[[str], Triage]:
    guarded = _guarded()
    guarded("")
    return guarded


def _pybreaker() -> Callable[[str], str]:
    breaker = pybreaker.CircuitBreaker(fail_max=1, reset_timeout=HOUR)
    guarded = breaker(_down)

    def call(ticket: str) -> str:
        try:
            guarded(ticket)
        except pybreaker.CircuitBreakerError:
            return REJECTED
        return ""

    call("")
    return call


def rejections(plan: Plan) -> Section:
    """Measure calls that an open breaker refuses, in the caller's thread."""
    subjects = [
        synchronous("pybreaker", "pybreaker alone, exception", _pybreaker(), REJECTED),
        synchronous("guard-raises", "aiguard, exception", _raising(), REJECTED),
        synchronous("guard-answers", "aiguard, answered by a static rung", _answered(), fallback()),
    ]
    taken = interleave(subjects, plan)
    figures = (figure("rejected", it.name, it.label, "µs", microseconds(taken[it.name])) for it in subjects)
    return Section("Rejected call, breaker open, sync inline, µs of CPU", tuple(figures), ())
