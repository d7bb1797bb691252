"""The switch of a boundary, as the call path reads it."""

from __future__ import annotations


class Switch:
    """
    On or off, in this process; reading it costs one attribute.

    Attributes:
        off: Whether calls are turned away.
    """

    __slots__ = ("off",)

    def __init__(self, *, off: bool) -> None:
        self.off = off
