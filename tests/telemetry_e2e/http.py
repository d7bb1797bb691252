"""Asking a backend on loopback: never through a proxy, which is for the internet."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

HOST: Final = "127.0.0.1"
WITHIN: Final = 10.0

_opener: Final = build_opener(ProxyHandler({}))


class Unreachable(Exception):  # noqa: N818 - a state of the other side: waited out more often than raised
    """Nobody answers there, or not yet with what is wanted."""


def get(url: str, **arguments: str) -> str:
    """Return what an address answers to GET; raises `Unreachable`."""
    return _text(Request(f"{url}?{urlencode(arguments)}" if arguments else url))


def get_json(url: str, **arguments: str) -> Any:
    """Return the JSON that an address answers to GET; raises `Unreachable`."""
    return json.loads(get(url, **arguments))


def post(url: str, body: bytes, kind: str) -> str:
    """Return what an address answers to a POST; raises `Unreachable`."""
    return _text(Request(url, body, {"Content-Type": kind}))


def post_json(url: str, body: object) -> Any:
    """Return the JSON that an address answers to a POST of JSON; raises `Unreachable`."""
    return json.loads(post(url, json.dumps(body).encode(), "application/json"))


def _text(request: Request) -> str:
    try:
        with _opener.open(request, timeout=WITHIN) as answer:
            body: bytes = answer.read()
    except HTTPError as error:
        raise Unreachable(f"{request.full_url}: {error.code} {error.read()[:500]!r}") from error
    except (URLError, OSError, HTTPException) as error:
        raise Unreachable(f"{request.full_url}: {error}") from error
    return body.decode()
