"""Which format a request is in, and what it asks for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from aiguard.testing.faultserver.anthropic_wire import Messages
from aiguard.testing.faultserver.gemini_wire import Generate
from aiguard.testing.faultserver.openai_wire import Chat, Embeddings, Responses
from aiguard.testing.faultserver.wire import Asked, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiguard.testing.faultserver.http1 import Request

# by their ends: clients of compatible servers, and Azure's, put other things before them
_ENDS: Final[Mapping[str, Wire]] = {
    "/chat/completions": Chat(),
    "/responses": Responses(),
    "/embeddings": Embeddings(),
    "/messages": Messages(),
}
_GEMINI: Final = Generate()
_GEMINI_PATH: Final = re.compile(r"/models/([^/]+):(generateContent|streamGenerateContent)$")


class Route(NamedTuple):
    """
    A request, understood as far as it goes.

    Attributes:
        path: Without query, decoded.
        query: What stood behind `?`.
        body: The parsed JSON; the bytes where they are none.
        wire: The format, or `None` for an unknown path.
        asked: What it asks for, or `None` where nothing can be made of it.
        flaw: Why nothing can be made of it.
    """

    path: str
    query: str
    body: Any
    wire: Wire | None
    asked: Asked | None
    flaw: str = ""


def route(request: Request) -> Route:
    """Return what `request` is."""
    target, _, query = request.target.partition("?")
    path = unquote(target)
    body = _parsed(request.body)
    gemini = _GEMINI_PATH.search(path)
    wire = _GEMINI if gemini else next((wire for end, wire in _ENDS.items() if path.endswith(end)), None)
    if wire is None or request.method != "POST":
        return Route(path, query, body, None, None)
    if not isinstance(body, dict):
        return Route(path, query, body, wire, None, "the request's body is no JSON object")
    if gemini:
        stream = gemini[2] == "streamGenerateContent"
        if stream and "alt=sse" not in query.split("&"):
            return Route(path, query, body, wire, None, "streamGenerateContent is spoken with ?alt=sse only")
        return Route(path, query, body, wire, Asked(gemini[1], stream, body))
    model = body.get("model")
    if not isinstance(model, str):
        return Route(path, query, body, wire, None, "the request names no model")
    return Route(path, query, body, wire, Asked(model, wire.streams and body.get("stream") is True, body))


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body
