"""The demo's second act without its model: the commands, the gate and the record are real."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiguard import guard
from aiguard.engine.state import SURROUNDINGS
from aiguard.gate_file import GateFile
from aiguard.governance.directory import Directory
from aiguard.testing.virtual import fresh_registry
from examples.promises import Promises
from examples.ticket_triage.call import Answer
from examples.ticket_triage.flow import Flow
from examples.ticket_triage.rules import rules
from examples.ticket_triage.terminal_two import type_in, user, write_policies
from examples.ticket_triage.tickets import load, stream
from tests.halting import gate_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from examples.ticket_triage.services import Service

halted = pytest.importorskip("examples.ticket_triage.halted")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state directory and the file of the act; this process looks at that gate."""
    write_policies(tmp_path / "aiguard.yaml")
    monkeypatch.setenv("AIGUARD_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("AIGUARD_CONFIG", str(tmp_path / "aiguard.yaml"))
    monkeypatch.setenv("PYTHONPATH", str(Path(halted.aiguard.__file__).parents[1]))
    monkeypatch.setattr(SURROUNDINGS, "gate", gate_at(tmp_path / "state"))
    with fresh_registry():
        yield tmp_path / "state"


def service() -> Service:
    """Return a service behind the boundary that the act halts."""

    @guard("ticket-triage", owner="support-ml", deadline=4.0, fallback=[rules])
    async def triage(ticket: str) -> object:
        await asyncio.sleep(0.05)
        return rules(ticket)

    async def ask(ticket: str) -> Answer:
        outcome = await triage.outcome(ticket)
        kinds = (outcome.failure.kind.value,) if outcome.failure is not None else ()
        return Answer("valid", outcome.rung or outcome.source, len(outcome.attempts), kinds)

    return ask


async def heedless(_: str) -> Answer:
    """Answer as a service does that nobody can halt."""
    await asyncio.sleep(0.05)
    return Answer("valid", "component", 1)


def acted(service: Service, state: Path) -> int:
    """Play the act; return how many promises were broken."""
    promises = Promises()

    async def act() -> None:
        async with Flow(service, stream(load()), 0.03, lambda _: None) as flow:
            number = await halted._operate(flow, promises, 3)
        await halted._verify(state / "control" / "control.db", number, promises)

    asyncio.run(act())
    return promises.broken


def test_every_promise_is_kept(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Halted by a command, answered by the rules, resumed, verified, edited, found out."""
    assert acted(service(), state) == 0, capsys.readouterr().out
    told = capsys.readouterr().out
    assert f"ticket-triage: halted by {user()} since" in told
    assert "0 by the model" in told
    assert "edited, from record 1 on" in told


def test_a_service_that_nobody_can_halt_breaks_them(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The act would notice: the model's answers leave, and the rules give none."""
    monkeypatch.setattr(halted, "PATIENCE", 2.0)
    assert acted(heedless, state) == 2
    told = capsys.readouterr().out
    assert "BROKEN  from the halt on not one answer of the model left" in told
    assert "BROKEN  every ticket was triaged, by the rules" in told


def test_the_file_lets_whoever_runs_it_halt_and_resume(tmp_path: Path) -> None:
    """By the name by which the operating system knows them."""
    write_policies(tmp_path / "aiguard.yaml")
    directory = Directory.of_file(tmp_path / "aiguard.yaml")
    assert user() == Directory.acting()
    assert directory.may("halt", user())
    assert directory.may("resume", user())


def test_a_command_is_shown_with_what_it_says(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On both of its outputs, and its exit status is told."""
    typed = asyncio.run(type_in("halt", "ticket-triage"))
    assert typed.status == 1
    assert "(rule: reason)" in typed.said
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == "    │ $ aiguard halt ticket-triage"
    assert GateFile(state).read().halts == ()


def test_a_flow_ends_with_its_block() -> None:
    """What was on its way is answered, nothing else is begun, and to wait in vain ends too."""

    async def act() -> Flow:
        async with Flow(heedless, stream(load()), 0.01, lambda _: None) as flow:
            assert await flow.until(lambda passed: len(passed) >= 3, 10.0)
            assert not await flow.until(lambda _: False, 0.01)
        answered = len(flow.passed)
        await asyncio.sleep(0.03)
        assert len(flow.passed) == answered
        return flow

    passed = asyncio.run(act()).passed
    assert [one.ticket for one in passed] == [ticket.id for ticket in load()][: len(passed)]
    assert all(one.left > one.sent for one in passed)
