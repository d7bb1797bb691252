"""What is known of the mutants that no test notices, and of those that never end: each with the reason."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.mutants.changes import Mutant

ENDLESS: Final = "endless"

KINDS: Final = {
    "equivalent": "does the same",
    "cost": "gives the same results, and takes longer for them or more memory",
    "arbitrary": "another number, or another of two right ways, that serves as well",
    "chance": "shows only where two threads meet in the same few instructions",
    ENDLESS: "never ends: a test that hangs has noticed it",
}


@dataclass(frozen=True)
class Explanation:
    """
    Why some mutants of one statement survive, or hang.

    Attributes:
        module: The file, below `src/aiguard`, without `.py`.
        where: The function or class.
        code: The statement.
        becomes: What the mutants make of it.
        nth: Which of several such changes it is.
        kind: One of `KINDS`.
        reason: Why.
    """

    module: str
    where: str
    code: str
    becomes: tuple[str, ...]
    nth: int
    kind: str
    reason: str

    def mutants(self) -> Iterable[tuple[str, str, str, str, int]]:
        """Yield what each mutant is known by."""
        return ((self.module, self.where, self.code, becomes, self.nth) for becomes in self.becomes)


def explanations(path: Path) -> dict[tuple[str, str, str, str, int], Explanation]:
    """Read the file. Raises `ValueError` for what is no explanation, or explains the same twice."""
    found: dict[tuple[str, str, str, str, int], Explanation] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", []):
        becomes = entry.pop("becomes")
        one = Explanation(
            becomes=(becomes,) if isinstance(becomes, str) else tuple(becomes), nth=entry.pop("nth", 1), **entry
        )
        if one.kind not in KINDS:
            raise ValueError(f"{one.module}, {one.where}: {one.kind!r} is none of {', '.join(KINDS)}")
        if len(one.reason) < len("equal"):
            raise ValueError(f"{one.module}, {one.where}: no reason for {one.code!r}")
        for key in one.mutants():
            if key in found:
                raise ValueError(f"explained twice: {key}")
            found[key] = one
    return found


def entry(module: str, mutant: Mutant, kind: str) -> str:
    """Return how an explanation of it begins, for the file."""
    fields = {"module": module, "where": mutant.where, "code": mutant.code, "becomes": mutant.becomes}
    lines = ["[[survivor]]", *(f"{name} = {json.dumps(value)}" for name, value in fields.items())]
    if mutant.nth > 1:
        lines.append(f"nth = {mutant.nth}")
    return "\n".join([*lines, f'kind = "{kind}"', 'reason = ""'])
