"""What the runtime says to the stages: never errors that leave a boundary."""

from __future__ import annotations


class Expired(Exception):  # noqa: N818 - no error
    """
    A wait of the runtime reached its moment.

    Attributes:
        limit: The clock of a stream that it was, by its setting's name; empty where it was that of the whole.
    """

    def __init__(self, limit: str = "") -> None:
        super().__init__(limit)
        self.limit = limit


class Full(Exception):  # noqa: N818 - no error
    """No more can be let in."""


class Boxed(Exception):  # noqa: N818 - no error
    """A `StopIteration` of the component's: raised through a coroutine, Python would turn it into something else."""

    def __init__(self, original: StopIteration) -> None:
        super().__init__()
        self.original = original


class Halted(Exception):  # noqa: N818 - no error
    """The boundary was switched off while a stream was on its way."""
