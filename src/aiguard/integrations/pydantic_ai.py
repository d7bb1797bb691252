"""
Models of Pydantic AI behind a boundary.

    model = Boundary("support-agent-model", deadline=20.0, retry=Retry(attempts=3), breaker=Breaker())
    agent = Agent(GuardedModel(model, "openai:gpt-4.1"), output_type=Triage)

What leaves such a boundary is its `BoundaryError` and one of Pydantic AI's own `ModelAPIError`s in one, so that a
`FallbackModel` goes on to its next model.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic_ai import exceptions
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import CompletedStreamedResponse, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel

from aiguard.contract import Breach, inspected
from aiguard.deadline import remaining
from aiguard.errors import BoundaryError, PolicyError
from aiguard.failure import FailureKind
from aiguard.integrations.inspection import report
from aiguard.problem import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from aiguard.boundary import Boundary

_K = FailureKind

_THEIRS: Final[dict[FailureKind, str]] = {
    **dict.fromkeys((_K.TIMEOUT, _K.DEADLINE_EXHAUSTED), "ModelTimeoutError"),
    **dict.fromkeys((_K.CONNECTION, _K.STREAM_INTERRUPTED), "ModelConnectionError"),
    **dict.fromkeys((_K.RATE_LIMITED, _K.COOLING_DOWN), "ModelRateLimitError"),
    **dict.fromkeys((_K.QUOTA_EXHAUSTED, _K.BUDGET_EXHAUSTED), "ModelQuotaExceededError"),
    **dict.fromkeys((_K.OVERLOADED, _K.BULKHEAD_FULL), "ModelOverloadedError"),
    **dict.fromkeys((_K.CIRCUIT_OPEN, _K.HALTED), "ModelUnavailableError"),
    **dict.fromkeys((_K.SERVER_ERROR, _K.MALFORMED_TRANSPORT, _K.PROVIDER_FAILED), "ModelServerError"),
    **dict.fromkeys((_K.BAD_REQUEST, _K.INPUT_REJECTED), "ModelRequestRejectedError"),
    _K.AUTH: "ModelAuthenticationError",
    _K.NOT_FOUND: "ModelNotFoundError",
    _K.CONTEXT_LENGTH: "ModelContextWindowExceededError",
}
"""Which of Pydantic AI's errors says the same; any other kind is a plain `ModelAPIError`."""

_TELLING: Final = frozenset({"anthropic", "openai"})
"""Providers whose last event of a stream says how the answer ended."""


class GuardedModel(WrapperModel):  # type: ignore[misc] # Pydantic AI is not there when types are checked
    """
    A model each of whose requests goes through a boundary.

    The provider's client sends each request once (`max_retries=0`) and waits no longer than what is left of the
    deadline. A response that was cut, refused or filtered fails with its kind, and its tokens are reported. What the
    agent makes of a response, its own retries of an output included, is outside the boundary: each of them is a call.

    Where the boundary has no `stream="passthrough"`, a stream's whole response comes at once; where it has, nothing is
    tried again once the first event was there. A rung is a `ModelResponse`, or takes the messages, the settings and the
    request's parameters, and returns one; with `stream=`, a list that holds one.

    Args:
        boundary: Where the requests go through.
        wrapped: The model, or its name.

    Raises:
        PolicyError: The boundary has an `output`, which is the agent's to check, another mode of streaming, or
            `on_break="rung"`.
    """

    def __init__(self, boundary: Boundary, wrapped: Any) -> None:
        super().__init__(wrapped)
        policy = boundary.policy
        if policy.output is not None:
            reason = "an agent's model answers with calls of tools too: give the agent an `output_type`"
            raise PolicyError(Problem(reason, boundary.name, "output"))
        if policy.stream not in {None, "passthrough"}:
            reason = "the agent takes events as they come: 'passthrough', or none for the whole response at once"
            raise PolicyError(Problem(reason, boundary.name, "stream", repr(policy.stream)))
        if policy.on_break != "raise":
            reason = "the agent knows no answer that begins a second time"
            raise PolicyError(Problem(reason, boundary.name, "on_break", repr(policy.on_break)))
        self.boundary = boundary

    async def request(self, messages: Any, model_settings: Any, model_request_parameters: Any) -> Any:
        """Send a request. Raises a `BoundaryError` that is a `ModelAPIError`."""
        asked = (messages, model_settings, model_request_parameters)
        try:
            if self.boundary.policy.stream is None:
                return await self.boundary.call(self._ask, *asked)
            async with aclosing(self.boundary.stream(self._ask_as_stream, *asked)) as responses:
                return await anext(responses)
        except BoundaryError as error:
            raise _also_theirs(error, self.model_name) from error.__cause__

    @asynccontextmanager
    async def request_stream(
        self,
        messages: Any,
        model_settings: Any,
        model_request_parameters: Any,
        run_context: Any = None,
    ) -> AsyncGenerator[Any]:
        """Send a request and give its response event by event. Raises a `BoundaryError` that is a `ModelAPIError`."""
        if self.boundary.policy.stream is None:
            response = await self.request(messages, model_settings, model_request_parameters)
            yield _at_once(response, model_request_parameters)
            return

        async def pull(messages: Any, model_settings: Any, model_request_parameters: Any) -> AsyncIterator[Any]:
            settings = _within(model_settings, self.wrapped.settings)
            async with self.wrapped.request_stream(
                messages, settings, model_request_parameters, run_context
            ) as response:
                try:
                    async for event in response:
                        yield response, event
                finally:
                    report(response.get())
                _check_end(response.get())

        stream = self.boundary.stream(pull, messages, model_settings, model_request_parameters)
        async with aclosing(stream):
            events = _theirs(stream, self.model_name)
            first = await anext(events, ModelResponse(parts=[]))
            if isinstance(first, ModelResponse):  # a rung's
                yield _at_once(first, model_request_parameters)
            else:
                yield _Events(*first, events)  # type: ignore[call-arg] # as above

    async def _ask(self, messages: Any, model_settings: Any, model_request_parameters: Any) -> Any:
        settings = _within(model_settings, self.wrapped.settings)
        response = await self.wrapped.request(messages, settings, model_request_parameters)
        report(response)
        inspected(response)
        return response

    async def _ask_as_stream(self, messages: Any, model_settings: Any, model_request_parameters: Any) -> Any:
        yield await self._ask(messages, model_settings, model_request_parameters)


