"""A call of the component, and nothing around it."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any, Final, cast

from aiguard.call import Call, Journal
from aiguard.classification import classify
from aiguard.engine.pulls import Pull, caught, close_source, refuse_second, surface
from aiguard.errors import BoundaryError
from aiguard.events import Run
from aiguard.outcome import Attempt, Outcome
from aiguard.stream import async_iterated, iterated

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Options
    from aiguard.engine.calls import Args, Kwargs
    from aiguard.engine.pulls import Consumer
    from aiguard.engine.shape import Shape
    from aiguard.engine.state import State
    from aiguard.failure import Failure

_NOBODY: Final[Any] = None
"""No stage is there that could ask for a runtime, or for a partition."""


class Direct:
    """
    Takes a pipeline's place: the component is called where its caller is, and nobody counts, waits or judges.

    Attributes:
        name: The boundary's name.
        state: What its calls share.
        item_judge: Nobody judges the items of a stream.
        door: Nothing turns calls away.
    """

    item_judge = None
    door = None

    def __init__(self, name: str, state: State, shape: Shape) -> None:
        self.name = name
        self.state = state
        self._shape = shape

    def open(self, fn: Callable[..., Any], args: Args, kwargs: Kwargs, options: Options | None = None) -> Call:  # noqa: ARG002 - nothing to be set
        """Begin a call of `fn`."""
        clock = self.state.clock
        return Call(fn, args, kwargs, math.inf, clock, _NOBODY, Journal(clock.now(), None, _NOBODY), Run())

    async def chain(self, call: Call) -> Any:
        """Return what the component returns. Raises `_BareError` for what it raised."""
        run = call.run
        run.started = call.clock.now()
        call.journal.runs.append(run)
        try:
            return await self._answer(call)
        except Exception as error:  # noqa: BLE001 - taken out again where it leaves
            run.failure = error.failure if isinstance(error, BoundaryError) else classify(error, call.clock)
            bare = _BareError(run.failure, error)
        finally:
            run.ended = call.clock.now()
        try:
            raise bare
        finally:
            del bare  # its traceback holds this frame

    async def _answer(self, call: Call) -> Any:
        result = call.fn(*call.args, **call.kwargs)
        if not self._shape.is_stream:
            return await result if self._shape.is_async else result
        if not self._shape.is_async:
            items = _Items(iterated(result))
            try:
                await surface(items)
            finally:
                close_source(items.source)
            return None
        if inspect.isawaitable(result):
            result = await result
        source = async_iterated(result)
        try:
            await surface(_AsyncItems(source))
        except GeneratorExit:  # the call itself is thrown away: nothing may be awaited any more
            raise
        except BaseException:
            await _close(source)
            raise
        await _close(source)
        return None

    def answered(self, call: Call, value: object) -> None:
        """Nobody counts it."""

    def broken(self, call: Call) -> None:
        """Nobody counts it."""

    def failed(self, call: Call, error: BoundaryError) -> Exception:
        """Return what the component raised, as it is."""
        bare = cast("_BareError", error)
        bare.outcome = self.outcome(call, None, error=bare.original, failure=bare.failure)
        return bare.original

    def outcome(
        self, call: Call, value: Any, *, error: BaseException | None = None, failure: Failure | None = None
    ) -> Outcome[Any]:
        """Return what the call ended as."""
        begun = call.journal.begun
        attempts = tuple(
            Attempt(run.number, run.reason, run.failure, 0.0, run.ended - begun) for run in call.journal.runs
        )
        return Outcome(
            boundary=self.name,
            value=value,
            ok=error is None,
            source="component" if error is None else None,
            rung=None,
            failure=failure,
            attempts=attempts,
            elapsed=call.clock.now() - begun,
            error=error,
        )


class _BareError(BoundaryError):
    """Carries what a component raised to where it leaves."""

    def __init__(self, failure: Failure, original: Exception) -> None:
        super().__init__(failure)
        self.original = original


class _Unclocked(Pull):
    """Pulls, whatever the time: what it has no use for, a clock and a call, is not asked for."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source = source


class _Items(_Unclocked):
    """Pulls in the caller's thread."""

    def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:
        """Return the next item, or what `stream` makes of the end and of an error."""
        if self.began is not None:
            refuse_second("generator")
        self.began = 0.0
        try:
            item = next(self.source) if sent is None else sent()
        except BaseException as raised:  # noqa: BLE001 - the stream knows what it means
            error = caught(raised)
        else:
            self.began = None
            return item
        self.began = None
        try:
            return stream.resumed(error)
        finally:
            del error


class _AsyncItems(_Unclocked):
    """Pulls on the loop of whoever asks."""

    async def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:
        """Return the next item, or what `stream` makes of the end and of an error."""
        if self.began is not None:
            refuse_second("asynchronous generator")
        self.began = 0.0
        try:
            item = await (anext(self.source) if sent is None else sent())
        except BaseException as raised:  # noqa: BLE001 - the stream knows what it means
            error = caught(raised)
        else:
            self.began = None
            return item
        self.began = None
        try:
            return await stream.resumed(error)
        finally:
            del error


async def _close(source: object) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
