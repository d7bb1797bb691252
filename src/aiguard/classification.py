"""
What an exception of the component means.

A table by `(top-level package, class name)`, looked up along the MRO and the `__cause__` chain, so that no client
library is ever imported to be recognised; then whatever HTTP status the exception carries. Nothing here reads an
exception's text: it may hold a prompt, an answer or a key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from aiguard.attribute import attribute
from aiguard.failure import Failure, FailureKind
from aiguard.retry_after import retry_after_of

if TYPE_CHECKING:
    from types import TracebackType

    from aiguard.clock import Clock

_K = FailureKind

_CHAIN_LIMIT: Final = 8

_STATUS_TYPES: Final = (int, HTTPStatus)  # no flag, and no subclass that could do anything when compared

_TRANSPORTS: Final = ("httpx", "httpx2", "httpcore", "httpcore2")

BY_CLASS: Final[dict[tuple[str, str], FailureKind]] = {
    ("builtins", "TimeoutError"): _K.TIMEOUT,
    ("builtins", "ConnectionError"): _K.CONNECTION,
    # a file that is not there says nothing of a connection
    ("builtins", "FileNotFoundError"): _K.UNCLASSIFIED,
    ("builtins", "FileExistsError"): _K.UNCLASSIFIED,
    ("builtins", "PermissionError"): _K.UNCLASSIFIED,
    ("builtins", "IsADirectoryError"): _K.UNCLASSIFIED,
    ("builtins", "NotADirectoryError"): _K.UNCLASSIFIED,
    ("builtins", "OSError"): _K.CONNECTION,
    ("http", "HTTPException"): _K.CONNECTION,
    ("aiohttp", "ClientConnectionError"): _K.CONNECTION,
    ("aiohttp", "ClientPayloadError"): _K.MALFORMED_TRANSPORT,
    ("asyncio", "IncompleteReadError"): _K.CONNECTION,
    ("concurrent", "BrokenExecutor"): _K.WORKER_CRASHED,
    ("openai", "APITimeoutError"): _K.TIMEOUT,
    ("openai", "APIConnectionError"): _K.CONNECTION,
    ("openai", "LengthFinishReasonError"): _K.TRUNCATED,
    ("openai", "ContentFilterFinishReasonError"): _K.CONTENT_FILTER,
    **{(package, "TimeoutException"): _K.TIMEOUT for package in _TRANSPORTS},
    **{(package, "UnsupportedProtocol"): _K.BAD_REQUEST for package in _TRANSPORTS},
    **{(package, "TransportError"): _K.CONNECTION for package in _TRANSPORTS},
    **{(package, "NetworkError"): _K.CONNECTION for package in _TRANSPORTS},
    **{(package, "ProtocolError"): _K.CONNECTION for package in _TRANSPORTS},
    **{(package, "DecodingError"): _K.MALFORMED_TRANSPORT for package in _TRANSPORTS},
}
"""Exception classes; the first match along the MRO decides."""

BY_CODE: Final[dict[str, FailureKind]] = {
    "insufficient_quota": _K.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": _K.QUOTA_EXHAUSTED,
    "context_length_exceeded": _K.CONTEXT_LENGTH,
    "exceed_context_size_error": _K.CONTEXT_LENGTH,
    "content_filter": _K.CONTENT_FILTER,
    "content_policy_violation": _K.CONTENT_FILTER,
    "model_not_found": _K.NOT_FOUND,
    "DeploymentNotFound": _K.NOT_FOUND,
    "overloaded_error": _K.OVERLOADED,
    "server_is_overloaded": _K.OVERLOADED,
    "service_unavailable": _K.OVERLOADED,
}
"""Codes and types in an error's body: they know more than its status."""

BY_STATUS: Final[dict[int, FailureKind]] = {
    401: _K.AUTH,
    402: _K.QUOTA_EXHAUSTED,
    403: _K.AUTH,
    408: _K.TIMEOUT,
    409: _K.SERVER_ERROR,
    429: _K.RATE_LIMITED,
    503: _K.OVERLOADED,
    504: _K.TIMEOUT,
    529: _K.OVERLOADED,
}
"""HTTP statuses that are not simply the caller's (4xx) or the server's (5xx) fault."""

