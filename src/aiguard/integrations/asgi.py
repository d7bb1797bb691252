"""
A service that answers no longer than it is waited for.

    app.add_middleware(DeadlineMiddleware)              # Starlette, FastAPI
    app = DeadlineMiddleware(app)                       # any other ASGI application
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.propagation import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Receive, Send], Awaitable[None]]


class DeadlineMiddleware:
    """
    Shorten every boundary that a request reaches to the time its sender still waits.

    It holds until the application is done with the request: for a streamed response to its end, and for tasks that the
    framework runs afterwards. Requests that carry no time, websockets and the lifespan pass by. Whoever reaches the
    service can shorten its own requests, to nothing if it likes: at the edge of a network, take the header off.

    Args:
        app: The application.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with within(scope["headers"]):
            await self._app(scope, receive, send)
