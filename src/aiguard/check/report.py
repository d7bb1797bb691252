"""The whole examination: file, environment and code, and everything that was found."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiguard.check import naming
from aiguard.check.contract import contract
from aiguard.check.declarations import declarations
from aiguard.check.finding import Finding, invalid
from aiguard.check.floor import drilling, floor
from aiguard.check.importing import UncheckableError, as_coded, import_app
from aiguard.check.owning import owning, reviewing
from aiguard.check.stacking import stacking
from aiguard.check.subject import Around, Subject
from aiguard.check.switched import switched
from aiguard.check.timing import timing
from aiguard.clock import SYSTEM
from aiguard.config.application import rehearsed
from aiguard.config.block import EMPTY
from aiguard.config.configuration import Configuration
from aiguard.config.contents import UnreadableFileError, contents
from aiguard.errors import PolicyError
from aiguard.governance.drills import drilled
from aiguard.policy import Policy
from aiguard.state_directory import VARIABLE, UnusableError, state_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from aiguard.boundary import Boundary
    from aiguard.check.rules import Severity
    from aiguard.check.subject import Declared
    from aiguard.problem import Problem

RULES_OF_ONE: Final[tuple[Callable[[Subject], Iterator[Finding]], ...]] = (
    naming.pending,
    owning,
    reviewing,
    floor,
    drilling,
    timing,
    stacking,
    contract,
    switched,
)
"""What is asked of each boundary that is valid."""


@dataclass(frozen=True, slots=True)
class Report:
    """
    What was found.

    Attributes:
        file: The file that was read; `None` where there was none.
        apps: What was imported.
        boundaries: How many boundaries were looked at.
        findings: What was found: in the file by line, then in the code, then in the environment.
    """

    file: str | None
    apps: tuple[str, ...]
    boundaries: int
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """Return how many findings are of that severity."""
        return Counter(finding.severity for finding in self.findings)[severity]


def check(file: Path | None, apps: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Report:
    """
    Look at a file, at the environment, and at the code that they are about, for everything that can be wrong.

    It imports: the `apps`, and what the file names by import path, with the current directory on Python's path.

    Args:
        file: YAML or TOML; `None` to look at environment and code alone.
        apps: What declares the boundaries, `module` or `module:attribute`. Without one, rules that need the code are
            left out, and a block that has a deadline is taken for all there is.
        environ: The environment; that of this process by default.

    Raises:
        UncheckableError: Where the file cannot be read, or a module is not there.
    """
    data = _contents(file)
    environ = os.environ if environ is None else environ
    with as_coded():
        imported = [finding for app in dict.fromkeys(apps) for finding in import_app(app)]
        named = str(file) if file is not None else None
        configuration = Configuration(named, data, environ)
        known = declarations()
        around = _around(configuration, environ)
        found = [*imported, *_Examination(configuration, known, around, complete=bool(apps) and not imported)()]
    named_in_code = known.keys() if apps else set()
    boundaries = len(configuration.boundaries.keys() | named_in_code)
    return Report(named, tuple(apps), boundaries, tuple(sorted(found, key=_place)))


def _contents(file: Path | None) -> bytes:
    if file is None:
        return b""
    try:
        return contents(file)
    except UnreadableFileError as error:
        raise UncheckableError(f"{file} {error}") from None


def _around(configuration: Configuration, environ: Mapping[str, str]) -> Around:
    try:
        drills = drilled(state_directory(environ.get(VARIABLE) or None))
    except UnusableError:
        drills = {}  # as it is where nobody has drilled
    return Around(
        people=configuration.people,
        strict=configuration.strict,
        today=datetime.fromtimestamp(SYSTEM.wall(), UTC).date(),
        drills=drills,
    )


def _place(finding: Finding) -> tuple[bool, bool, str, int, int]:
    position = finding.problem.position
    if position is None:
        return True, True, "", 0, 0
    return not position.line, not position.column, *position


class _Examination:
    """
    Looks at every boundary of a configuration and of the code.

    Args:
        configuration: The configuration.
        known: The boundaries of the code, and what it says of them.
        around: What is the same for every boundary.
        complete: Whether all the code was imported.
    """

    def __init__(
        self,
        configuration: Configuration,
        known: Mapping[str, tuple[Boundary, Declared]],
        around: Around,
        *,
        complete: bool,
    ) -> None:
        self._configuration = configuration
        self._around = around
        self._complete = complete
        self._boundaries = {name: boundary for name, (boundary, _) in known.items()}
        self._declared = {name: declared for name, (_, declared) in known.items()}
        self._policies: dict[str, Policy] = {}
        # what was refused is not among their settings; `None` are the defaults
        self._refused_when_read = {
            problem.boundary
            for problem in configuration.problems
            if problem.setting is not None
            and problem.position is not None
            and problem.position.source == configuration.file
        }

    def __call__(self) -> Iterator[Finding]:
        """Yield everything that was found."""
        configuration = self._configuration
        yield from invalid(configuration.problems)
        names = list(dict.fromkeys([*configuration.boundaries, *self._declared]))
        for name in names:
            yield from invalid(problem for problem in self._refused(name) if not self._told(problem))
        for subject in self._subjects():
            for rule in RULES_OF_ONE:
                yield from rule(subject)
            if self._complete:
                yield from naming.rungs(subject, self._declared)
        if self._complete:
            yield from naming.named_in_file(configuration.boundaries, self._declared)
            if configuration.file is not None:
                yield from naming.named_in_code(configuration.boundaries, self._declared, strict=configuration.strict)
            yield from naming.named_in_environment(configuration.environment, names)

    def _placed(self, name: str, problem: Problem) -> Problem:
        """Return `problem` with the place of the declaration, where the file says nothing of it."""
        if problem.position is None and name in self._declared:
            return replace(problem, position=self._declared[name].position)
        return problem

    def _told(self, problem: Problem) -> bool:
        """Whether reading refused the same; of a variable it does not say which boundary."""
        told = self._configuration.problems
        return problem in told or replace(problem, boundary=None) in told

    def _refused(self, name: str) -> list[Problem]:
        """Return what is wrong with one boundary; keep its policy where nothing is."""
        configuration = self._configuration
        boundary = self._boundaries.get(name)
        try:
            if boundary is None:
                refused = rehearsed(configuration, name)
                if refused:
                    return list(refused)
                policy = configuration.policy(name, Policy())
            else:
                policy = configuration.policy(name, boundary._code)  # noqa: SLF001 - one house
                if policy is not boundary._code:  # noqa: SLF001 - as above
                    boundary._revise(policy)  # noqa: SLF001 - as above; nothing changes
        except PolicyError as error:
            said_elsewhere = boundary is None or name in self._refused_when_read
            problems = [self._placed(name, problem) for problem in configuration.placed(name, error).problems]
            return [problem for problem in problems if not (said_elsewhere and problem.reason == "required")]
        self._policies[name] = policy
        return []

    def _subjects(self) -> Iterator[Subject]:
        """Yield the boundaries that nothing is wrong with: what was refused is missing, and would be missed."""
        configuration = self._configuration
        if None in self._refused_when_read:
            return
        for name, policy in self._policies.items():
            if name not in self._refused_when_read:
                yield Subject(
                    name=name,
                    policy=policy,
                    declared=self._declared.get(name),
                    environment=configuration.environment.block(name),
                    block=configuration.boundaries.get(name, EMPTY),
                    defaults=configuration.defaults,
                    policies=self._policies,
                    around=self._around,
                )
