"""HTTP libraries on their own: httpx, httpx2, requests and aiohttp, each as a component that asks for JSON."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import FailureKind as K
from aiguard.testing import FaultServer, RawReply
from tests.clients.cell import ANSWER, MESSAGES, Cell, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager


class Opened(NamedTuple):
    """The library, and where to ask."""

    module: Any
    url: str
    session: Any


def _opened(module: str) -> Callable[[FaultServer], AbstractContextManager[Opened]]:
    @contextmanager
    def opened(server: FaultServer) -> Iterator[Opened]:
        library = importlib.import_module(module)
        url = f"{server.openai_url}/chat/completions"
        if module == "aiohttp":  # its sessions belong to a loop
            yield Opened(library, url, None)
        else:
            with library.Client() if module.startswith("httpx") else library.Session() as session:
                yield Opened(library, url, session)

    return opened


def _asked(model: str) -> dict[str, Any]:
    return {"model": model, "messages": MESSAGES}


def post(it: Opened, model: str, patience: float) -> Any:
    """Return an answer of the contract where JSON came."""
    response = it.session.post(it.url, json=_asked(model), timeout=patience)
    response.raise_for_status()
    response.json()
    return ANSWER


async def post_async(it: Opened, model: str, patience: float) -> Any:
    """Return an answer of the contract where JSON came, by an asynchronous client of httpx."""
    async with it.module.AsyncClient() as session:
        response = await session.post(it.url, json=_asked(model), timeout=patience)
    response.raise_for_status()
    response.json()
    return ANSWER


async def post_aiohttp(it: Opened, model: str, patience: float) -> Any:
    """Return an answer of the contract where JSON came, by aiohttp."""
    timeout = it.module.ClientTimeout(total=patience)
    async with (
        it.module.ClientSession(timeout=timeout) as session,
        session.post(it.url, json=_asked(model)) as response,
    ):
        response.raise_for_status()
        await response.json()
    return ANSWER


async def read_aiohttp(it: Opened, model: str, patience: float) -> Any:
    """Do the same with a limit for each read instead of one for all."""
    timeout = it.module.ClientTimeout(sock_read=patience)
    async with (
        it.module.ClientSession(timeout=timeout) as session,
        session.post(it.url, json=_asked(model)) as response,
    ):
        response.raise_for_status()
        await response.json()
    return ANSWER


SQUEEZED: Final = RawReply(200, b"no gzip", headers={"Content-Encoding": "gzip"})

_STATUSES: Final[Mapping[str, K]] = {
    "504": K.TIMEOUT,
    "429": K.RATE_LIMITED,
    "503": K.OVERLOADED,
    "500": K.SERVER_ERROR,
    "502": K.SERVER_ERROR,
    "401": K.AUTH,
    "403": K.AUTH,
    "400": K.BAD_REQUEST,
}


def _by_status(raised: str, ask: Any) -> tuple[Cell, ...]:
    cells = (Cell(kind, raised, status, ask) for status, kind in _STATUSES.items())
    asked = Cell(K.RATE_LIMITED, raised, "429-retry-after:3", ask, 3.0)
    return (*cells, asked, Cell(K.QUOTA_EXHAUSTED, raised, RawReply(402), ask))


def _httpx(module: str) -> Client:
    return Client(
        module,
        module,
        _opened(module),
        raised=(
            Cell(K.TIMEOUT, f"{module}.ReadTimeout", "hang-before-headers", post),
            Cell(K.TIMEOUT, f"{module}.ReadTimeout", "hang-mid-body", post_async),
            Cell(K.CONNECTION, f"{module}.ReadError", "reset-before-headers", post),
            Cell(K.CONNECTION, f"{module}.RemoteProtocolError", "cut-before-headers", post_async),
            Cell(K.CONNECTION, f"{module}.RemoteProtocolError", "cut-mid-body", post),
            *_by_status(f"{module}.HTTPStatusError", post),
            Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", "html", post),
            Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", "html", post_async),
            Cell(K.MALFORMED_TRANSPORT, f"{module}.DecodingError", SQUEEZED, post),
        ),
        environments=("test", "clients-frameworks", "clients-openai2"),
    )


HTTPX: Final = _httpx("httpx")
HTTPX2: Final = _httpx("httpx2")

REQUESTS: Final = Client(
    "requests",
    "requests",
    _opened("requests"),
    raised=(
        Cell(K.TIMEOUT, "requests.ReadTimeout", "hang-before-headers", post),
        Cell(K.TIMEOUT, "requests.ConnectionError", "hang-mid-body", post),
        Cell(K.CONNECTION, "requests.ConnectionError", "reset-before-headers", post),
        Cell(K.CONNECTION, "requests.ConnectionError", "cut-before-headers", post),
        Cell(K.CONNECTION, "requests.ChunkedEncodingError", "cut-mid-body", post),
        *_by_status("requests.HTTPError", post),
        Cell(K.MALFORMED_TRANSPORT, "requests.JSONDecodeError", "html", post),
        Cell(K.MALFORMED_TRANSPORT, "requests.ContentDecodingError", SQUEEZED, post),
    ),
    environments=("test", "clients-frameworks", "clients-openai2"),
)

AIOHTTP: Final = Client(
    "aiohttp",
    "aiohttp",
    _opened("aiohttp"),
    raised=(
        Cell(K.TIMEOUT, "builtins.TimeoutError", "hang-before-headers", post_aiohttp),
        Cell(K.TIMEOUT, "aiohttp.SocketTimeoutError", "hang-mid-body", read_aiohttp),
        Cell(K.CONNECTION, "aiohttp.ClientOSError", "reset-before-headers", post_aiohttp),
        Cell(K.CONNECTION, "aiohttp.ServerDisconnectedError", "cut-before-headers", post_aiohttp),
        Cell(K.CONNECTION, "aiohttp.ClientPayloadError", "cut-mid-body", post_aiohttp),
        *_by_status("aiohttp.ClientResponseError", post_aiohttp),
        Cell(K.MALFORMED_TRANSPORT, "aiohttp.ContentTypeError", "html", post_aiohttp),
        Cell(K.MALFORMED_TRANSPORT, "json.JSONDecodeError", RawReply(200, '{"id": '), post_aiohttp),
        Cell(K.MALFORMED_TRANSPORT, "aiohttp.ClientPayloadError", SQUEEZED, post_aiohttp),
    ),
    environments=("clients-frameworks", "clients-openai2"),
)
