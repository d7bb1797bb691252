"""The demo from beginning to end."""

from __future__ import annotations

import argparse
import contextlib
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from examples.ticket_triage import terminal
from examples.ticket_triage.answer_time import answer_time
from examples.ticket_triage.board import Board
from examples.ticket_triage.command_line import BROKEN, KEPT, count, ended, port
from examples.ticket_triage.comparison import Comparison
from examples.ticket_triage.guarded import DEADLINE
from examples.ticket_triage.lines import Lines
from examples.ticket_triage.model_process import HOST, ModelProcess, free_port, point_clients_at
from examples.ticket_triage.phases import plan
from examples.ticket_triage.report import print_comparison, print_rules_agreement, print_waterfall, rules_agreement
from examples.ticket_triage.run import play
from examples.ticket_triage.services import breaker_state, with_aiguard, without_aiguard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from examples.ticket_triage.call import Call
    from examples.ticket_triage.watcher import Watcher

SLUGGISH: Final = 1.2
"""Seconds for one answer from which the healthy model will often miss the time of a try."""


def run(argv: Sequence[str]) -> int:
    """Run the demo. Return the exit status: 1 where the guarded service broke its promise."""
    arguments = _parser().parse_args(argv)
    return ended(_demo(arguments, terminal.console()))


async def _demo(arguments: argparse.Namespace, console: Console) -> int:
    spans = _collect_spans()
    with ModelProcess(free_port(arguments.port)) as model:
        point_clients_at(model)
        for notice in (terminal.why_plain(console, asked=arguments.plain), terminal.why_colourless(console)):
            if notice is not None:
                console.print(notice, soft_wrap=True)
        calls = await _both_runs(arguments, console, model, await _meet(model, console))
    comparison = Comparison(DEADLINE, tuple(phase.name for phase in plan(arguments.tickets)), tuple(calls))
    print_comparison(console, comparison)
    print_rules_agreement(console)
    print_waterfall(console, spans.get_finished_spans())
    if arguments.json is not None:
        figures = {"tickets": arguments.tickets, **comparison.as_json(), "rules_agreement": rules_agreement()}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return KEPT if comparison.promise_kept else BROKEN


async def _meet(model: ModelProcess, console: Console) -> float:
    await model.start()
    seconds = await answer_time(model.base_url)
    console.print(
        f"SmolLM2-135M serves on {HOST}:{model.port} (process {model.pid}); one answer takes {seconds:.2f} s here."
    )
    if seconds > SLUGGISH:
        console.print("That is slow: this machine is busy, and rungs will answer for a healthy model too.")
    return seconds


async def _both_runs(
    arguments: argparse.Namespace, console: Console, model: ModelProcess, seconds: float
) -> list[Call]:
    phases = plan(arguments.tickets)
    with contextlib.ExitStack() as stack:
        watcher: Watcher
        if terminal.why_plain(console, asked=arguments.plain) is not None:
            watcher = Lines(console, DEADLINE)
        else:
            total = 2 * sum(phase.tickets for phase in phases)
            watcher = stack.enter_context(Board(console, DEADLINE, total, model, breaker_state))
        both = partial(play, phases=phases, model=model, answer_time=seconds, watcher=watcher)
        calls = await both("without", without_aiguard)
        return calls + await both("with", with_aiguard)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo.py",
        description="Triage support tickets with a real model, without aiguard and with it, while the model breaks.",
        epilog="Exit status: 0; 1 where the guarded service gave an invalid or a late answer; 2 where it cannot run.",
    )
    parser.add_argument("--tickets", type=count, default=30, metavar="N", help="for the healthy model (default: 30)")
    parser.add_argument("--port", type=port, help="where the model listens (default: a free one)")
    parser.add_argument("--plain", action="store_true", help="one line a call instead of a live table")
    parser.add_argument("--json", type=_writable, metavar="FILE", help="write the figures there")
    return parser


def _writable(text: str) -> Path:
    path = Path(text)
    try:
        path.open("a").close()  # now, and not after two minutes
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: {error.strerror}") from None
    return path


def _collect_spans() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter
