"""
The model calls of an agent of LangChain behind a boundary.

    model = Boundary("support-agent-model", deadline=20.0, retry=Retry(attempts=3), breaker=Breaker())
    agent = create_agent("openai:gpt-4.1", tools, middleware=[GuardedModelCalls(model)])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import AgentMiddleware
from langgraph.errors import GraphBubbleUp

from aiguard.errors import PolicyError
from aiguard.integrations.langchain import looked_at, model_sent_once
from aiguard.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiguard.boundary import Boundary


class GuardedModelCalls(AgentMiddleware):  # type: ignore[misc] # LangChain is not there when types are checked
    """
    Middleware that sends each of an agent's model calls through a boundary.

    Each has the boundary's deadline, retries, breaker and ladder; a copy of the model is used that sends each request
    once. An answer that was cut, refused, filtered or empty fails with its kind, unless it calls a tool. Put it last in
    the list: what stands behind it is inside the boundary.

    A rung is an `AIMessage`, or takes the `ModelRequest` and returns one. A contract has no place here, since most
    answers are calls of tools: put a boundary with one around the whole agent.

    Args:
        boundary: Where the calls go through.

    Raises:
        PolicyError: The boundary has an `output`.
    """

    def __init__(self, boundary: Boundary) -> None:
        super().__init__()
        if boundary.policy.output is not None:
            reason = "an agent's model answers with calls of tools too: put the contract on a boundary around the agent"
            raise PolicyError(Problem(reason, boundary.name, "output"))
        self.boundary = boundary
        self._known: tuple[Any, Any] = (None, None)

    @property
    def name(self) -> str:
        """Its name in the agent's graph."""
        return f"GuardedModelCalls[{self.boundary.name}]"

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Call the model. Raises `BoundaryError` where neither it nor a rung answers."""

        def ask(request: Any) -> Any:
            try:
                return _looked_at(handler(request))
            except GraphBubbleUp as leaving:  # how a graph pauses: no failure
                return leaving

        return _left(self.boundary.call(ask, self._alone(request)))

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model. Raises `BoundaryError` where neither it nor a rung answers."""

        async def ask(request: Any) -> Any:
            try:
                return _looked_at(await handler(request))
            except GraphBubbleUp as leaving:  # as above
                return leaving

        return _left(await self.boundary.call(ask, self._alone(request)))

    def _alone(self, request: Any) -> Any:
        model, alone = self._known
        if request.model is not model:
            alone = model_sent_once(self.boundary, request.model)
            self._known = (request.model, alone)
        return request.override(model=alone)


def _looked_at(answer: Any) -> Any:
    inner = getattr(answer, "model_response", answer)
    for message in getattr(inner, "result", [inner]):
        looked_at(message)
    return answer


def _left(answer: Any) -> Any:
    if isinstance(answer, GraphBubbleUp):
        raise answer
    return answer
