"""
The hedge: a second attempt while the first is late; the first good answer wins, the other is called off.

    first    ├───────────── late ─────┬──────────────────── called off
    second                            ├──────── answers ──▶ the answer

An attempt that fails decides nothing while the other one runs. Where both fail, the first's error leaves: it is what
the retry policy judges, as without a hedge. Where the second was turned away, by a breaker or a bulkhead, it is as if
there had been none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from aiguard.call import Call, Journal
from aiguard.errors import BoundaryError
from aiguard.events import Hedging, RetryBudgetExhausted, Run, RunEnded, RunStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiguard.call import Proceed, Runtime
    from aiguard.events import Event, Listener
    from aiguard.stages.latencies import Latencies
    from aiguard.strategies import Hedge


class HedgeStage:
    """
    Begin a second attempt where the first is late.

    Args:
        hedge: When it is late.
        latencies: How long attempts took so far.
        budgeted: Whether the retry budget is asked.
    """

    def __init__(self, hedge: Hedge, latencies: Latencies, *, budgeted: bool = True) -> None:
        self.after = hedge.after
        self.latencies = latencies
        self.budgeted = budgeted

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises what the first attempt raised, where the second did not answer either."""
        after = self.after if self.after is not None else self.latencies.late()
        if after is None or call.clock.now() + after >= call.deadline:
            value = await proceed(call)
            self._learn(call.run, call.clock.now())
            return value
        race = Pair(proceed, call, after, budgeted=self.budgeted)
        try:
            await call.runtime.race(race)
        finally:
            race.close()
        winner = race.winner()
        if winner.error is None:
            # one that was overtaken counts with the time that it had: without the late ones, what is late would
            # be sooner each time
            self._learn(call.run, call.run.ended)
            return winner.value
        try:
            raise winner.error
        finally:
            del race, winner  # the error's traceback holds this frame

    def _learn(self, run: Run, ended: float) -> None:
        """Note how long a first attempt took; one that failed says nothing of how long an answer takes."""
        if self.after is None and run.started is not None and run.failure is None:
            self.latencies.add(ended - run.started)


class Racer:
    """
    One of two attempts at the same answer.

    Attributes:
        call: The call as this attempt.
        ended: Whether it has ended by itself.
        value: Its answer.
        error: What it failed with.
    """

    __slots__ = ("call", "ended", "error", "value")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.ended = False
        self.value: Any = None
        self.error: Exception | None = None

    @property
    def decides(self) -> bool:
        """Whether it ended with a good answer, or with what no other attempt can make good."""
        return self.ended and not isinstance(self.error, BoundaryError)

    async def run(self, proceed: Proceed) -> None:
        """Run it to its end; raises only what nobody may keep: cancellation and the like."""
        call, run = self.call, self.call.run
        cancelled = True
        try:
            self.value = await proceed(call)
            cancelled = False
        except BoundaryError as error:
            self.error = error
            cancelled = False
            if run.started is not None:
                run.failure = error.failure
        except Exception as error:  # noqa: BLE001 - a programmer's error, for whoever asked
            self.error = error
        finally:
            if run.started is not None:
                run.ended = call.clock.now()
                run.cancelled = run.cancelled or cancelled
                if call.observed:
                    call.report(RunEnded(run))
        self.ended = True  # last: another thread may look


class Pair:
    """
    The first attempt, and the second where there is one.

    Attributes:
        call: What they are attempts at.
    """

    __slots__ = ("_after", "_budgeted", "_first", "_journal", "_proceed", "_second", "_told", "call")

    def __init__(self, proceed: Proceed, call: Call, after: float, *, budgeted: bool) -> None:
        self._proceed = proceed
        self.call = call
        self._after = after
        self._budgeted = budgeted
        journal = call.journal
        listener = journal.listener
        self._told = Told(listener) if listener is not None else None
        self._journal = Journal(journal.begun, self._told, journal.partition)
        self._journal.priority = journal.priority
        self._journal.key = journal.key
        self._journal.shortened = journal.shortened
        self._first = Racer(self._as(call.run, call.runtime))
        self._second: Racer | None = None

    def first(self, runtime: Runtime) -> Coroutine[Any, Any, None]:
        """Run the first attempt, which waits through `runtime`; what it ended as is kept."""
        self._first = racer = Racer(self._as(self.call.run, runtime))
        return racer.run(self._proceed)

    def due(self, now: float) -> float:
        """
        Return when the second is to begin, or when to ask again; infinity where it is not to begin any more.

        Counted from the first one's admission: while that waits for a permit, a second would only wait behind it.
        """
        started = self.call.run.started
        moment = (now if started is None else started) + self._after
        return moment if moment < self.call.deadline else math.inf

    def second(self, runtime: Runtime, now: float) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Return what runs the second attempt, which waits through `runtime`; `None` where there is to be none."""
        self._after = math.inf  # there is one at most
        call, journal = self.call, self.call.journal
        if self._budgeted and not journal.partition.retries.spend(now):
            if call.observed:
                call.report(RetryBudgetExhausted("hedge"))
            return None
        run = Run()
        run.number = journal.tries = journal.tries + 1
        run.reason = "hedge"
        if call.observed:
            call.report(Hedging(run.number, now - (call.run.started or now)))
        self._second = racer = Racer(self._as(run, runtime))
        return lambda: racer.run(self._proceed)

    def is_decided(self) -> bool:
        """Whether nothing that still runs can change the answer."""
        first, second = self._first, self._second
        if second is None:
            return first.ended
        return first.decides or second.decides or (first.ended and second.ended)

    def winner(self) -> Racer:
        """Return the attempt whose answer, or whose error, is the call's."""
        first, second = self._first, self._second
        return second if second is not None and second.decides and not first.decides else first

    def close(self) -> None:
        """Write down what has begun, in order; what still runs is being called off."""
        if self._told is not None:
            self._told.decided = True
        self.call.journal.waited += self._journal.waited
        now = self.call.clock.now()
        winner = self.winner()
        for racer in (self._first, self._second):
            run = racer.call.run if racer is not None else None
            if racer is None or run is None or run.started is None:
                continue
            if not racer.ended:
                run.ended = now
                run.cancelled = True
            elif racer is not winner and run.failure is None:
                run.cancelled = True  # a good answer, and one too many
            run.closed = True
            self.call.journal.runs.append(run)

    def _as(self, run: Run, runtime: Runtime) -> Call:
        call = self.call
        return Call(call.fn, call.args, call.kwargs, call.deadline, call.clock, runtime, self._journal, run)


class Told:
    """
    Passes on what the racers say; from the one that was called off, only that its attempt is over.

    Attributes:
        decided: Whether the call goes on, and may have ended.
        scope: The call's own.
    """

    __slots__ = ("_listener", "decided", "scope")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.scope = listener.scope
        self.decided = False

    def hear(self, event: Event) -> None:
        """Pass it on."""
        if not self.decided or type(event) in _OF_THE_ATTEMPT:
            self._listener.hear(event)


_OF_THE_ATTEMPT: Final = frozenset({RunStarted, RunEnded})
