"""What the runtime says to the stages: never errors that leave a boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiguard.failure import Failure


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
    """
    The boundary was halted while a stream, or a rung with AI, was on its way.

    Attributes:
        failure: By whom, and why.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure
