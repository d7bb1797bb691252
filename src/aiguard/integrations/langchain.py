"""
Models of LangChain behind a boundary.

    triage = Boundary("triage", deadline=4.0, retry=Retry(attempts=3), output=Triage, fallback=[rules])
    chain = prompt | guarded(triage, ChatOpenAI(model="gpt-4.1"))
    await chain.ainvoke({"ticket": ticket})

Inside an agent, where a model is called again and again: `aiguard.integrations.langchain_agent`.
"""

from __future__ import annotations

from contextlib import aclosing
from functools import cached_property
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import (
    Runnable,
    RunnableAssign,
    RunnableParallel,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.retry import RunnableRetry

from aiguard.call import logger
from aiguard.contract import Breach, inspected
from aiguard.errors import PolicyError
from aiguard.failure import FailureKind
from aiguard.integrations.http import deadline_client
from aiguard.integrations.inspection import report, watched, watched_async
from aiguard.problem import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from aiguard.boundary import Boundary
    from aiguard.outcome import Outcome

Input = TypeVar("Input")
Output = TypeVar("Output")

_TELLING = frozenset({"anthropic", "openai"})
"""Providers whose last piece of a stream says how the answer ended."""

_ENDINGS = ("finish_reason", "stop_reason", "status")


def guarded(boundary: Boundary, runnable: Runnable[Input, Output]) -> GuardedRunnable[Input, Output]:
    """
    Return a runnable behind a boundary: a runnable again, with `invoke`, `batch` and `stream`, sync and async.

    Of every model inside it a copy is used that sends each request once, and (OpenAI's and Anthropic's) waits no
    longer than what is left of the deadline. What a model answers is looked at before anything parses it: cut, refused,
    filtered or empty, it fails with its kind. `with_retry` and `with_fallbacks` inside are left as they are, with a
    warning in the log.

    With a contract (`output=`), a message's text is held to it, and the answer is what the contract makes of it. A
    boundary with `stream=` is for `stream` and `astream`; from one without, they give the whole answer as one piece.
    Its rungs and its `key` take what the runnable takes.

    Args:
        boundary: Where its calls go through.
        runnable: A chat model, what `bind_tools` or `with_structured_output` gave, or a chain of such. What calls a
            model out of sight, in a function or a graph, is guarded too, but keeps its own retries.
    """
    return GuardedRunnable(boundary, runnable)


class GuardedRunnable(Runnable[Input, Output]):  # type: ignore[misc] # LangChain is not there when types are checked
    """
    A runnable behind a boundary; see `guarded`.

    Attributes:
        boundary: Its boundary.
    """

    def __init__(self, boundary: Boundary, runnable: Runnable[Input, Output]) -> None:
        self.boundary = boundary
        self._whole = runnable
        self._inner = sent_once(boundary, runnable)

    @property
    def InputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What it takes."""
        return self._whole.InputType

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What it gives."""
        return self._whole.OutputType

    def invoke(self, input: Input, config: Any = None, **kwargs: Any) -> Output:
        """Call it. Raises `BoundaryError` where neither it nor a rung answers."""
        answer: Output = self.boundary.call(self._asking(config, kwargs), input)
        return answer

    async def ainvoke(self, input: Input, config: Any = None, **kwargs: Any) -> Output:
        """Call it. Raises `BoundaryError` where neither it nor a rung answers."""
        answer: Output = await self.boundary.call(self._asking_async(config, kwargs), input)
        return answer

    def outcome(self, input: Input, config: Any = None, **kwargs: Any) -> Outcome[Output]:
        """Call it and return what the call ended as."""
        return self.boundary.outcome(self._asking(config, kwargs), input)

    async def aoutcome(self, input: Input, config: Any = None, **kwargs: Any) -> Outcome[Output]:
        """Call it and return what the call ended as."""
        return await self.boundary.outcome(self._asking_async(config, kwargs), input)

    def stream(self, input: Input, config: Any = None, **kwargs: Any) -> Iterator[Output]:
        """Yield its answer piece by piece. Raises `BoundaryError`, once a piece was there `StreamInterruptedError`."""
        if self.boundary.policy.stream is None:
            yield self.invoke(input, config, **kwargs)
            return

        def pull(input: Input) -> Iterator[Output]:
            for piece in self._inner.stream(input, config, **kwargs):
                yield self._released(piece)

        yield from self.boundary.stream(pull, input)

    async def astream(self, input: Input, config: Any = None, **kwargs: Any) -> AsyncIterator[Output]:
        """Yield its answer piece by piece. Raises `BoundaryError`, once a piece was there `StreamInterruptedError`."""
        if self.boundary.policy.stream is None:
            yield await self.ainvoke(input, config, **kwargs)
            return

        async def pull(input: Input) -> AsyncIterator[Output]:
            async with aclosing(self._inner.astream(input, config, **kwargs)) as pieces:
                async for piece in pieces:
                    yield self._released(piece)

        async with aclosing(self.boundary.stream(pull, input)) as pieces:
            async for piece in pieces:
                yield piece

    def _check_unstreamed(self) -> None:
        mode = self.boundary.policy.stream
        if mode is not None:
            reason = "such a boundary is for `stream` and `astream`: put `invoke` and `outcome` behind one without"
            raise PolicyError(Problem(reason, self.boundary.name, "stream", repr(mode)))

    def _asking(self, config: Any, kwargs: dict[str, Any]) -> Callable[[Input], Output]:
        self._check_unstreamed()

        def ask(input: Input) -> Output:
            answer: Output = self._released(self._inner.invoke(input, config, **kwargs))
            return answer

        return ask

    def _asking_async(self, config: Any, kwargs: dict[str, Any]) -> Callable[[Input], Coroutine[Any, Any, Output]]:
        self._check_unstreamed()

        async def ask(input: Input) -> Output:
            answer: Output = self._released(await self._inner.ainvoke(input, config, **kwargs))
            return answer

        return ask

    def _released(self, answer: Any) -> Any:
        # what `with_structured_output(include_raw=True)` gives does not fail by itself
        if isinstance(answer, dict) and isinstance(error := answer.get("parsing_error"), Exception):
            raise error
        if answer is None and self._inner is not self._whole:  # what it is where the model called no tool
            raise Breach(FailureKind.SCHEMA_VIOLATION, "the answer holds nothing of what was asked for")
        if isinstance(answer, BaseMessage) and self.boundary.policy.output is not None:
            return str(answer.text)
        return answer


def sent_once(boundary: Boundary, runnable: Any) -> Any:
    """Return a runnable whose models send each request once, as far as that can be; the rest is logged."""
    notes: list[str] = []
    prepared = _prepared(runnable, notes)
    retry = boundary.policy.retry
    attempts = 1 if retry is None else retry.attempts
    for note in notes:
        logger.warning(
            "boundary %r: %s, in each of up to %s attempts of the boundary's; leave that to the boundary",
            boundary.name,
            note,
            attempts,
        )
    return prepared


def model_sent_once(boundary: Boundary, model: Any) -> Any:
    """Return a model's copy that sends each request once; the model itself, with a line in the log, where none can."""
    notes: list[str] = []
    alone = _alone(model, notes)
    for note in notes:
        logger.warning("boundary %r: %s; set its `max_retries` to 0", boundary.name, note)
    return alone


def looked_at(message: Any) -> Any:
    """Return what a model answered, its tokens reported. Raises `Breach` where it is no answer."""
    report(message)
    inspected(message)
    return message


def _prepared(runnable: Any, notes: list[str]) -> Any:
    """Return `runnable` with every model in it replaced; the same where there is none."""
    if isinstance(runnable, BaseLanguageModel):
        return _Model(_alone(runnable, notes))
    parts = _parts(runnable)
    prepared = {name: _prepared(part, notes) for name, part in parts.items()}
    if all(prepared[name] is part for name, part in parts.items()):
        return runnable
    every = list(prepared.values())
    if isinstance(runnable, RunnableSequence):
        return RunnableSequence(*every, name=runnable.name)
    if isinstance(runnable, RunnableParallel):
        return runnable.model_copy(update={"steps__": prepared})
    if isinstance(runnable, RunnableWithFallbacks):
        notes.append(f"with_fallbacks inside it asks up to {len(every)} models one after the other")
        return runnable.model_copy(update={"runnable": every[0], "fallbacks": every[1:]})
    if isinstance(runnable, RunnableRetry):
        notes.append(f"with_retry inside it asks a model up to {runnable.max_attempt_number} times")
    return runnable.model_copy(update=prepared)


def _parts(runnable: Any) -> dict[Any, Any]:
    """Return the runnables that a runnable is made of, as far as that shows."""
    if isinstance(runnable, RunnableBindingBase):  # `bind`, `bind_tools`, `with_config`, `with_retry`
        return {"bound": runnable.bound}
    if isinstance(runnable, RunnableAssign):
        return {"mapper": runnable.mapper}
    if isinstance(runnable, RunnableParallel):
        return dict(runnable.steps__)
    if isinstance(runnable, RunnableSequence):
        return dict(enumerate(runnable.steps))
    return dict(enumerate(runnable.runnables)) if isinstance(runnable, RunnableWithFallbacks) else {}


def _alone(model: Any, notes: list[str]) -> Any:
    """Return a model's copy that sends each request once; the model itself is not changed."""
    try:
        copied = model.model_copy()
        held = copied.__dict__
        for name in [name for name in held if name not in type(model).model_fields]:
            del held[name]  # made on first use, with the retries that it had
        if "max_retries" in held:
            held["max_retries"] = 0
        for name, value in list(held.items()):
            held[name] = _client_alone(value)
        for name in ("_client", "_async_client"):
            if isinstance(getattr_static(type(model), name, None), cached_property):
                held[name] = deadline_client(getattr(copied, name))
    except Exception:  # noqa: BLE001 - a model of a kind that cannot be copied, or whose client is another
        notes.append(f"{type(model).__name__} keeps its own retries")
        return model
    return copied


def _client_alone(value: Any) -> Any:
    """Return an SDK's client, or a resource of one, that sends each request once; anything else as it is."""
    if hasattr(value, "with_options"):
        return deadline_client(value)
    client = getattr(value, "_client", None)
    return type(value)(deadline_client(client)) if hasattr(client, "with_options") else value


class _Model(Runnable[Any, Any]):  # type: ignore[misc] # as above
    """A model whose answers are looked at before anything parses them."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def InputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What it takes."""
        return self._model.InputType

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What it gives."""
        return self._model.OutputType

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Ask it."""
        return looked_at(self._model.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Ask it."""
        return looked_at(await self._model.ainvoke(input, config, **kwargs))

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Yield its answer piece by piece."""
        end = _End()
        for piece in watched(self._model.stream(input, config, **kwargs)):
            end.see(piece)
            yield piece
        end.check()

    async def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield its answer piece by piece."""
        end = _End()
        async with aclosing(self._model.astream(input, config, **kwargs)) as pieces:
            async for piece in watched_async(pieces):
                end.see(piece)
                yield piece
        end.check()


class _End:
    """Whether a stream's last piece came: one that is cut off just stops."""

    def __init__(self) -> None:
        self._told: bool | None = None

    def see(self, piece: Any) -> None:
        """Look at one piece."""
        told = getattr(piece, "response_metadata", None) or {}
        if told.get("model_provider") in _TELLING:
            self._told = bool(self._told or any(told.get(name) for name in _ENDINGS))

    def check(self) -> None:
        """Raises `Breach` where nothing said that the answer is over."""
        if self._told is False:
            raise Breach(FailureKind.STREAM_INTERRUPTED, "the stream was cut off: its last piece did not come")
