"""How many attempts a policy makes at most, and how long it waits between them at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.stages.retry import full_jitter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiguard.strategies import Retry


def attempts_of(retry: Retry | None) -> int | None:
    """Return the attempts, the first included; `None` where a `stop` object decides by something else."""
    if retry is None:
        return 1
    return retry.attempts if retry.stop is None else allowed_by(retry.stop)


def allowed_by(stop: object) -> int | None:
    """Return the attempts after which a tenacity `stop_*` object says stop, or `None`."""
    name = type(stop).__name__
    number = getattr(stop, "max_attempt_number", None)
    if name == "stop_after_attempt" and type(number) is int:
        return number
    if name in {"stop_any", "stop_all"}:
        numbers = [allowed_by(one) for one in getattr(stop, "stops", ())]
        known = [number for number in numbers if number is not None]
        if name == "stop_any":
            return min(known, default=None)
        return max(known, default=None) if len(known) == len(numbers) else None
    return None


def longest_wait(retry: Retry, failures: int) -> float | None:
    """Return the longest wait after `failures` failed attempts, or `None` where only a function of one's own knows."""
    if retry.wait is None:
        return full_jitter(failures, 1.0)
    try:
        return _longest(retry.wait, failures)
    except (ArithmeticError, LookupError):  # beyond every number; a chain of none
        return None


def _longest(wait: Any, failures: int) -> float | None:
    name = type(wait).__name__
    if type(wait).__module__.partition(".")[0] != "tenacity":
        return None
    if name == "wait_chain":
        return _longest(wait.strategies[min(failures, len(wait.strategies)) - 1], failures)
    if name == "wait_combine":
        waits = [_longest(one, failures) for one in wait.wait_funcs]
        return None if None in waits else sum(one for one in waits if one is not None)
    longest = _LONGEST.get(name)
    return longest(wait, failures) if longest is not None else None


def _exponential(wait: Any, failures: int) -> float:
    return float(max(0.0, wait.min, min(wait.multiplier * wait.exp_base ** (failures - 1), wait.max)))


_LONGEST: Final[Mapping[str, Callable[[Any, int], float]]] = {
    "wait_none": lambda _wait, _failures: 0.0,
    "wait_fixed": lambda wait, _failures: float(wait.wait_fixed),
    "wait_random": lambda wait, _failures: float(wait.wait_random_max),
    "wait_incrementing": lambda wait, failures: float(
        max(0, min(wait.start + wait.increment * (failures - 1), wait.max))
    ),
    "wait_exponential": _exponential,
    "wait_random_exponential": _exponential,
    "wait_exponential_jitter": lambda wait, failures: float(
        max(0, min(wait.initial * wait.exp_base ** (failures - 1) + wait.jitter, wait.max))
    ),
}
