"""
What an exception carries of the response it was raised for: the HTTP status, and the words of its body.

Read by shape, so that no client library is imported. A message is none of these words.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiguard.attribute import attribute
from aiguard.failure_table import DAILY_QUOTA

if TYPE_CHECKING:
    from collections.abc import Mapping

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

_READ: Final = frozenset(
    {*_STATUS_NAMES, *_CODE_NAMES, *_BODY_NAMES, "headers", "litellm_response_headers", "response_json"}
)
"""The attributes of an exception that say something."""

_HTTPX: Final = frozenset({"httpx", "httpx2"})

_DYNAMIC: Final = {"__dict__", "__getattr__", "__getattribute__"}

Carried: TypeAlias = "Mapping[str, Any]"
"""The attributes of an exception that say something, by name; others may be among them, and any may be missing."""


def carried_by(error: BaseException) -> Carried:
    """Return what `error` carries; quick where nothing stands in the way, and no property of its own can break it."""
    cls: Any = type(error)
    shared = _shared_by(cls)
    if shared is None:
        return {name: attribute(error, name) for name in _READ}
    own = error.__dict__
    if not shared or shared <= own.keys():
        return own
    return {name: attribute(error, name) if name in shared else own.get(name) for name in _READ}


def status_in(carried: Carried) -> int | None:
    """Return the HTTP status of an exception, or `None`."""
    for name in _STATUS_NAMES:
        if name in carried:
            value = carried[name]
            if type(value) in _STATUS_TYPES and 100 <= value <= 599:  # noqa: PLR2004 - the range of HTTP statuses
                return int(value)
    response = carried.get("response")
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


def words_in(carried: Carried, *, is_grpc: bool) -> list[str]:
    """Return every word that the exception, or the body of its response, has for what went wrong."""
    found: list[str] = []
    for name in _CODE_NAMES:
        if name in carried and type(carried[name]) is str:
            found.append(carried[name])  # noqa: PERF401 - a list of so few takes less than a comprehension
    for name in _BODY_NAMES:
        if name in carried:
            _read_body(carried[name], found)
    if is_grpc:  # whose code is a method
        code = carried.get("code")
        word = attribute(code(), "name") if callable(code) else None
        if type(word) is str:
            found.append(word)
    return found


def _read_body(body: object, found: list[str]) -> None:
    if isinstance(body, dict):
        error = body.get("error") or body.get("Error")
        if isinstance(error, dict):
            _read_error(error, found, _DEPTH)
        _read_error(body, found, _DEPTH)
    elif type(body) is list:  # Google's, one error in it; or the details of google.api_core
        for part in body[:_PARTS]:
            if isinstance(part, dict):
                _read_body(part, found)


def _read_error(error: dict[Any, Any], found: list[str], depth: int) -> None:
    for name in _NESTED:  # first: the nearer to the cause, the more is said
        if name in error and depth:
            inner = error[name]
            for part in inner[:_PARTS] if type(inner) is list else (inner,):
                if isinstance(part, dict):
                    _read_error(part, found, depth - 1)
    for name in _WORDS:
        if name in error and type(error[name]) is str:
            found.append(error[name])  # noqa: PERF401 - as above
    if "code" in error and type(error["code"]) is int:
        found.append(str(error["code"]))
    if "quotaId" in error and type(error["quotaId"]) is str and DAILY_QUOTA in error["quotaId"]:
        found.append(DAILY_QUOTA)


@lru_cache(maxsize=1024)
def _shared_by(cls: type) -> frozenset[str] | None:
    """Return which attributes are found on the class instead of the instance; `None` where each has to be asked for."""
    members = [vars(base) for base in cls.__mro__ if base not in Exception.__mro__]
    if cls.__dictoffset__ == 0 or any(not _DYNAMIC.isdisjoint(own) for own in members):
        return None
    return frozenset(name for name in _READ for own in members if own.get(name) is not None)


def listed(headers: object) -> list[tuple[bytes, bytes, bytes]] | None:
    """
    Return the headers of httpx as it keeps them: a name, the same in lower case, its value; `None` of any other make.

    To say anything about one of them, it decodes them all.
    """
    if type(headers).__module__ not in _HTTPX:
        return None
    found = getattr(headers, "_list", None)
    return found if type(found) is list else None
