"""Which boundaries there are, and what is at stake at them, for who stands outside their processes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from aiguard.boundary import boundaries
from aiguard.halts import EVERY
from aiguard.monitor.client import states
from aiguard.risk import TIERS
from aiguard.state_directory import UnusableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aiguard.governance.directory import Listed
    from aiguard.risk import Risk

_ORDER: Final = tuple(TIERS)
"""The least first."""


class Known:
    """
    The boundaries of the file, of this process and of the running ones.

    Args:
        state: The directory in which the processes are.
        listed: Those of the file.
        unlisted: What is at stake at a boundary that the file does not list.
    """

    def __init__(self, state: Path, listed: Mapping[str, Listed], unlisted: Risk | None = None) -> None:
        self._state = state
        self._listed = listed
        self._unlisted = unlisted

    @cached_property
    def _running(self) -> dict[str, list[Any]]:
        """What the running processes say of each boundary; one that does not answer costs two seconds."""
        try:
            answers = states(self._state).answers
        except UnusableError:
            return {}
        found: dict[str, list[Any]] = {}
        for answer in answers:
            for boundary in answer["boundaries"]:
                found.setdefault(boundary["name"], []).append(boundary)
        return found

    def names(self) -> frozenset[str]:
        """Return every name that the file, this process or a running one knows."""
        return frozenset(self._listed) | frozenset(self._running) | frozenset(_declared())

    def is_here(self, name: str) -> bool:
        """Whether the file or this process knows it; nobody is asked."""
        return name in self._listed or name in _declared()

    def risk(self, name: str) -> Risk | None:
        """Return the highest risk that the file, this process or a running one names; `None` where nobody says."""
        if name == EVERY:
            return _highest([self._unlisted, *map(self.risk, self.names())])
        listed = self._listed.get(name)
        said = [boundary.get("risk") for boundary in self._running.get(name, ())]
        return _highest([self._unlisted if listed is None else listed.risk, _declared().get(name), *said])


def _declared() -> dict[str, Risk]:
    """Return the boundaries of this process, which the others hear of only once a call has ended."""
    return {boundary.name: boundary.policy.risk for boundary in boundaries()}


def _highest(said: Any) -> Risk | None:
    return max((risk for risk in said if risk in TIERS), key=_ORDER.index, default=None)
