"""What a contract asks for that a function, or its shape, cannot give: refused at declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.errors import PolicyError
from aiguard.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.contract import InputJudge, Judge
    from aiguard.engine.shape import Shape
    from aiguard.policy import Policy
    from aiguard.stages.fallback import Form


def refuse_unfed(name: str, judge: InputJudge, policy: Policy, component: Callable[..., Any] | None) -> None:
    """Raise `PolicyError` where the component has no such arguments, or no rung could answer for a bad one."""
    reason = judge.check(component) if component is not None else None
    if judge.contract.on_breach == "fallback" and not policy.fallback:
        reason = "on_breach='fallback', and `fallback` has no rung that could answer"
    if reason is not None:
        raise PolicyError(Problem(reason, name, "input", judge.label))


def refuse_unkept(name: str, judge: Judge[Any] | None, shape: Shape, form: Form) -> None:
    """Raise `PolicyError` where nobody could await a check of `judge`, or say that an answer was repaired."""
    if judge is None:
        return
    waiting = next((check.name for check in judge.checks if check.is_async), None)
    if waiting is not None and not shape.is_async:
        reason = f"check {waiting} is async, and nobody can await it for a sync function: make one of them the other"
        raise PolicyError(Problem(reason, name, "output", judge.name))
    if not form.is_surfaced:
        return
    if waiting is not None:
        reason = f'check {waiting} is async, and items leave without waiting: declare `stream="buffer"`'
        raise PolicyError(Problem(reason, name, "output", judge.name))
    if judge.contract.repair != "off":
        reason = '`repair` needs the whole answer, and items leave as they come: declare `stream="buffer"`'
        raise PolicyError(Problem(reason, name, "output", judge.name))
