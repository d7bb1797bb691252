"""Whether file, environment and code speak of the same boundaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.check.finding import Finding
from aiguard.check.rules import NO_DEADLINE, UNKNOWN_BOUNDARY, UNKNOWN_VARIABLE, UNLISTED_BOUNDARY
from aiguard.config.environment import name_in_environment
from aiguard.problem import Position, Problem, nearest
from aiguard.rung import BoundaryRung

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from aiguard.check.subject import Declared, Subject
    from aiguard.config.block import Block
    from aiguard.config.environment import Environment


def named_in_file(blocks: Mapping[str, Block], declared: Collection[str]) -> Iterator[Finding]:
    """Find boundaries that the file names and no code declares."""
    for name, block in blocks.items():
        if name not in declared:
            reason = f"no code that was imported declares it{nearest(name, declared)}"
            yield Finding(UNKNOWN_BOUNDARY, Problem(reason, name, position=block.positions.get("")))


def named_in_code(blocks: Mapping[str, Block], declared: Mapping[str, Declared], *, strict: bool) -> Iterator[Finding]:
    """Find boundaries that the code declares and the file does not name; in strict mode they do not start."""
    for name, one in declared.items():
        if name not in blocks:
            reason = "the file does not name it: what it does stands in the code alone"
            yield Finding(UNLISTED_BOUNDARY, Problem(reason, name, position=one.position), strict)


def named_in_environment(environment: Environment, names: Collection[str]) -> Iterator[Finding]:
    """Find variables that speak of no boundary."""
    known = {name_in_environment(name): name for name in names}
    spoken = {variable for name in known for variable in environment.variables.get(name, ())}
    for name, variables in environment.variables.items():
        for variable in variables:
            if variable not in spoken:
                spoken.add(variable)
                reason = f"no boundary is called {name} in the environment{nearest(name, known)}"
                yield Finding(UNKNOWN_VARIABLE, Problem(reason, position=Position(variable)))


def rungs(subject: Subject, declared: Mapping[str, Declared]) -> Iterator[Finding]:
    """Find rungs that name a boundary which guards no function."""
    for index, rung in enumerate(subject.policy.fallback):
        if not isinstance(rung, BoundaryRung):
            continue
        one = declared.get(rung.boundary)
        if one is None:
            reason = f"no code that was imported declares {rung.boundary!r}{nearest(rung.boundary, declared)}"
        elif one.component is None:
            reason = f"the boundary {rung.boundary!r} guards no function that could answer"
        else:
            continue
        setting = f"fallback[{index}]"
        yield Finding(UNKNOWN_BOUNDARY, Problem(reason, subject.name, setting, position=subject.position(setting)))


def pending(subject: Subject) -> Iterator[Finding]:
    """Find a boundary that nobody gives a deadline: its calls are refused."""
    if subject.declared is not None and subject.policy.deadline is None:
        reason = "required: neither the configuration nor the code says it, so every call is refused"
        yield subject.finding(NO_DEADLINE, reason, "deadline")
