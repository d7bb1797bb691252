"""One failure of one client: how it is brought about, what the client makes of it, and what a boundary has to."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from aiguard import Boundary, BoundaryError, Failure, FailureKind
from aiguard.testing import FaultServer, RawReply, fresh_registry

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ANSWER: Final = '{"fine": true}'
"""What the fault server answers: it satisfies the contract."""

SHORT, LONG = 0.2, 10.0
"""Seconds that a client waits for a server that hangs, and for any other: machines are busy."""

MESSAGES: Final[list[Any]] = [{"role": "user", "content": "?"}]

RETURNED: Final = ""
"""Raised by a client that returns what is no answer: nothing."""


IN_WORDS: Final = "only its message says so, and no message is ever read"
"""Why some kinds cannot be told."""


class Health(BaseModel):
    """What is to be answered."""

    fine: bool


Ask = Callable[[Any, str, float], Any]
"""A component, in any shape: what `Client.opened` yields, the model's name, seconds until the client gives up."""


@dataclass(frozen=True, slots=True)
class Cell:
    """
    One failure of one client.

    Attributes:
        kind: What a boundary has to find.
        raised: What the client raises, by its top package and its class, or by several where that depends on what
            else is installed; `RETURNED` where it returns.
        meets: What the server does, by its name or in its words; empty where nothing is asked of it.
        ask: How the client is used.
        retry_after: Seconds that the failure has to say, where it does.
        finds: What a boundary finds today instead of `kind`.
        why: Why it does.
    """

    kind: FailureKind
    raised: str
    meets: str | RawReply
    ask: Ask
    retry_after: float | None = None
    finds: FailureKind | None = None
    why: str = ""

    @property
    def name(self) -> str:
        """As the test is called."""
        meets = self.meets if isinstance(self.meets, str) else f"in-words-{self.meets.status}"
        return "-".join(filter(None, (self.kind, meets, self.ask.__name__.strip("_"))))


@dataclass(frozen=True, slots=True)
class Client:
    """
    A client library, and how it fails.

    Attributes:
        name: Of its distribution.
        module: What is imported.
        opened: Yields what a cell's `ask` is given, for as long as it is held.
        raised: Failures that it raises.
        returned: Failures that it returns as if they were answers.
        notes: What is to be said of kinds that no test reaches.
        needs: What else has to be imported.
        environments: Where it is tested, by the file of `requirements/` that they are made of.
        beside: Distributions of its own that are tested with it.
        output: What the boundary's contract asks for; `None` for a boundary without one.
    """

    name: str
    module: str
    opened: Callable[[FaultServer], AbstractContextManager[Any]]
    raised: tuple[Cell, ...]
    returned: tuple[Cell, ...] = ()
    notes: Mapping[FailureKind, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    environments: tuple[str, ...] = ("clients-frameworks",)
    beside: tuple[str, ...] = ()
    output: Any = Health


def failure_of(client: Client, cell: Cell, opened: Any, server: FaultServer) -> Failure | None:
    """Return what a boundary says of the cell, or `None` where it lets an answer through."""
    model, patience = "scripted", LONG
    if isinstance(cell.meets, RawReply):
        server.script(model, cell.meets)
    else:
        model = cell.meets
        patience = SHORT if model.startswith("hang") else LONG
    with fresh_registry():
        try:
            _call(cell.ask, (opened, model, patience), client.output)
        except BoundaryError as error:
            return error.failure
    return None


def _call(ask: Ask, given: tuple[Any, str, float], output: Any) -> None:
    if inspect.isgeneratorfunction(ask):
        for _ in Boundary("cell", deadline=30.0, stream="buffer").stream(ask, *given):
            pass
    elif inspect.iscoroutinefunction(ask):
        asyncio.run(Boundary("cell", output=output, deadline=30.0).call(ask, *given))
    else:
        Boundary("cell", output=output, deadline=30.0).call(ask, *given)


def class_of(error: BaseException | None) -> str:
    """Return the top package and the class of what was raised, as `Cell.raised` says it."""
    if error is None:
        return RETURNED
    module = type(error).__module__.partition(".")[0]
    return RETURNED if module == "aiguard" else f"{module}.{type(error).__name__}"
