"""Laying a configuration over every boundary of the process: all of it, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.boundary import boundaries
from aiguard.config.configuration import Configuration, in_order
from aiguard.config.text import no_pause
from aiguard.engine.revision import rehearse
from aiguard.errors import PolicyError
from aiguard.overrides import IN_FORCE
from aiguard.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.problem import Problem


def apply(configuration: Configuration, breathe: Callable[[], None] = no_pause) -> int:
    """
    Put `configuration` in force; calls that have begun finish under the policy that they began with.

    Returns:
        How many boundaries it changed.

    Raises:
        PolicyError: With everything that does not fit; then nothing has changed.
    """
    problems: list[Problem] = []
    revised = []
    with IN_FORCE.lock:
        declared = boundaries()
        for boundary in declared:
            breathe()
            try:
                policy = configuration.policy(boundary.name, boundary._code)  # noqa: SLF001 - one house
                if not _same(policy, boundary.policy):
                    revised.append((boundary, boundary._revise(policy)))  # noqa: SLF001 - one house
            except PolicyError as error:
                problems += configuration.placed(boundary.name, error).problems
        for name in configuration.boundaries.keys() - {boundary.name for boundary in declared}:
            breathe()
            problems += rehearsed(configuration, name)
        if problems:
            raise PolicyError(*in_order(problems))
        before, IN_FORCE.overrides = IN_FORCE.overrides, configuration
        retired = []
        for boundary, revision in revised:
            retired.append(boundary._follow(revision))  # noqa: SLF001 - one house
            breathe()
    while retired:  # one by one: all at once would be one long piece of work
        retired.pop()
        breathe()
    if isinstance(before, Configuration):
        before.forget(breathe)
    return len(revised)


def rehearsed(configuration: Configuration, name: str) -> tuple[Problem, ...]:
    """Return what is wrong with a boundary that no code declares yet, as far as that can be seen without it."""
    try:
        rehearse(name, configuration.policy(name, Policy()))
    except PolicyError as error:
        # what is missing, the code may say
        placed = configuration.placed(name, error).problems
        return tuple(problem for problem in placed if problem.reason != "required")
    return ()


def _same(policy: Policy, other: Policy) -> bool:
    if policy is other:
        return True
    try:
        # of values the text too: `1` equals `true`, and is another answer
        return policy == other and repr(policy.fallback) == repr(other.fallback)
    except Exception:  # noqa: BLE001 - comparing runs code of the values' own
        return False
