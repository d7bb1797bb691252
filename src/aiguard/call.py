"""One use of a boundary on its way through the pipeline, and what a stage is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aiguard.priority import NORMAL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable

    from aiguard.clock import Clock
    from aiguard.events import Event, Listener, Run
    from aiguard.failure import Failure
    from aiguard.usage import Usage

logger = logging.getLogger("aiguard")


class Waiter(Protocol):
    """
    Somebody in a queue.

    Attributes:
        priority: Its place in the order of priorities.
        admitted: Whether a permit was handed to it; set by the queue, before it is woken.
        refusal: Why it is not let in, where it is not; set by the queue, before it is woken.
    """

    priority: int
    admitted: bool
    refusal: Exception | None

    def left(self) -> float:
        """Return the seconds that are left of its call."""

    def wake(self) -> bool:
        """Let them look, from any thread; `False` if they can no longer be reached."""


class Queue(Protocol):
    """Where permits are waited for."""

    def join(self, waiter: Waiter) -> bool:
        """Stand in line; `True` if a permit was free after all. Raises `Full`, or `Expired` where it is too late."""

    def until(self, deadline: float) -> float:
        """Return the moment from which a permit is of no more use to whose time is over at `deadline`."""

    def leave(self, waiter: Waiter) -> None:
        """Step out of line; a permit that was handed over meanwhile goes to the next."""


class Runtime(Protocol):
    """The only code that waits: one for each way of running a component."""

    async def invoke(self, call: Call, until: float) -> Any:
        """Run the component. Raises `Expired` at `until`, `Full` where no worker is free, and what it raised."""

    async def offload(self, call: Call, until: float) -> Any:
        """Run a plain function in a worker thread of the ladder; raises as `invoke`."""

    async def inline(self, call: Call, until: float) -> Any:
        """Run a plain function here: it cannot be interrupted. Raises `Expired` if it came back too late."""

    async def replay(self, items: list[Any], call: Call) -> None:
        """Surface the items of a rung's answer, which are there already: for passthrough streams only."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def acquire(self, queue: Queue, call: Call) -> None:
        """Wait for a permit. Raises `Full`, or `Expired` once there is too little time left to use one."""

    async def race(self, race: Race) -> None:
        """Run the first attempt, and the second once it is due, until it is decided; call off what still runs then."""