CLIENTS: Final = frozenset({"openai", "anthropic", "google", "aiohttp", "requests", "urllib3", *_TRANSPORTS})
"""Packages whose frame in a traceback says that it was the transport that could not be read."""


def classify(error: BaseException, clock: Clock) -> Failure:
    """Return the failure that `error`, raised by a component, amounts to. Never raises, never reads a message."""
    try:
        failure = _known(error, clock)
    except Exception:  # noqa: BLE001 - an exception that cannot even be looked at: hostile, or nested past recursion
        failure = None
    return failure or Failure(_K.UNCLASSIFIED, "component", f"the component raised {class_name(error)}", None, error)


def _known(error: BaseException, clock: Clock) -> Failure | None:
    for link in _chain(error):
        kind = _kind_if_readable(link)
        if kind is not None:
            status = status_of(link)
            http = f" (HTTP {status})" if status is not None else ""
            message = f"the component raised {class_name(error)}{http}"
            return Failure(kind, "component", message, retry_after_of(link, clock), error)
    return None


def class_name(error: BaseException) -> str:
    """Return the qualified name of the class of `error`, as a reader knows it."""
    cls = type(error)
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return where `error` was raised, whatever its class makes of the attribute."""
    descriptor: Any = BaseException.__dict__["__traceback__"]
    return descriptor.__get__(error)  # type: ignore[no-any-return]


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that `error` carries, or `None`."""
    for holder, names in (
        (error, ("status_code", "status", "code")),
        (attribute(error, "response"), ("status_code", "status")),
    ):
        for name in names:
            value = attribute(holder, name)
            if type(value) in _STATUS_TYPES and 100 <= value <= 599:  # noqa: PLR2004 - the range of HTTP statuses
                return int(value)
    return None


def _kind_if_readable(error: BaseException) -> FailureKind | None:
    try:
        return _kind_of(error)
    except Exception:  # noqa: BLE001 - an exception that cannot be looked at, or groups without end, is none we know
        return None


def _kind_of(error: BaseException) -> FailureKind | None:
    if isinstance(error, ExceptionGroup):
        kinds = {_kind_of(inner) for inner in error.exceptions}
        return kinds.pop() if len(kinds) == 1 else None
    if isinstance(error, ValidationError):
        return _validation_kind(error)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return _K.MALFORMED_TRANSPORT if _raised_in_client(error.__traceback__) else _K.MALFORMED_OUTPUT
    codes = list(_codes_of(error))
    for code in codes:
        if code in BY_CODE:
            return BY_CODE[code]
    status = status_of(error)
    if status is not None and status >= 400:  # noqa: PLR2004 - an in-stream error may carry 200
        return _status_kind(status)
    return _class_kind(error)


def _status_kind(status: int) -> FailureKind:
    if status in BY_STATUS:
        return BY_STATUS[status]
    return _K.SERVER_ERROR if status >= 500 else _K.BAD_REQUEST  # noqa: PLR2004 - classes of HTTP statuses


def _class_kind(error: BaseException) -> FailureKind | None:
    for cls in type(error).__mro__:
        kind = BY_CLASS.get((cls.__module__.partition(".")[0], cls.__name__))
        if kind is not None:
            return kind
    return None


def _validation_kind(error: ValidationError) -> FailureKind:
    if error.error_count() == 1 and error.errors(include_url=False, include_context=False, include_input=False)[0][
        "type"
    ] in {"json_invalid", "json_type"}:
        return _K.MALFORMED_OUTPUT
    return _K.SCHEMA_VIOLATION


def _codes_of(error: BaseException) -> Iterator[str]:
    body = attribute(error, "body")
    inner = body.get("error") if isinstance(body, Mapping) else None
    for holder in (body, inner):
        if isinstance(holder, Mapping):
            for name in ("code", "type"):
                value = holder.get(name)
                if isinstance(value, str):
                    yield value
    for name in ("code", "type"):
        value = attribute(error, name)
        if isinstance(value, str):
            yield value


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(_CHAIN_LIMIT):
        if link is None:
            return
        yield link
        link = link.__cause__


def _raised_in_client(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__")
        if isinstance(module, str) and module.partition(".")[0] in CLIENTS:
            return True
        traceback = traceback.tb_next
    return False
