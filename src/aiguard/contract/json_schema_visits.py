"""What is known of the values of one answer while it is held against a JSON Schema."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from aiguard.contract.json_schema_equality import Keys


class Visits:
    """What is known of the values of one answer, by identity: it is alive all the while."""

    __slots__ = ("depth", "fit", "keys", "misfit", "quiet", "unfit")

    def __init__(self) -> None:
        self.depth = 0
        self.quiet = 0  # so many times it is asked only whether something fits, and not why it does not
        self.unfit: set[tuple[str, int]] = set()
        self.keys = Keys()
        self.fit: set[tuple[str, int]] = set()
        self.misfit: dict[tuple[str, int], Exception] = {}


VISITS: Final[ContextVar[Visits]] = ContextVar("VISITS")
