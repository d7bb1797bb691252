"""Every measurement, for a moment: what it measures works, and its budgets are the ones that were promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from benchmarks import calls, footprint, overhead
from benchmarks.peers.catalogue import FRAMEWORKS, LIBRARIES, Shape
from benchmarks.slices import Plan, Spent, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.figures import Section
    from benchmarks.remote import Worker

MOMENT = Plan(slices=2, seconds=1e-5)

BUDGETS = {
    "async": {"guard/composed": 0.30, "guard/floor": 1.8},
    "sync": {"guard/composed": 0.50},
    "thread": {"guard/pool": 1.2, "guard/pool-wall": 1.2},
    "stream-async": {"guard-bare": 1.0},
    "stream-async-suspending": {"guard-bare": 1.0},
    "stream-sync": {"guard-bare": 1.0},
    "real": {
        "openai's 429": 5.0,
        "openai's 429 that asks for a pause": 5.0,
        "openai's timeout": 5.0,
        "openai": 15.0,
        "anthropic": 15.0,
        "google": 15.0,
        "transport": 15.0,
        "input": 10.0,
        "a megabyte of quotes": 250.0,
        "a megabyte of empty strings": 250.0,
        "elements": 150.0,
        "buffer": 150.0,
    },
    "gate": {"gate": 0.5},
    "telemetry": {"checks": 5.0, "sampled-out": 50.0, "recorded": 150.0, "keep-degraded": 150.0, "item": 1.0},
}


SECTIONS: tuple[Callable[[Plan], Section], ...] = (*overhead.COMPARED, *overhead.TIMED)


@pytest.mark.parametrize("timed", SECTIONS, ids=lambda timed: timed.__name__)
def test_a_section_measures_and_judges(timed: Callable[[Plan], Section]) -> None:
    """Each subject answers as it should, takes some time, and is held to its budget."""
    section = timed(MOMENT)
    assert section.figures
    assert all(figure.median > 0 for figure in section.figures)
    group = section.figures[0].group
    judged = {verdict.name: verdict.limit for verdict in section.verdicts if verdict.limit is not None}
    assert judged == BUDGETS.get(group, {})


def test_no_budget_is_left_out() -> None:
    """A section that is not run is not judged."""
    groups = {timed(MOMENT).figures[0].group for timed in SECTIONS}
    assert set(BUDGETS) <= groups


class Steady:
    """A worker whose peer takes ten times as long as the guarded call beside it."""

    peer = FRAMEWORKS[0]

    def subjects(self, _shape: Shape) -> list[Subject]:
        """Return both."""
        return [
            Subject("langchain", "LangChain", lambda times: Spent(1e-4 * times, 1e-4 * times)),
            Subject("langchain/guard", "aiguard", lambda times: Spent(1e-5 * times, 1e-5 * times)),
        ]


@pytest.mark.parametrize("compared", overhead.COMPARED, ids=lambda compared: compared.__name__)
def test_a_framework_is_compared_with_the_guarded_call_of_its_own_process(
    compared: Callable[[Plan, Sequence[Worker]], Section],
) -> None:
    """Everything else with that of the benchmark's; and each says what it has."""
    section = compared(MOMENT, [cast("Worker", Steady())])
    figures = {figure.name: figure for figure in section.figures}
    assert figures["langchain"].times == pytest.approx(10.0)
    assert figures["guard"].times == 1.0
    assert figures["langchain/guard"].times == pytest.approx(10.0 / figures["guard"].median, rel=0.9)
    assert figures["langchain"].has == ("retry",)
    assert figures["bare"].has is None


def test_every_library_that_is_here_is_measured() -> None:
    """In each shape that it has."""
    for timed, shape in ((calls.async_calls, "asynchronous"), (calls.inline_calls, "synchronous")):
        expected = [peer.name for peer in LIBRARIES if peer.installed and peer.has(cast("Shape", shape)) is not None]
        assert [figure.name for figure in timed(MOMENT).figures] == ["bare", *expected]


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Put fixed answers in place of the processes that measure sizes; return what they were asked."""
    asked: list[tuple[str, ...]] = []

    def child(*arguments: str) -> dict[str, float]:
        asked.append(arguments)
        return {"bytes": 13 * 1024, "microseconds": 1.0, "before": 2.0, "after": 3.0}

    monkeypatch.setattr(footprint, "_child", child)
    return asked


def test_the_size_of_a_boundary_is_judged_by_both_meters(children: list[tuple[str, ...]]) -> None:
    """13 KiB are too much without a contract and enough with one; a call must not get dearer."""
    section = footprint.sizes(quick=False)
    limits = {verdict.name: verdict.limit for verdict in section.verdicts if verdict.limit is not None}
    assert limits == {
        "plain-tracemalloc": 12.0,
        "plain-RSS": 12.0,
        "shared-tracemalloc": 16.0,
        "shared-RSS": 16.0,
        "call": footprint.UNCHANGED,
    }
    assert [verdict.name for verdict in section.verdicts if not verdict.met] == [
        "plain-tracemalloc",
        "plain-RSS",
        "call",
    ]
    assert ("size", "shared", "10000", "RSS") in children


def test_the_import_is_judged_over_a_bare_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 ms in all, of which 60 are the interpreter's."""
    times = {"pass": (60.0, 50.0), "import aiguard": (300.0, 200.0)}
    monkeypatch.setattr(footprint, "_run", lambda statement: times.get(statement, (200.0, 150.0)))
    verdicts = {verdict.name: verdict for verdict in footprint.imports(quick=True).verdicts}
    assert (verdicts["aiguard-bare"].value, verdicts["aiguard-bare"].limit) == (240.0, 200.0)
    assert verdicts["aiguard-bare-cpu"].value == 150.0


def test_calls_are_measured_before_and_after_declaring() -> None:
    """With so many boundaries more."""
    result = footprint.calls(3, MOMENT)
    assert result["declared"] == 3
    assert min(result.values()) > 0
