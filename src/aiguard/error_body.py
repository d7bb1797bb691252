"""
What an exception carries of the response it was raised for: the HTTP status, and the words of its body.

Read by shape, so that no client library is imported. A message is none of these words.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiguard.attribute import attribute
from aiguard.failure_table import DAILY_QUOTA

if TYPE_CHECKING:
    from collections.abc import Callable

_PARTS: Final = 32
_DEPTH: Final = 3

_STATUS_TYPES: Final = (int, HTTPStatus)  # no flag, and no subclass that could do anything when compared

_STATUS_NAMES: Final = ("status_code", "status", "code")
_CODE_NAMES: Final = (
    "error_code",
    "code",
    "type",
    "status",
    "reason",
    "provider_error_code",
    "provider_error_type",
)
_BODY_NAMES: Final = ("body", "details", "response")
_WORDS: Final = ("error_code", "code", "Code", "type", "status", "reason")
_NESTED: Final = ("details", "innererror", "violations")

READ: Final = frozenset({*_STATUS_NAMES, *_CODE_NAMES, *_BODY_NAMES})
"""The attributes of an exception that say something."""

Read: TypeAlias = "Callable[[str], Any]"
"""Gets an attribute of the exception, `None` where it has none; never raises."""


def status_read(read: Read) -> int | None:
    """Return the HTTP status of an exception, or `None`."""
    for name in _STATUS_NAMES:
        value = read(name)
        if type(value) in _STATUS_TYPES and 100 <= value <= 599:  # noqa: PLR2004 - the range of HTTP statuses
            return int(value)
    response = read("response")
    if response is None:
        return None
    if type(response) is dict:  # botocore's
        about = response.get("ResponseMetadata")
        value = about.get("HTTPStatusCode") if type(about) is dict else None
        return value if type(value) is int and 100 <= value <= 599 else None  # noqa: PLR2004 - as above
    for name in ("status_code", "status"):
        value = attribute(response, name)
        if type(value) in _STATUS_TYPES and 100 <= value <= 599:  # noqa: PLR2004 - as above
            return int(value)
    return None


def words_read(read: Read, *, is_grpc: bool) -> list[str]:
    """Return every word that the exception, or the body of its response, has for what went wrong."""
    found = [value for name in _CODE_NAMES if type(value := read(name)) is str]
    for name in _BODY_NAMES:
        body = read(name)
        if body is None:
            continue
        if isinstance(body, dict):
            _read_body(body, found)
        elif type(body) is list:  # Google's, one error in it; or the details of google.api_core
            for part in body[:_PARTS]:
                if isinstance(part, dict):
                    _read_body(part, found)
    if is_grpc:  # whose code is a method
        code = read("code")
        word = attribute(code(), "name") if callable(code) else None
        if type(word) is str:
            found.append(word)
    return found


def _read_body(body: dict[Any, Any], found: list[str]) -> None:
    error = body.get("error") or body.get("Error")
    if isinstance(error, dict):
        _read_error(error, found, _DEPTH)
    _read_error(body, found, _DEPTH)


def _read_error(error: dict[Any, Any], found: list[str], depth: int) -> None:
    for name in _NESTED:  # first: the nearer to the cause, the more is said
        if name in error and depth:
            inner = error[name]
            for part in inner[:_PARTS] if type(inner) is list else (inner,):
                if isinstance(part, dict):
                    _read_error(part, found, depth - 1)
    for name in _WORDS:
        value = error.get(name)
        if type(value) is str:
            found.append(value)
    number, quota = error.get("code"), error.get("quotaId")
    if type(number) is int:
        found.append(str(number))
    if type(quota) is str and DAILY_QUOTA in quota:
        found.append(DAILY_QUOTA)
