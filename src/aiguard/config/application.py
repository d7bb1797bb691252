"""Laying a configuration over every boundary of the process: all of it, or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiguard.boundary import Boundary, boundaries
from aiguard.config.configuration import Configuration, in_circles, in_order
from aiguard.config.text import no_pause
from aiguard.engine.dependency import conflicts
from aiguard.engine.revision import rehearse
from aiguard.errors import PolicyError
from aiguard.overrides import IN_FORCE
from aiguard.policy import Policy
from aiguard.problem import Position, Problem, nearest
from aiguard.rung import BoundaryRung, Rung
from aiguard.settings import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.engine.revision import Revision


def apply(configuration: Configuration, breathe: Callable[[], None] = no_pause) -> int:
    """
    Put `configuration` in force; calls that have begun finish under the policy that they began with.

    Returns:
        How many boundaries it changed.

    Raises:
        PolicyError: With everything that does not fit; then nothing has changed.
    """
    with IN_FORCE.lock:
        declared = boundaries()
        revised = _revised(configuration, declared, breathe)
        before, IN_FORCE.overrides = IN_FORCE.overrides, configuration
        retired = [boundary._revision for boundary, _ in revised]  # noqa: SLF001 - one house
        for boundary, revision in revised:
            boundary._adopt(revision)  # noqa: SLF001 - one house
        for (_, revision), old in zip(revised, retired, strict=True):
            revision.state.take_over(revision.policy, old.policy)
            breathe()
    changed = len(revised)
    del revised
    while retired:  # one by one: all at once would be one long piece of work
        retired.pop()
        breathe()
    if isinstance(before, Configuration):
        before.forget(breathe)
    return changed


def _revised(
    configuration: Configuration, declared: tuple[Boundary, ...], breathe: Callable[[], None]
) -> list[tuple[Boundary, Revision]]:
    """Return what changes, ready to be adopted. Raises `PolicyError` with everything that does not fit."""
    problems: list[Problem] = []
    revised: list[tuple[Boundary, Revision]] = []
    for boundary in declared:
        breathe()
        try:
            policy = configuration.policy(boundary.name, boundary._code)  # noqa: SLF001 - one house
            configuration.clears(boundary.name, policy)
            if not _same(policy, boundary.policy):
                boundary._check_rungs(policy)  # noqa: SLF001 - one house
                revised.append((boundary, boundary._revise(policy)))  # noqa: SLF001 - one house
        except PolicyError as error:
            problems += _of_declared(configuration, boundary.name, error, [one.name for one in declared])
    for name in configuration.boundaries.keys() - {boundary.name for boundary in declared}:
        breathe()
        problems += rehearsed(configuration, name)
    if not problems:
        policies = {boundary.name: boundary.policy for boundary in declared}
        policies |= {boundary.name: revision.policy for boundary, revision in revised}
        problems = _circles(configuration, policies) + _conflicts(configuration, policies)
    if problems:
        raise PolicyError(*in_order(problems))
    return revised


def _of_declared(configuration: Configuration, name: str, error: PolicyError, declared: list[str]) -> list[Problem]:
    """Return what is wrong with a boundary of the code; one that its block left may have been renamed in the file."""
    problems = list(configuration.placed(name, error).problems)
    for index, problem in enumerate(problems):
        if problem.position is None and configuration.file is not None:
            strays = [one for one in configuration.boundaries if one not in declared]
            hint = nearest(name, strays) if problem.setting == "deadline" else ""
            problems[index] = replace(problem, reason=problem.reason + hint, position=Position(configuration.file))
    return problems


def rehearsed(configuration: Configuration, name: str) -> tuple[Problem, ...]:
    """Return what is wrong with a boundary that no code declares yet, as far as that can be seen without it."""
    try:
        rehearse(name, configuration.policy(name, Policy()))
    except PolicyError as error:
        # what is missing, the code may say
        placed = configuration.placed(name, error).problems
        return tuple(problem for problem in placed if not problem.reason.startswith(REQUIRED))
    return ()


def _circles(configuration: Configuration, policies: dict[str, Policy]) -> list[Problem]:
    """Return what is wrong with boundaries that fall back to each other in a circle, whoever says which part of it."""
    falls = {name: others for name, policy in policies.items() if (others := _others(policy))}
    refused = PolicyError(Problem("falls back to itself, by way of other boundaries", setting="fallback"))
    return [problem for name in in_circles(falls) for problem in configuration.placed(name, refused).problems]


def _conflicts(configuration: Configuration, policies: dict[str, Policy]) -> list[Problem]:
    """Return what boundaries of the same dependency say differently of it."""
    found = conflicts(policies).items()
    return [one for name, said in found for one in configuration.placed(name, PolicyError(*said)).problems]


def _others(policy: Policy) -> list[str]:
    """Return the boundaries that a ladder names, or whose guarded functions it holds."""
    named = [rung.boundary for rung in policy.fallback if isinstance(rung, BoundaryRung)]
    held = (getattr(rung.fn if isinstance(rung, Rung) else rung, "boundary", None) for rung in policy.fallback)
    return [*named, *(one.name for one in held if isinstance(one, Boundary))]


def _same(policy: Policy, other: Policy) -> bool:
    if policy is other:
        return True
    try:
        # of values the text too: `1` equals `true`, and is another answer
        return policy == other and repr(policy.fallback) == repr(other.fallback)
    except Exception:  # noqa: BLE001 - comparing runs code of the values' own
        return False
