"""The tables of `docs/clients.md`: what each client raises or returns, by the kind that a boundary finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiguard import FailureKind
from tests.clients.catalogue import CLIENTS, GROUPS
from tests.clients.cell import RETURNED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.clients.cell import Cell, Client

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "clients.md"

NOTHING: Final = "–"

_COMMANDS: Final = {"test": "make test", "clients-torch": "make test-clients GROUPS=torch"}
"""What makes an environment, and runs what it is for."""


def page(text: str) -> str:
    """Return the text of the page with its tables as they have to be."""
    for name, table in (("raised", raising()), ("returned", returned()), ("wrong", wrong()), ("versions", versions())):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def raising() -> str:
    """Return what clients raise: a table for each group of them."""
    parts = []
    for title, clients in GROUPS.items():
        parts += [f"### {title}", "", *_matrix(clients, [client.raised for client in clients], raised=True), ""]
    return "\n".join(parts)


def returned() -> str:
    """Return what clients return: one table."""
    clients = [client for client in CLIENTS if client.returned]
    return "\n".join([*_matrix(clients, [client.returned for client in clients], raised=False), ""])


def wrong() -> str:
    """Return what a boundary does not find as it should."""
    rows = [
        (
            client.name,
            f"`{_last(cell.raised)}`" if cell.raised else "returned",
            f"`{cell.kind}`",
            f"`{cell.finds}`",
            cell.why,
        )
        for client in CLIENTS
        for cell in (*client.raised, *client.returned)
        if cell.finds
    ]
    return "\n".join([*_table(("client", "raised", "is", "found as", "why"), dict.fromkeys(rows)), ""])


def versions() -> str:
    """Return the version of each client in each environment that it is tested in."""
    pins = {name: pinned(name) for client in CLIENTS for name in client.environments}
    rows = []
    for client in CLIENTS:
        for name in (client.name, *client.beside):
            found = dict.fromkeys(pins[environment][name] for environment in client.environments)
            rows.append(
                (name, ", ".join(found), ", ".join(dict.fromkeys(f"`{_command(one)}`" for one in client.environments)))
            )
    return "\n".join([*_table(("client", "versions", "tested by"), rows), ""])


def pinned(name: str) -> dict[str, str]:
    """Return the versions of the environment made of `requirements/NAME.txt`."""
    found: dict[str, str] = {}
    for file in (ROOT / "constraints.txt", ROOT / f"constraints-{name}.txt"):
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        found |= dict(line.partition(" #")[0].split("==") for line in lines if "==" in line and line[0] != "#")
    return found


def _command(environment: str) -> str:
    return _COMMANDS.get(environment, "make test-clients")


def _matrix(clients: Iterable[Client], tables: list[tuple[Cell, ...]], *, raised: bool) -> Iterator[str]:
    clients = list(clients)
    known = {cell.kind for cells in tables for cell in cells}
    if raised:
        known |= {kind for client in clients for kind in client.notes}
    rows = []
    for kind in FailureKind:
        if kind not in known:
            continue
        row = [f"`{kind}`"]
        for client, cells in zip(clients, tables, strict=True):
            row.append(_cell(client, [cell for cell in cells if cell.kind is kind], kind, raised=raised))
        rows.append(tuple(row))
    return _table(("kind", *(client.name for client in clients)), rows)


def _cell(client: Client, cells: list[Cell], kind: FailureKind, *, raised: bool) -> str:
    if not cells:
        return client.notes.get(kind, NOTHING) if raised else NOTHING
    if not raised:
        right = len([cell for cell in cells if not cell.finds])
        return f"{right} of {len(cells)}" if right < len(cells) else str(right)
    found = dict.fromkeys(
        f"`{_last(name)}`" + ("¹" if cell.finds else "") for cell in cells for name in cell.raised.split(" / ")
    )
    return "<br>".join(found)


def _last(name: str) -> str:
    return name.rpartition(".")[2] if name != RETURNED else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"
