"""gRPC, with a server in the same process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from threading import Event
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import FailureKind as K
from tests.clients.cell import ANSWER, Cell, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.testing import FaultServer


class Opened(NamedTuple):
    """The library, a channel, and where it leads."""

    grpc: Any
    channel: Any
    address: str


@contextmanager
def opened(_: FaultServer) -> Iterator[Opened]:
    """Yield a channel to a server that answers as the method's name says."""
    grpc: Any = import_module("grpc")

    stopped = Event()

    class Named(grpc.GenericRpcHandler):  # type: ignore[misc,unused-ignore] # its types are not known here
        def service(self, call: Any) -> Any:
            name = call.method.rpartition("/")[2]

            def answer(request: bytes, context: Any) -> bytes:
                if name == "hang":
                    stopped.wait(5.0)
                elif name == "raise":
                    raise ValueError
                elif name != "ok":
                    context.abort(grpc.StatusCode[name], "")
                return request

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(4), handlers=(Named(),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with grpc.insecure_channel(address) as channel:
        yield Opened(grpc, channel, address)
    stopped.set()
    server.stop(None).wait()


def _method(name: str, *, patience: float | None = None) -> Callable[[Opened, str, float], Any]:
    def call(it: Opened, model: str, longest: float) -> Any:  # noqa: ARG001 - the method's name says it all
        """Call a method of the server."""
        it.channel.unary_unary(f"/models/{name}")(b"", timeout=patience or longest)
        return ANSWER

    call.__name__ = name
    return call


async def asynchronous(it: Opened, model: str, patience: float) -> Any:  # noqa: ARG001 - as above
    """Call a method of the server by the asynchronous client."""
    async with it.grpc.aio.insecure_channel(it.address) as channel:
        await channel.unary_unary("/models/UNAVAILABLE")(b"", timeout=patience)


def nobody_there(it: Opened, model: str, patience: float) -> Any:  # noqa: ARG001 - as above
    """Call where no server is."""
    with it.grpc.insecure_channel("127.0.0.1:1") as channel:
        channel.unary_unary("/models/ok")(b"", timeout=patience)


def _by_code() -> Iterator[Cell]:
    for kind, code in (
        (K.TIMEOUT, "DEADLINE_EXCEEDED"),
        (K.RATE_LIMITED, "RESOURCE_EXHAUSTED"),
        (K.OVERLOADED, "UNAVAILABLE"),
        (K.SERVER_ERROR, "INTERNAL"),
        (K.SERVER_ERROR, "UNKNOWN"),
        (K.SERVER_ERROR, "raise"),
        (K.SERVER_ERROR, "DATA_LOSS"),
        (K.SERVER_ERROR, "ABORTED"),
        (K.AUTH, "UNAUTHENTICATED"),
        (K.AUTH, "PERMISSION_DENIED"),
        (K.NOT_FOUND, "NOT_FOUND"),
        (K.BAD_REQUEST, "INVALID_ARGUMENT"),
        (K.BAD_REQUEST, "UNIMPLEMENTED"),
    ):
        yield Cell(kind, "grpc._InactiveRpcError", "", _method(code))


CLIENT: Final = Client(
    "grpcio",
    "grpc",
    opened,
    raised=(
        Cell(K.TIMEOUT, "grpc._InactiveRpcError", "", _method("hang", patience=0.2)),
        *_by_code(),
        Cell(K.OVERLOADED, "grpc.AioRpcError", "", asynchronous),
        Cell(K.OVERLOADED, "grpc._InactiveRpcError", "", nobody_there),
    ),
    notes={
        K.CONNECTION: "a server that is not there is `UNAVAILABLE`, as an overloaded one is",
    },
)
