"""Why an exception is of its kind, and what follows from it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiguard import failure_table as table
from aiguard.classification import FrameFinding, Ruling, class_name, ruling_of, ruling_of_name
from aiguard.clock import SYSTEM
from aiguard.contract.breach import Breach
from aiguard.errors import BoundaryError
from aiguard.failure import COUNTED, OPENS_AT_ONCE, REASKABLE, RETRIED_BY_DEFAULT, FailureKind
from aiguard.retry_after import retry_after_of
from aiguard.user_rows import is_dotted, key_of, user_names

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_ROW: Final = "no row"


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    What an exception amounts to, and why.

    Attributes:
        kind: The failure kind; `None` for what has none: cancellation, `KeyboardInterrupt`, `SystemExit`.
        row: What decided, as text: `"error code insufficient_quota"`. Never what the exception says.
        retried: Whether `Retry()` tries again after it, left at its defaults.
        reasked: Whether `reask` asks again after it.
        counted: Whether the breaker counts it.
        opens_at_once: Whether a single one opens the breaker.
        retry_after: Seconds after which its server said that one may come back, if it did.
    """

    kind: FailureKind | None
    row: str
    retried: bool
    reasked: bool
    counted: bool
    opens_at_once: bool
    retry_after: float | None = None


def explain(exception: BaseException) -> Explanation:
    """
    Say what a boundary takes an exception of its component for, and which row decided.

    Reads what the boundary reads: classes, codes, statuses, headers, where it was raised; never a message. Of an error
    that a boundary raised, it says again what that boundary found. Never raises; imports nothing.

    Args:
        exception: As it was caught. An exception that was made by hand has no traceback, which decides of a few.
    """
    cls = type(exception)
    if issubclass(cls, BoundaryError):
        failure = exception.failure  # type: ignore[attr-defined] # by type alone: `__class__` may lie
        inner = failure.exception
        below = ruling_of(inner) if inner is not None and failure.stage == "component" else None
        row = _row(below, inner) if below is not None else f"the boundary's own: stage {failure.stage}"
        return _explained(failure.kind, row, failure.retry_after)
    if issubclass(cls, Breach):
        return _explained(exception.kind, "what was found in the response")  # type: ignore[attr-defined] # as above
    if not issubclass(cls, Exception) or issubclass(cls, asyncio.CancelledError):
        return Explanation(None, "no failure: never counted, retried or answered by a rung", *(False,) * 4)
    found = ruling_of(exception)
    if found is None:
        return _explained(FailureKind.UNCLASSIFIED, NO_ROW)
    return _explained(found.kind, _row(found, exception), retry_after_of(found.link or exception, SYSTEM))


def explain_name(name: str, status: int | None = None, code: str | None = None) -> Explanation:
    """
    Say the same of an exception of which only the name of its class is known, and perhaps HTTP status and code.

    Nothing is imported, so that of a class without a row of its own nobody knows what it derives from.

    Raises:
        ValueError: `name` cannot be that of a class.
    """
    if not is_dotted(name):
        raise ValueError(f"{name[:80]!r} is no name of a class: write it as `package.Class`")
    found = ruling_of_name(key_of(name), status, code)
    return _explained(FailureKind.UNCLASSIFIED, NO_ROW) if found is None else _explained(found.kind, _row(found))


def is_known(name: str) -> bool:
    """Whether the class `name` has a row, of its own or, of Python's own classes, of one that it derives from."""
    return ruling_of_name(key_of(name), None, None) is not None or name in set(names_known())


def names_known() -> Iterator[str]:
    """Yield every class that has a row, as `package.Class`."""
    for package, name in {*table.BY_CLASS, *table.BEFORE_STATUS, *table.BY_FRAME, *table.PYDANTIC}:
        yield name if package == "builtins" else f"{package}.{name}"
    yield from user_names()


def _explained(kind: FailureKind, row: str, retry_after: float | None = None) -> Explanation:
    pauses = kind is FailureKind.OVERLOADED and retry_after is not None  # the cooldown's affair then
    return Explanation(
        kind,
        row,
        retried=kind in RETRIED_BY_DEFAULT,
        reasked=kind in REASKABLE,
        counted=kind in COUNTED and not pauses,
        opens_at_once=kind in OPENS_AT_ONCE,
        retry_after=retry_after,
    )


def _row(found: Ruling, error: BaseException | None = None) -> str:
    said = _said(found)
    if found.link is None or found.link is error or error is None:
        return said
    return f"{said}, of {class_name(found.link)} below it"


def _said(found: Ruling) -> str:
    row: Any = found.row
    match found.basis:
        case "class":
            said = f"class {_dotted(*row)}"
        case "status":
            said = f"HTTP status {row}"
        case "code":
            said = f"error code {row}"
        case "header":
            said = f"header x-should-retry: {row}, at HTTP status {found.status}"
        case "frame":
            said = _framed(row, found)
        case "group":
            said = f"all {row} of a group"
        case _:
            said = str(row)
    return said


def _framed(frames: FrameFinding, found: Ruling) -> str:
    what = f"class {_dotted(*frames.key)}"
    if frames.package:
        return f"{what}, raised in {frames.package}"
    if found.link is None:
        return f"{what}; {frames.row.kind} where it is raised in {frames.row.where}"
    return f"{what}, not raised in {frames.row.where}"


def _dotted(package: str, name: str) -> str:
    return name if package == "builtins" else f"{package}.{name}"
