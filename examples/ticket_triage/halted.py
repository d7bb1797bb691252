"""The second act: while tickets flow an operator halts the boundary, resumes it, and somebody edits the record."""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Final

import aiguard
from examples.promises import Promises
from examples.ticket_triage import terminal
from examples.ticket_triage.answer_time import answer_time
from examples.ticket_triage.call import GRACE
from examples.ticket_triage.command_line import BROKEN, KEPT, count, ended, port
from examples.ticket_triage.flow import Flow, Passed
from examples.ticket_triage.guarded import DEADLINE
from examples.ticket_triage.model_process import ModelProcess, free_port, point_clients_at
from examples.ticket_triage.services import with_aiguard
from examples.ticket_triage.terminal_two import show, type_in, user, write_policies
from examples.ticket_triage.tickets import load, stream

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME: Final = "ticket-triage"
PACE: Final = 1.5
"""Time between two tickets, as a multiple of the time that a healthy answer takes."""
PATIENCE: Final = 60.0
"""Seconds within which a stretch of the act has its answers."""
EDIT: Final = "UPDATE audit SET record = replace(record, 'INC-12', 'INC-77') WHERE seq = {}"
UNGUARD: Final = "DROP TRIGGER audit_is_not_edited"


def run(argv: Sequence[str]) -> int:
    """Run the act. Return the exit status: 1 where a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="demo.py halted",
        description="Halt a boundary while tickets flow, resume it, verify the record, edit it, verify it again.",
        epilog="Exit status: 0; 1 where a promise was broken; 2 where it cannot run.",
    )
    parser.add_argument("--tickets", type=count, default=5, metavar="N", help="answers of each stretch (default: 5)")
    parser.add_argument("--port", type=port, help="where the model listens (default: a free one)")
    arguments = parser.parse_args(argv)
    terminal.console()  # an old terminal shows "?" for what it does not know
    return ended(_act(min(arguments.tickets, 10), arguments.port))


async def _act(tickets: int, wanted: int | None) -> int:
    promises = Promises()
    with TemporaryDirectory() as folder, ModelProcess(free_port(wanted)) as model:
        policies = Path(folder, "aiguard.yaml")
        os.environ["AIGUARD_STATE"] = str(Path(folder, "state"))  # the gate is armed at the first call, and not before
        os.environ["AIGUARD_CONFIG"] = str(policies)
        write_policies(policies)
        aiguard.configure(policies)
        point_clients_at(model)
        await model.start()
        seconds = await answer_time(model.base_url)
        print(f"\nSecond act: tickets flow, and {user()} halts `{NAME}` from a second terminal.\n", flush=True)
        async with Flow(with_aiguard, stream(load()), PACE * seconds, _line) as flow:
            number = await _operate(flow, promises, tickets)
        await _verify(Path(folder, "state", "control", "control.db"), number, promises)
    print("\nEvery promise was kept." if not promises.broken else f"\n{promises.broken} promises were broken.")
    return BROKEN if promises.broken else KEPT


async def _operate(flow: Flow, promises: Promises, tickets: int) -> int:
    """Halt and resume while tickets flow; return the number of the halt's record."""
    model_answers = await flow.until(partial(_enough, since=0.0, tickets=tickets, by="component"), PATIENCE)
    promises.check("before the halt the model answers", model_answers)

    halted = await type_in("halt", NAME, "--reason", "INC-12: invoices sent to the warehouse")
    since = perf_counter()
    promises.check(
        f"the halt is in force, by {user()}", not halted.status and f"halted by {user()} since" in halted.said
    )
    await flow.until(partial(_enough, since=since, tickets=tickets, by="rules"), PATIENCE)
    before_resume = perf_counter()

    resumed = await type_in("resume", NAME, "--reason", "INC-12: the release was taken back")
    again = perf_counter()
    promises.check("it is resumed", resumed.status == 0)
    model_answers = await flow.until(partial(_enough, since=again, tickets=tickets, by="component"), PATIENCE)

    held = [one for one in flow.passed if since < one.left <= before_resume]
    first = next((one.left for one in flow.passed if _is_halted(one)), since)
    leaked = sum(
        one.answer.source == "component" and min(first, since) < one.left <= before_resume for one in flow.passed
    )
    rules = sum(one.answer.source == "rules" and _is_halted(one) for one in held)
    cut = sum(_is_halted(one) and bool(one.answer.tries) for one in flow.passed)
    print(f"  {len(held)} tickets answered while it was halted: {rules} by the rules, {leaked} by the model")
    if cut:
        print(f"  {cut} had gone to the model before the halt: what it said did not leave")
    promises.check("from the halt on not one answer of the model left", leaked == 0)
    promises.check("every ticket was triaged, by the rules", len(held) >= tickets and rules == len(held))
    valid = all(one.answer.verdict == "valid" and one.left - one.sent <= DEADLINE + GRACE for one in flow.passed)
    promises.check("every triage was valid, and in time", valid)
    promises.check("after the resume the model answers again", model_answers)
    number = re.search(r"on the record as number (\d+)", halted.said)
    promises.check("the halt is on the record", number)
    return int(number[1]) if number else 0


async def _verify(store: Path, number: int, promises: Promises) -> None:
    """Verify the record, edit the one of that number, and verify it again."""
    edit = EDIT.format(number)
    print(flush=True)
    await type_in("audit", "show")
    verified = await type_in("audit", "verify")
    promises.check("the record verifies", verified.status == 0)

    show(f"$ sqlite3 {store.name}", f"sqlite> {edit};")
    with closing(sqlite3.connect(store)) as connection:
        try:
            connection.execute(edit)
        except sqlite3.IntegrityError as refused:
            show(f"Error: {refused}")
        promises.check("the store refuses to be edited in passing", not connection.total_changes)
        show(f"sqlite> {UNGUARD};", f"sqlite> {edit};")
        with connection:
            connection.execute(UNGUARD)
            connection.execute(edit)
        promises.check("who means it edits a record", connection.total_changes == 1)
    verified = await type_in("audit", "verify")
    promises.check(
        "the record does not verify, and says which", verified.status == 1 and f"record {number} " in verified.said
    )


def _enough(passed: list[Passed], *, since: float, tickets: int, by: str) -> bool:
    """Whether so many were answered since then, by whom it should be at least once."""
    lately = [one for one in passed if one.left > since]
    return len(lately) >= tickets and any(one.answer.source == by for one in lately)


def _is_halted(one: Passed) -> bool:
    return "halted" in one.answer.kinds


def _line(one: Passed) -> None:
    answer = one.answer
    told = f"after {', '.join(answer.kinds)}" if answer.kinds else ""
    print(
        f"{one.ticket}  {answer.verdict:<7}  {answer.source or '–':<9}  {one.left - one.sent:5.2f} s  {told}".rstrip(),
        flush=True,
    )
