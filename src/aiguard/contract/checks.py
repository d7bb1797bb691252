"""What a user's own functions say about a value that fits its schema."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from aiguard.contract.breach import Breach, class_name, code
from aiguard.failure import FailureKind

Check = Callable[[Any], bool | str | None]
"""`None` or `True` lets a value pass; `False`, or a short reason code, does not."""


def name_of(check: Check) -> str:
    """Return what messages call `check`."""
    inner = getattr(check, "func", check)  # functools.partial has no name of its own
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return str(name).rpartition("<locals>.")[2]


def is_async(check: Check) -> bool:
    """Return whether calling `check` gives something to await instead of a verdict."""
    return inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(getattr(check, "__call__", None))  # noqa: B004 - whether it is async, not whether it is there


def run(checks: tuple[Check, ...], value: object) -> None:
    """
    Run `checks` in their order.

    Raises:
        Breach: What the first of them holds against `value`.
    """
    for check in checks:
        try:
            verdict: object = check(value)
        except Exception as error:  # noqa: BLE001 - a check that fails has not passed the value
            raise _failed(check, f"raised {class_name(error)}", error) from None
        if verdict is None or verdict is True:
            continue
        if verdict is False:
            raise _failed(check, "said no")
        if isinstance(verdict, str):
            raise _failed(check, f"said {code(verdict)}")
        if inspect.iscoroutine(verdict):
            verdict.close()  # it would warn that nobody awaited it
        raise _failed(check, "gave neither None, a bool nor a reason code")


def _failed(check: Check, what: str, error: Exception | None = None) -> Breach:
    return Breach(FailureKind.CHECK_FAILED, f"check {name_of(check)} {what}", error)
