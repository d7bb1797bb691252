"""Whether the times of a policy fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiguard.check.attempts import attempts_of, longest_wait
from aiguard.check.rules import DEADLINE_TOO_SHORT, NO_ATTEMPT_TIMEOUT
from aiguard.check.rungs import takes_time
from aiguard.failure import FailureKind
from aiguard.stages.fallback import FallbackStage, Form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.check.finding import Finding
    from aiguard.check.subject import Subject
    from aiguard.policy import Policy

_SLACK: Final = 1e-9  # sums of decimals are not exact


def timing(subject: Subject) -> Iterator[Finding]:
    """Find a deadline too short for the attempts, and attempts that may take all of it."""
    yield from _deadline_too_short(subject)
    yield from _no_attempt_timeout(subject)


def _deadline_too_short(subject: Subject) -> Iterator[Finding]:
    policy = subject.policy
    deadline, timeout, attempts = policy.deadline, policy.attempt_timeout, attempts_of(policy.retry)
    if deadline is None or timeout is None or attempts is None:
        return
    tries = attempts + policy.reask
    held = _held_back(policy, deadline)
    left = deadline - held + _SLACK
    waits = [_waited(policy, min(number, attempts)) for number in range(1, tries + 1)]
    needed = [number * timeout + waited for number, waited in enumerate(waits, 1)]
    if needed[-1] <= left:
        return
    fit = sum(one <= left for one in needed)
    parts = [f"{_counted(attempts, policy.reask)} × {timeout:g} s"]
    if waits[-1]:
        parts.append(f"waits of up to {waits[-1]:.3g} s")
    if held:
        parts.append(f"{held:.3g} s held back for rungs")
    lead = "too short: " + " + ".join(parts) + f" = {needed[-1] + held:.4g} s"
    if tries == 1:
        reason = f"{lead}: the attempt is cut short; raise it, or lower `attempt_timeout`"
    else:
        fits = {0: "not one fits whole", 1: "only 1 fits"}.get(fit, f"only {fit} fit")
        reason = f"{lead}: {fits}; raise it, or lower `attempt_timeout` or the attempts"
    yield subject.finding(DEADLINE_TOO_SHORT, reason, "deadline")


def _no_attempt_timeout(subject: Subject) -> Iterator[Finding]:
    policy = subject.policy
    retry = policy.retry
    if retry is None or policy.attempt_timeout is not None or not subject.whole:
        return
    attempts = attempts_of(retry)
    retries_timeouts = not isinstance(retry.on, frozenset) or FailureKind.TIMEOUT in retry.on
    if attempts == 1 or not retries_timeouts:
        return
    several = f"{attempts} attempts" if attempts is not None else "several attempts"
    reason = f"missing: of {several}, one that hangs takes the time of all; give each its own"
    yield subject.finding(NO_ATTEMPT_TIMEOUT, reason, "attempt_timeout", at="retry")


def _held_back(policy: Policy, deadline: float) -> float:
    if not any(map(takes_time, policy.fallback)):
        return 0.0
    return FallbackStage((), None, policy.fallback_timeout, Form.VALUE).reserve(deadline)


def _waited(policy: Policy, attempts: int) -> float:
    """Return the longest that all waits between `attempts` take together, as far as that is known."""
    retry = policy.retry
    if retry is None:
        return 0.0
    return sum(longest_wait(retry, failures) or 0.0 for failures in range(1, attempts))


def _counted(attempts: int, reask: int) -> str:
    said = f"{attempts} attempts" if attempts > 1 else "1 attempt"
    return f"({said} + {reask} asked again)" if reask else said