def _within(settings: Any, defaults: Any) -> dict[str, Any]:
    """Return settings under which the provider's client sends once, and waits no longer than the deadline."""
    own = {**(defaults or {}), **(settings or {})}.get("timeout")
    left = remaining()
    within = {**(settings or {}), "max_retries": 0}
    if left is not None and (own is None or isinstance(own, int | float)):
        within["timeout"] = left if own is None else min(own, left)
    return within


def _check_end(response: Any) -> None:
    """Raises `Breach` where a stream's response is no answer, or not all of one."""
    inspected(response)
    # a response that was cut off says "stop" too, made up by Pydantic AI: what the provider said stands elsewhere
    if response.provider_name in _TELLING and not (response.provider_details or {}).get("finish_reason"):
        raise Breach(FailureKind.STREAM_INTERRUPTED, "the stream was cut off: its last event did not come")


def _at_once(response: Any, parameters: Any) -> Any:
    return CompletedStreamedResponse(response, model_request_parameters=parameters, replay_events=True)


async def _theirs(events: Any, model_name: str) -> AsyncIterator[Any]:
    try:
        async for event in events:
            yield event
    except BoundaryError as error:
        raise _also_theirs(error, model_name) from error.__cause__


class _Events(StreamedResponse):  # type: ignore[misc] # as above
    """A streamed response whose events come through the boundary; all else is what the provider's own says."""

    def __init__(self, response: Any, first: Any, events: AsyncIterator[Any]) -> None:
        own = self.__dict__
        own["_response"] = response
        own["_events"] = _joined(first, events)

    def __aiter__(self) -> AsyncIterator[Any]:
        events: AsyncIterator[Any] = self._events
        return events

    def __getattribute__(self, name: str) -> Any:
        if name in _OWN:
            return super().__getattribute__(name)
        return getattr(super().__getattribute__("_response"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._response, name, value)

    def _enforce_request_deadline(self, deadline: Any) -> None:
        self.__dict__["_events"] = deadline.iterate(self._events)


_OWN: Final = frozenset({"__class__", "__dict__", "_enforce_request_deadline", "_events", "_response"})

_Events.__abstractmethods__ = frozenset()  # all of them are the provider's


async def _joined(first: Any, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for _, event in events:
        yield event


class _BothError(BoundaryError):
    """What the two of them share."""

    plain: type[BoundaryError]

    def __reduce__(self) -> tuple[Any, ...]:
        # a class that is made while the program runs is nothing that another process knows
        alone = self.plain(self.failure, boundary=self.boundary)
        return alone.__reduce__()


@cache
def _class_of(ours: Any, theirs: str) -> type[_BothError]:
    base: type[Exception] = getattr(exceptions, theirs, exceptions.ModelAPIError)
    return type(ours.__name__, (_BothError, ours, base), {"plain": ours, "__module__": __name__, "phase": None})


def _also_theirs(error: BoundaryError, model_name: str) -> BoundaryError:
    """Return `error` as one that is an error of Pydantic AI's too."""
    ours: Any = type(error)
    cls = _class_of(ours, _THEIRS.get(error.failure.kind, "ModelAPIError"))
    both = cls.__new__(cls, *error.args)
    vars(both).update(
        vars(error),
        message=str(error),
        model_name=model_name,
        body=None,
        provider_error_code=None,
        provider_error_type=None,
        in_stream=error.failure.kind is FailureKind.STREAM_INTERRUPTED,
        retry_after=error.failure.retry_after,
    )
    return both