class Race(Protocol):
    """
    Two attempts at the same answer, of which the second may never begin.

    Attributes:
        call: What they are attempts at.
    """

    call: Call

    def first(self, runtime: Runtime) -> Coroutine[Any, Any, None]:
        """Run the first attempt, which waits through `runtime`; what it ended as is kept."""

    def due(self, now: float) -> float:
        """Return when the second is to begin, or when to ask again; infinity where it is not to begin any more."""

    def second(self, runtime: Runtime, now: float) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Return what runs the second attempt, which waits through `runtime`; `None` where there is to be none."""

    def is_decided(self) -> bool:
        """Whether nothing that still runs can change the answer."""


class Options(NamedTuple):
    """
    What one call asks for that others of its boundary do not.

    Attributes:
        deadline: Seconds for the whole call, where that is less than the boundary's own.
        priority: Its place in the order of priorities.
        key: What tells its share of the dependency; `None` for the policy's own `key`.
    """

    deadline: float | None = None
    priority: int = NORMAL
    key: Hashable = None


class Journal:
    """
    What one call leaves behind, shared by all its narrowed forms.

    Attributes:
        begun: When it began.
        listener: Who hears of it.
        partition: What it shares with the calls of the same dependency and key (`stages/partition.py`).
        priority: Its place in the order of priorities.
        tries: The number of its last attempt, begun or turned away.
        runs: Its attempts so far.
        delivered: How many items of a stream the caller has.
        rung: Name of the rung that answered.
        failure: Why a rung had to.
        age: Seconds since the component gave the answer that `last_good` served.
        repaired: How that rung's answer was repaired, where it was.
        taken: Seconds that the consumer of a stream took between two pulls: no deadline counts them.
        any_rung: Whether a rung with AI may answer although the input was rejected.
        broke_after: How many items of a stream were out when it broke and a rung went on; `None` where none did.
        used_by_rungs: What rungs reported that they used.
        shortened: Whether a caller's deadline, not the boundary's own, set the moment by which it is over.
        asked: The rungs that were asked so far; `None` where none were.
        reported: Whether its input broke a contract that only warns.
        waited: Seconds that it stood in line for permits.
        items: How long the consumer of a stream waited for its items; `None` where nobody listens.
        key: What tells the calls of its boundary apart; `None` where nothing does.
        by_ai: Whether what it answers is an AI component's: its own, or a rung's.
    """

    # class attributes: most calls set none of them
    delivered = 0
    rung: str | None = None
    failure: Failure | None = None
    age: float | None = None
    repaired: str | None = None
    taken = 0.0
    any_rung = False
    broke_after: int | None = None
    shortened = False
    used_by_rungs: list[Usage] | None = None
    priority = NORMAL
    tries = 1
    asked: list[Run] | None = None
    reported = False
    waited = 0.0
    items: ItemTimes | None = None
    key: Hashable = None
    by_ai = True

    def __init__(self, begun: float, listener: Listener | None, partition: Any) -> None:
        self.begun = begun
        self.listener = listener
        self.partition = partition
        self.runs: list[Run] = []

    def how_repaired(self) -> str | None:
        """Return how the answer that left was repaired, a rung's or the component's; `None` where it was not."""
        if self.rung is not None:
            return self.repaired
        answered = (run for run in self.runs if run.failure is None and not run.cancelled)
        return next((run.repaired for run in answered), None)


class Call:
    """
    One use of a boundary. Never changed on the way in: a stage passes a narrowed copy on.

    Attributes:
        fn: What is to be run: the component, or a rung.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        deadline: The absolute moment, on `clock`, by which this part of the call is over.
        clock: Where stages read time and chance.
        runtime: What waits.
        journal: What the call leaves behind.
        run: The attempt under way; outside the retry stage, the first one to come.
    """

    __slots__ = ("args", "clock", "deadline", "fn", "journal", "kwargs", "run", "runtime")

    def __init__(  # noqa: PLR0917 - positional for speed
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        deadline: float,
        clock: Clock,
        runtime: Runtime,
        journal: Journal,
        run: Run,
    ) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.deadline = deadline
        self.clock = clock
        self.runtime = runtime
        self.journal = journal
        self.run = run

    def until(self, deadline: float) -> Call:
        """Return the same call, over by `deadline`."""
        return Call(self.fn, self.args, self.kwargs, deadline, self.clock, self.runtime, self.journal, self.run)

    def attempting(self, run: Run) -> Call:
        """Return the same call as one attempt."""
        return self.answered_by(self.fn, self.args, self.kwargs, run)

    def answered_by(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: Run) -> Call:
        """Return a call of something else in the component's place."""
        return Call(fn, args, kwargs, self.deadline, self.clock, self.runtime, self.journal, run)

    @property
    def observed(self) -> bool:
        """Whether somebody listens: only then is an event worth building."""
        return self.journal.listener is not None

    def report(self, event: Event) -> None:
        """Tell the listener; what it raises is logged and never changes the call."""
        listener = self.journal.listener
        if listener is not None:
            try:
                listener.hear(event)
            except Exception as error:  # noqa: BLE001 - a listener's fault must not become the caller's
                logger.warning("a listener failed on %s: %s", type(event).__name__, type(error).__name__)


class ItemTimes(Protocol):
    """
    The waits of a stream's consumer.

    Attributes:
        first: Seconds from the call's beginning to its first item; `None` before there is one.
        longest: Seconds of the longest wait for an item.
        items: What has left so far, where content is captured; else `None`.
    """

    first: float | None
    longest: float
    items: list[Any] | None

    def note(self, asked: float | None, item: Any) -> None:
        """Note that `item` leaves, which was asked for at `asked`."""


class Proceed(Protocol):
    """The rest of the pipeline."""

    def __call__(self, call: Call, /) -> Awaitable[Any]:
        """Run it and return the answer; failures are `BoundaryError`s."""


class Stage(Protocol):
    """One layer around the call."""

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Do this stage's part before, around or after `await proceed(call)`."""
