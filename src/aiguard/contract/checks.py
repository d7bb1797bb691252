"""What a user's own functions say about a value that fits its schema."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiguard.contract.breach import Breach, Fault, class_name, code
from aiguard.failure import FailureKind

Verdict = bool | str | None
"""`None` or `True` lets a value pass; `False`, or a short reason code, does not."""

Check = Callable[[Any], Verdict | Awaitable[Verdict]]
"""A function of the valid value that gives a verdict, or resolves to one; what it raises is no verdict."""

OnCheckError = Literal["reject", "accept"]

_log: Final = logging.getLogger("aiguard")


@dataclass(frozen=True, slots=True)
class Safety:
    """
    A check that a contract must not leave open what its errors mean.

    Args:
        check: What gives the verdict.
    """

    check: Check

    def __call__(self, value: Any) -> Verdict | Awaitable[Verdict]:
        """Return the verdict on `value`."""
        return self.check(value)


def safety(check: Check) -> Safety:
    """
    Mark `check` as one that keeps people from harm.

    A contract that holds it has to say `on_check_error`: whether an answer leaves that could not be checked is nothing
    that a default should decide.
    """
    return Safety(check)


def name_of(check: Check) -> str:
    """Return what messages call `check`."""
    inner: Any = check.check if isinstance(check, Safety) else check
    inner = getattr(inner, "func", inner)  # functools.partial has no name of its own
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return str(name).rpartition("<locals>.")[2]


def is_async(check: Check) -> bool:
    """Return whether calling `check` gives something to await instead of a verdict."""
    inner = check.check if isinstance(check, Safety) else check
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004 - whether it is async, not whether it is there


class Judged:
    """
    A check made ready.

    Attributes:
        check: The user's own.
        name: What messages and spans call it.
        is_async: Whether its verdict has to be awaited.
    """

    __slots__ = ("_lenient", "check", "is_async", "name")

    def __init__(self, check: Check, on_error: OnCheckError | None) -> None:
        self.check = check
        self.name = name_of(check)
        self.is_async = is_async(check)
        self._lenient = on_error == "accept"

    def run(self, value: object) -> Fault | None:
        """
        Ask it of `value`, here and now; return its error, where an error lets the value pass.

        Raises:
            Breach: What it holds against `value`.
        """
        try:
            verdict: object = self.check(value)
        except Exception as error:  # noqa: BLE001 - whatever a check raises is its own error
            raised = error
        else:
            return self.heard(verdict)
        return self.failed(raised)

    def heard(self, verdict: object) -> Fault | None:
        """Take its verdict. Raises and returns as `run`."""
        if verdict is None or verdict is True:
            return None
        if verdict is False:
            raise Breach(FailureKind.CHECK_FAILED, f"check {self.name} said no", fault=Fault(self.name))
        if isinstance(verdict, str):
            word = code(verdict)
            raise Breach(FailureKind.CHECK_FAILED, f"check {self.name} said {word}", fault=Fault(self.name, word))
        if inspect.iscoroutine(verdict):
            verdict.close()  # it would warn that nobody awaited it
        return self._no_verdict("gave neither None, a bool nor a reason code", type(verdict).__name__)

    def failed(self, error: Exception) -> Fault | None:
        """Take the exception that it raised. Raises and returns as `run`."""
        name = class_name(error)
        return self._no_verdict(f"raised {name}", name, error)

    def _no_verdict(self, what: str, word: str, error: Exception | None = None) -> Fault:
        fault = Fault(self.name, code(word), is_error=True)
        if self._lenient:
            _log.warning("check %s %s: the answer passes, as `on_check_error` says", self.name, what)
            return fault
        raise Breach(FailureKind.CHECK_FAILED, f"check {self.name} {what}", error, fault)
