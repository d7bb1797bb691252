"""A boundary under one policy: a call begins and ends with the one that it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.engine.elements import elements_of
from aiguard.engine.ladder import steps_of
from aiguard.engine.pipeline import Pipeline
from aiguard.engine.shape import Shape
from aiguard.engine.state import State, input_judge_of, judge_of
from aiguard.errors import PolicyError
from aiguard.problem import Problem
from aiguard.rung import BoundaryRung, Rung

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.policy import Policy


class Revision:
    """
    A boundary under one policy.

    Args:
        name: The boundary's name.
        policy: Its policy.
        before: The revision that this one follows, whose breaker, permits and threads go on.

    Attributes:
        policy: Its policy.
        state: What its calls share.
        pipelines: What they pass, by the shape of the component: an enum's hash is a Python call.
    """

    __slots__ = ("pipelines", "policy", "state")

    def __init__(self, name: str, policy: Policy, before: Revision | None = None) -> None:
        """Raises `PolicyError` where a contract cannot be compiled."""
        self.policy = policy
        self.state: State = State(name, policy, before.state if before else None)
        self.pipelines: dict[str, Pipeline] = {}

    def build(self, ladder: tuple[Any, ...], shape: Shape, component: Callable[..., Any] | None) -> Pipeline:
        """Make the pipeline for components of `shape`, with the rungs of `ladder`. Raises `PolicyError`."""
        pipeline = self.pipelines[shape.value] = self._pipeline(ladder, shape, component)
        return pipeline

    def check(self, ladder: tuple[Any, ...]) -> None:
        """Hold the ladder to the policy as far as that goes without a component. Raises `PolicyError`."""
        self._pipeline(ladder, _likely_shape(self.policy), None)

    def _pipeline(self, ladder: tuple[Any, ...], shape: Shape, component: Callable[..., Any] | None) -> Pipeline:
        policy = self.policy
        if policy.deadline is None:
            raise PolicyError(Problem("required before the first call", self.state.name, "deadline"))
        if ladder is not policy.fallback:
            policy = policy.model_copy(update={"fallback": ladder})
        return Pipeline(policy, self.state, shape, component)


def rehearse(name: str, policy: Policy) -> None:
    """Hold contract and ladder to each other, for a boundary that is not declared yet. Raises `PolicyError`."""
    input_judge_of(name, policy.input)
    if policy.output is not None or policy.fallback:
        judge = elements_of(name, policy).item if policy.stream == "elements" else judge_of(name, policy.output)
        ladder = policy.model_copy(update={"fallback": tuple(_stood_in(rung) for rung in policy.fallback)})
        steps_of(name, ladder, _likely_shape(policy), judge, None)


def _stood_in(rung: Any) -> Any:
    """Return `rung`, or something that fits where it is a boundary that is not there yet."""
    return Rung(_stood_in, ai=True) if isinstance(rung, BoundaryRung) else rung


def _likely_shape(policy: Policy) -> Shape:
    if policy.shape is not None:
        return Shape(policy.shape)
    # where a hedge is inline, nothing else than coroutines can be meant
    if policy.isolation is None or (policy.isolation == "inline" and policy.hedge is not None):
        return Shape.ASYNC if policy.stream is None else Shape.ASYNC_GENERATOR
    return Shape.SYNC if policy.stream is None else Shape.GENERATOR
