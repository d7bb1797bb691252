"""
tenacity's waits and stops by their names, as a file writes them.

    wait_none                                   one without arguments
    {wait_fixed: {wait: 2}}                     one with arguments, by their names
    {wait_chain: [{wait_fixed: {wait: 1}}, …]}  one made of others
"""

from __future__ import annotations

import datetime as dt
import inspect
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Family = Literal["wait", "stop"]

ARGUMENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "wait_none": {},
    "wait_fixed": {"wait": "wait_fixed"},
    "wait_random": {"min": "wait_random_min", "max": "wait_random_max"},
    "wait_incrementing": {"start": "start", "increment": "increment", "max": "max"},
    "wait_exponential": {"multiplier": "multiplier", "max": "max", "exp_base": "exp_base", "min": "min"},
    "wait_random_exponential": {"multiplier": "multiplier", "max": "max", "exp_base": "exp_base", "min": "min"},
    "wait_exponential_jitter": {"initial": "initial", "max": "max", "exp_base": "exp_base", "jitter": "jitter"},
    "stop_after_attempt": {"max_attempt_number": "max_attempt_number"},
    "stop_after_delay": {"max_delay": "max_delay"},
    "stop_before_delay": {"max_delay": "max_delay"},
}
"""Each name, the arguments it takes, and the attribute that keeps each (tenacity 8.2 to 9.1)."""

MADE_OF: Final[Mapping[str, str]] = {
    "wait_chain": "strategies",
    "wait_combine": "wait_funcs",
    "stop_any": "stops",
    "stop_all": "stops",
}
"""Those made of others, and the attribute that keeps these."""

PURE_NUMBERS: Final = frozenset({"exp_base", "max_attempt_number"})
"""Arguments that are no times."""


def names_of(family: Family) -> list[str]:
    """Return every name of a family that the installed tenacity has."""
    import tenacity

    known = [name for name in (*ARGUMENTS, *MADE_OF) if name.startswith(f"{family}_") and hasattr(tenacity, name)]
    return [*known, "stop_never"] if family == "stop" else known


def build(name: str, arguments: Mapping[str, Any] | list[Any]) -> Any:
    """Return tenacity's object of that name. Raises `TypeError` or `ValueError` as tenacity does."""
    import tenacity

    if name == "stop_never":
        return tenacity.stop_never
    made = getattr(tenacity, name)
    return made(*arguments) if isinstance(arguments, list) else made(**arguments)


def written(strategy: object) -> Any:
    """Return how a file writes `strategy`. Raises `ValueError` for one that has no such form."""
    import tenacity

    if strategy is tenacity.stop_never:
        return "stop_never"
    name = type(strategy).__name__
    if getattr(tenacity, name, None) is not type(strategy):
        msg = f"{name} is none of tenacity's own"
        raise ValueError(msg)
    if name in MADE_OF:
        return {name: [written(one) for one in getattr(strategy, MADE_OF[name])]}
    if name not in ARGUMENTS:
        msg = f"{name} has no form in a file"
        raise ValueError(msg)
    defaults = inspect.signature(type(strategy)).parameters
    kept = {argument: getattr(strategy, attribute) for argument, attribute in ARGUMENTS[name].items()}
    plain = {key: value.total_seconds() if isinstance(value, dt.timedelta) else value for key, value in kept.items()}
    given = {key: value for key, value in plain.items() if value != defaults[key].default}
    return {name: given} if given else name
