"""How many names of a kind become series of their own: what is beyond the cap is one series together."""

from __future__ import annotations

from typing import Final

from aiguard.telemetry import names

BOUNDARIES: Final = 200
"""Boundaries, and as many dependencies: the SDK keeps 2,000 series of an instrument, and a boundary has about ten."""

MODELS: Final = 100
"""Models: a process uses a handful, and a gateway may answer with a name that is made up for each request."""

LONGEST: Final = 100
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:/@+")


class Cap:
    """
    Admits the first so many names of a kind, for as long as the process lasts; the others are `_other`.

    A name of more than 100 letters, or with others than names have, may be content, and is `_other` too.

    Args:
        most: How many names are admitted.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._admitted: dict[str, str] = {}

    def admit(self, name: str) -> str:
        """Return what stands for `name` in a series."""
        admitted = self._admitted
        known = admitted.get(name)
        if known is not None:
            return known
        if len(admitted) >= self._most or not 0 < len(name) <= LONGEST or not _LETTERS.issuperset(name):
            return names.OTHER
        return admitted.setdefault(name, name)  # two threads at once may admit one more than the cap: no harm
