"""
What an exception of the component means.

The tables are in `aiguard.failure_table`: a class is looked up by its top package and name along the MRO and the
`__cause__` chain, so that no client library is ever imported to be recognised. In this order: a row of the user's; for
classes that several packages raise, where it was raised; what the body says; a class that knows more than its status;
the HTTP status; the class. Nothing here reads an exception's text: it may hold a prompt, an answer or a key.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from aiguard import failure_table as table
from aiguard.attribute import attribute
from aiguard.error_body import carried_by, listed, status_in, words_in
from aiguard.failure import Failure, FailureKind
from aiguard.raised_in import meaning
from aiguard.retry_after import retry_after_of
from aiguard.user_rows import any_rows, user_row_for

if TYPE_CHECKING:
    from types import TracebackType

    from aiguard.clock import Clock
    from aiguard.failure_table import ClassKey, FrameRow

_K = FailureKind

_CHAIN_LIMIT: Final = 8

_GRPC: Final = ("grpc", "RpcError")

_UNCLASSIFIED: Final = _K.UNCLASSIFIED  # a member takes long to be got from its enumeration

_BY_STATUS: Final = {
    status: table.BY_STATUS.get(status) or (_K.SERVER_ERROR if status >= 500 else _K.BAD_REQUEST)  # noqa: PLR2004 - classes of HTTP statuses
    for status in range(400, 600)
}

_RECONSIDERED: Final = frozenset(
    status for status, kind in _BY_STATUS.items() if kind is _K.BAD_REQUEST or status == HTTPStatus.CONFLICT
)
"""Statuses that do not say whether the request itself is to blame."""

_CAUSE: Final[Any] = BaseException.__dict__["__cause__"]
_CONTEXT: Final[Any] = BaseException.__dict__["__context__"]
_TRACEBACK: Final[Any] = BaseException.__dict__["__traceback__"]


class FrameFinding(NamedTuple):
    """
    Where an exception of a class that several packages raise was raised.

    Attributes:
        key: The class.
        row: Its row.
        package: Which of the row's packages it was; empty where it was none of them, or nobody knows.
    """

    key: ClassKey
    row: FrameRow
    package: str


@dataclass(slots=True)
class Ruling:
    """
    What decided of an exception.

    Attributes:
        kind: What it means.
        basis: What was looked at: `"class"`, `"status"`, `"code"`, `"header"`, `"frame"`, `"group"` or `"yours"`.
        row: The row of it, as a part of the tables.
        status: The HTTP status that stood beside it.
        link: The exception that it was found at, along the causes; `None` where there was only a name.
    """

    kind: FailureKind
    basis: str
    row: object
    status: int | None
    link: BaseException | None


def classify(error: BaseException, clock: Clock) -> Failure:
    """Return the failure that `error`, raised by a component, amounts to. Never raises, never reads a message."""
    cls: type = type(error)
    found = ruling_of(error)
    try:
        message = _message(cls, found.status if found is not None else None)
    except Exception:  # noqa: BLE001 - a class that cannot even be named
        message = "the component raised an exception"
    if found is None:
        return Failure(_UNCLASSIFIED, "component", message, None, error)
    link = error if found.link is None else found.link
    return Failure(found.kind, "component", message, retry_after_of(link, clock), error)


def ruling_of(error: BaseException) -> Ruling | None:
    """Return what decides of `error`, or of what caused it; `None` where nothing is known of them. Never raises."""
    try:
        return _first(error, _CHAIN_LIMIT)
    except Exception:  # noqa: BLE001 - an exception that cannot even be looked at: hostile, or nested past recursion
        return None


def ruling_of_name(key: ClassKey, status: int | None, code: str | None) -> Ruling | None:
    """Return what decides of an exception of which only the class, and perhaps status and code, are known."""
    builtin = getattr(builtins, key[1], None) if key[0] == "builtins" else None
    traits = _traits_of(builtin) if isinstance(builtin, type) else _traits_along([key])
    return _ruling(traits, status, [code] if code is not None else [], None)


def class_name(error: BaseException) -> str:
    """Return the qualified name of the class of `error`, as a reader knows it."""
    return _name_of(type(error))


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return where `error` was raised, whatever its class makes of the attribute."""
    return _TRACEBACK.__get__(error)  # type: ignore[no-any-return]


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that `error` carries, or `None`. Never raises."""
    return status_in(carried_by(error))


@lru_cache(maxsize=1024)
def _message(cls: type, status: int | None) -> str:
    http = f" (HTTP {status})" if status is not None else ""
    return f"the component raised {_name_of(cls)}{http}"


def _name_of(cls: type) -> str:
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


# --- along the causes


def _first(error: BaseException, limit: int) -> Ruling | None:
    link: BaseException | None = error
    while link is not None and limit > 0:
        limit -= 1
        cls: type = type(link)
        traits = _traits_of(cls)
        if traits.wraps is not None:
            inside = traits.wraps.__get__(link)
            found = _first(inside, limit) if inside is not None else None
            return found or _ruling_if_readable(traits, link)
        found = _ruling_if_readable(traits, link)
        if found is not None:
            return found
        link = _CAUSE.__get__(link)
    return None


def _ruling_if_readable(traits: _Traits, error: BaseException) -> Ruling | None:
    try:
        if traits.is_group:
            found = _ruling_of_group(cast("ExceptionGroup[Exception]", error))
            if found is not None:
                return found
        carried = carried_by(error)
        return _ruling(traits, status_in(carried), words_in(carried, is_grpc=traits.is_grpc), error)
    except Exception:  # noqa: BLE001 - an exception that cannot be looked at, or groups without end, is none we know
        return None


def _ruling_of_group(group: ExceptionGroup[Exception]) -> Ruling | None:
    """Return what several exceptions amount to that all amount to the same."""
    kinds: set[FailureKind] = set()
    for inner in group.exceptions:
        found = _first(inner, _CHAIN_LIMIT)
        if found is None:
            return None
        kinds.add(found.kind)
    return Ruling(kinds.pop(), "group", len(group.exceptions), None, group) if len(kinds) == 1 else None


# --- one exception


def _ruling(traits: _Traits, status: int | None, codes: list[str], error: BaseException | None) -> Ruling | None:
    """Return what decides of one exception, `None` where nothing does. Without `error`, no headers and no frames."""
    if any_rows():
        yours = user_row_for(traits.keys, status, codes)
        if yours is not None:
            return Ruling(yours.kind, "yours", yours, status, error)
    if traits.by_frame is not None:
        found = _by_frame(*traits.by_frame, error)
        if found is not None:
            return found
    for code in codes:
        kind = table.BY_CODE.get(code)
        if kind is not None:
            return Ruling(kind, "code", code, status, error)
    if traits.before_status is not None:
        return Ruling(traits.before_status[1], "class", traits.before_status[0], status, error)
    if status in _BY_STATUS:  # an in-stream error may carry 200
        return _by_status(status, error)
    return _without_status(traits, status, codes, error)


def _without_status(
    traits: _Traits, status: int | None, codes: list[str], error: BaseException | None
) -> Ruling | None:
    for code in codes:
        kind = table.BY_CODE_ALONE.get(code)
        if kind is not None:
            return Ruling(kind, "code", code, status, error)
        if len(code) == 3 and code.isascii() and code.isdigit() and "400" <= code <= "599":  # noqa: PLR2004 - a status
            return Ruling(_BY_STATUS[int(code)], "status", int(code), int(code), error)  # gateways send it as a code
    if traits.by_class is not None:
        return Ruling(traits.by_class[1], "class", traits.by_class[0], status, error)
    return None


def _by_frame(key: ClassKey, row: FrameRow, error: BaseException | None) -> Ruling | None:
    kind, package = meaning(key, row, error, traceback_of(error)) if error is not None else (row.otherwise, "")
    return Ruling(kind, "frame", FrameFinding(key, row, package), None, error) if kind is not None else None


def _by_status(status: int, error: BaseException | None) -> Ruling:
    if error is not None and status in _RECONSIDERED:
        word = _should_retry(error)
        if word is not None:
            return Ruling(_K.SERVER_ERROR if word == "true" else _K.BAD_REQUEST, "header", word, status, error)
    return Ruling(_BY_STATUS[status], "status", status, status, error)


def _should_retry(error: BaseException) -> str | None:
    """Return what the header `x-should-retry` says: whether the request itself is to blame."""
    headers = attribute(attribute(error, "response"), "headers")
    try:
        triples = listed(headers)
        if triples is not None and all(name != b"x-should-retry" for _, name, _ in triples):
            return None
        word = headers.get("x-should-retry")
    except Exception:  # noqa: BLE001 - headers nobody can read say nothing
        return None
    return word if type(word) is str and word in {"true", "false"} else None


# --- what the class says


class _Traits(NamedTuple):
    """
    What the tables say of a class; found once.

    Attributes:
        keys: Its names, and those of its bases.
        by_frame: The row that holds where it was raised, if it is a class that several packages raise.
        before_status: The row that knows more than the status.
        by_class: The row that holds where nothing else does.
        wraps: How to get at what it wraps, where that decides first.
        is_group: Whether it is several exceptions.
        is_grpc: Whether its code is a method.
    """

    keys: tuple[ClassKey, ...]
    by_frame: tuple[ClassKey, FrameRow] | None
    before_status: tuple[ClassKey, FailureKind] | None
    by_class: tuple[ClassKey, FailureKind] | None
    wraps: Any
    is_group: bool = False
    is_grpc: bool = False


@lru_cache(maxsize=1024)
def _traits_of(cls: type) -> _Traits:
    keys = [(str(base.__module__).partition(".")[0], base.__name__) for base in cls.__mro__]
    return _traits_along(keys)._replace(is_group=issubclass(cls, ExceptionGroup), is_grpc=_GRPC in keys)


def _traits_along(keys: list[ClassKey]) -> _Traits:
    by_frame: tuple[ClassKey, FrameRow] | None = None
    before_status: tuple[ClassKey, FailureKind] | None = None
    by_class: tuple[ClassKey, FailureKind] | None = None
    wraps: Any = None
    for key in keys:
        frames = table.BY_FRAME.get(key) or table.PYDANTIC.get(key)
        if frames is not None and not (by_class or before_status or by_frame or (frames.exactly and key != keys[0])):
            by_frame = (key, frames)
        if before_status is None and key in table.BEFORE_STATUS:
            before_status = (key, table.BEFORE_STATUS[key])
        if by_class is None and wraps is None:
            wraps = _CAUSE if key in table.CAUSE_FIRST else _CONTEXT if key in table.CONTEXT_FIRST else None
        if by_class is None and key in table.BY_CLASS:
            by_class = (key, table.BY_CLASS[key])
    if before_status is not None and wraps is _CAUSE:
        wraps = None
    return _Traits(tuple(keys), by_frame, before_status, by_class, wraps)
