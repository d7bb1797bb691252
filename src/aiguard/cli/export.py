"""The file that says what the code says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiguard.check import Finding, UncheckableError
from aiguard.check.declarations import declarations
from aiguard.check.finding import invalid
from aiguard.check.importing import as_coded, import_app
from aiguard.config.writing import write
from aiguard.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence


def exported(apps: Sequence[str]) -> str | list[Finding]:
    """
    Return what the boundaries of `apps` say as YAML, or what has no form in a file.

    Raises:
        UncheckableError: Where a module is not there, or declares no boundary.
    """
    with as_coded():
        failed = [finding for app in apps for finding in import_app(app)]
        if failed:
            return failed
        declared = {name: one for name, (_, one) in declarations().items()}
        if not declared:
            raise UncheckableError(f"importing {', '.join(apps)} declares no boundary")
        try:
            return write({name: one.policy for name, one in declared.items()})
        except PolicyError as error:
            return invalid(
                replace(problem, position=declared[problem.boundary or ""].position) for problem in error.problems
            )
