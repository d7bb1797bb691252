"""The twelve requirements of the page, each held by tests that are there; and the tests that have no other place."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict

from aiguard import (
    Breaker,
    Bulkhead,
    FailureKind,
    InputContract,
    OutputContract,
    Retry,
    Text,
    Usage,
    guard,
    report_usage,
)
from aiguard.telemetry import names
from benchmarks import telemetry

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock
    from tests.telemetry.conftest import Recorded

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "telemetry-requirements.md"
ROWS = re.findall(r"^\| (\d+) \|(.*)\|(.*)\|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_page_has_all_twelve() -> None:
    """In their order, none of them left blank."""
    assert [int(number) for number, *_ in ROWS] == list(range(1, 13))
    assert all(cell.strip() for row in ROWS for cell in row)


@pytest.mark.parametrize("row", ROWS, ids=[f"requirement {number}" for number, *_ in ROWS])
def test_every_test_of_the_page_is_there(row: tuple[str, ...]) -> None:
    """A requirement is held by tests, and each that is named is in the file that is named."""
    named = re.findall(r"`([\w/]+)::(\w+)`", row[-1])
    assert named
    assert [f"{file}::{test}" for file, test in named if test not in _tests_of(TESTS / f"{file}.py")] == []


def test_the_budgets_are_those_of_the_benchmark() -> None:
    """The page and the benchmark promise the same."""
    page = PAGE.read_text(encoding="utf-8")
    told = [float(number) for number in re.findall(r"^\|[^|]+\| (\d+) µs \|", page, re.MULTILINE)]
    assert told == [telemetry.CHECKS, *filter(None, telemetry.SHARES.values()), telemetry.ITEM]


def _tests_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


# --- 3


def test_each_call_is_counted_once(clock: VirtualClock, recorded: Recorded) -> None:
    """Two hundred calls, tried up to three times each, by how they ended: in metrics, spans and log events alike."""
    down = False

    def component() -> str:
        if down or clock.random() < 0.5:
            raise ConnectionError
        return "ok"

    def rung() -> str:
        if clock.random() < 0.5:
            raise ConnectionError
        return "ok"

    guarded = guard(
        "flaky",
        deadline=5.0,
        isolation="inline",
        retry=Retry(attempts=3, wait=lambda _: 0.01),
        breaker=Breaker(failure_rate=0.8, minimum_calls=5, window=2.0, open_for=0.5, open_for_max=0.5),
        fallback=[rung],
    )(component)
    outcomes = []
    for number in range(200):
        down = 80 <= number < 120
        outcomes.append(guarded.outcome())
        clock.advance(0.05)
    ended = Counter(_word(outcome) for outcome in outcomes)
    assert set(ended) == {"success", "fallback", "error", "rejected"}
    counted: Counter[str] = Counter()
    for attributes, count, _ in recorded.points[names.CALL_DURATION]:
        counted[attributes[names.OUTCOME]] += count
    assert counted == ended
    calls = [span for span in recorded.spans if span.name == "aiguard.call flaky"]
    assert Counter(str((span.attributes or {})[names.OUTCOME]) for span in calls) == ended
    assert len(recorded.logs_named(names.DEGRADED_EVENT)) == ended["fallback"]
    attempts = sum(count for _, count, _ in recorded.points[names.ATTEMPT_DURATION])
    tried = [len(outcome.attempts) for outcome in outcomes if outcome.attempts]
    assert attempts == sum(tried) > len(tried)


def _word(outcome: Any) -> str:
    if outcome.ok:
        return "fallback" if outcome.degraded else "success"
    return "rejected" if outcome.failure.stage == "breaker" else "error"


# --- 8


class Loose(BaseModel):
    """Any number of fields, all of them numbers."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]


LONG = "x" * 50_000


@pytest.mark.usefixtures("clock")
def test_no_span_grows_with_what_is_asked_or_answered(recorded: Recorded) -> None:
    """Nor an event: not with a thousand flaws, long codes, names of models or classes, nor with many attempts."""

    class FaultError(Exception):
        pass

    FaultError.__name__ = FaultError.__qualname__ = LONG
    script: list[Any] = [
        ConnectionError(LONG),
        FaultError(LONG),
        {f"{n}{LONG[:99]}": LONG for n in range(1000)},
        {"n": 1},
        "[" * 5000,
    ]

    def component(ticket: str) -> Any:
        del ticket
        report_usage(Usage(input=1, model=LONG))
        step = script[0]
        script.append(script.pop(0))
        if isinstance(step, Exception):
            raise step
        return step

    def says_no(answer: Loose) -> str | None:
        return None if answer.model_extra == {"floor": 1} else LONG

    settings: dict[str, Any] = {
        "owner": "support-ml" * 500,
        "deadline": 60.0,
        "isolation": "inline",
        "contain": "all",
        "retry": Retry(
            attempts=20, on=frozenset({FailureKind.CONNECTION, FailureKind.UNCLASSIFIED}), wait=lambda _: 0.0
        ),
        "reask": 5,
        "bulkhead": Bulkhead(limit=1),
        "input": InputContract(Text(max_length=10), on_breach="warn"),
        "output": OutputContract(Loose, checks=[says_no]),
        "fallback": [lambda ticket: LONG, lambda ticket: 1 / 0, {"floor": 1}],  # noqa: ARG005 - a rung takes what the component takes
    }
    triage = guard("n" * 100, **settings)(component)
    for _ in range(5):
        triage.outcome(LONG)
    told = {log.event_name for log in recorded.logs}
    assert {names.RETRY_EVENT, names.INPUT_EVENT, names.INVALID_EVENT, names.DEGRADED_EVENT} <= told
    assert len(recorded.spans) > 20
    for span in recorded.spans:
        assert len(span.name) <= 1024
        for attributes in [span.attributes, *(event.attributes for event in span.events)]:
            assert len(attributes or {}) <= 40
            assert all(len(str(value)) <= 1024 for value in (attributes or {}).values())
    for log in recorded.logs:
        assert len(log.attributes) <= 40
        assert all(len(str(value)) <= 1024 for value in log.attributes.values())


# --- 10

USE = """
import asyncio, logging, sys, warnings
from opentelemetry import _logs, metrics, propagate, trace

def refuse(*_):
    raise SystemExit("a provider was set")

trace.set_tracer_provider = metrics.set_meter_provider = _logs.set_logger_provider = refuse
propagate.set_global_textmap = refuse
import aiguard, aiguard.telemetry
from aiguard import Breaker, guard

settings = {"deadline": 1.0, "breaker": Breaker(minimum_calls=1), "fallback": ["floor"]}

@guard("sync", **settings)
def sync(fail):
    if fail:
        raise ConnectionError
    return "ok"

@guard("async", **settings)
async def awaited(fail):
    return sync(fail)

@guard("stream", deadline=1.0, stream="passthrough")
def stream():
    yield from "ok"

print(sync(False), sync(True), sync(False), asyncio.run(awaited(False)), "".join(stream()))
print(trace._TRACER_PROVIDER, metrics._internal._METER_PROVIDER, _logs._internal._LOGGER_PROVIDER)
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
print(trace.get_current_span() is trace.INVALID_SPAN, logging.getLogger("opentelemetry").handlers)
"""


def test_use_sets_no_provider() -> None:
    """Nor does the import: not those of traces, metrics or logs, nor the propagator, and the SDK stays unloaded."""
    done = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["ok floor floor floor ok", "None None None", "[]", "True []"]
