"""What boundaries make of every failure of the real client libraries: of those installed here, as their tables say."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from aiguard.testing import FaultServer, fault_server
from tests.clients.catalogue import CLIENTS
from tests.clients.cell import ANSWER, Cell, Client, class_of, failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.filterwarnings("ignore")  # what clients warn of is theirs


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """One for all."""
    with fault_server(answer=ANSWER) as server:
        yield server


@pytest.fixture(scope="module")
def opened(server: FaultServer) -> Iterator[Callable[[Client], Any]]:
    """Return what a client's cells use, each client opened once, where it is installed."""
    known: dict[str, Any] = {}
    with ExitStack() as stack:

        def opened(client: Client) -> Any:
            if client.name not in known:
                for module in (client.module, *client.needs):
                    pytest.importorskip(module, exc_type=ImportError)
                known[client.name] = stack.enter_context(client.opened(server))
            return known[client.name]

        yield opened


def cases() -> list[Any]:
    """Return every cell of every client; those that the product gets wrong are expected to."""
    found = []
    for client in CLIENTS:
        for number, cell in enumerate((*client.raised, *client.returned), 1):
            marks = [pytest.mark.xfail(strict=True, reason=f"{cell.finds}: {cell.why}")] if cell.finds else []
            found.append(pytest.param(client, cell, id=f"{client.name}-{number}-{cell.name}", marks=marks))
    return found


@pytest.mark.parametrize(("client", "cell"), cases())
def test_a_boundary_finds_the_kind_of_a_clients_failure(
    opened: Callable[[Client], Any], server: FaultServer, client: Client, cell: Cell
) -> None:
    """The real library raises what the table says, or returns, and the boundary finds the kind that it says."""
    failure = failure_of(client, cell, opened(client), server)
    assert failure is not None, "an answer was let through"
    raised = class_of(failure.exception)
    assert raised in cell.raised.split(" / ")
    assert (failure.kind, raised) == (cell.kind, raised)
    if cell.retry_after is not None:
        assert failure.retry_after == pytest.approx(cell.retry_after)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_that_does_not_fail_is_let_through(
    opened: Callable[[Client], Any], server: FaultServer, client: Client
) -> None:
    """Where nothing goes wrong, each way in which the tables use a client leads to an answer."""
    opening = opened(client)
    server.clear()
    for ask in {cell.ask for cell in (*client.raised, *client.returned) if cell.meets}:
        well = Cell(kind=client.raised[0].kind, raised="", meets="ok", ask=ask)
        assert failure_of(client, well, opening, server) is None, ask
