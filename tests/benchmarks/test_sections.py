"""Every measurement, for a moment: what it measures works, and its budgets are the ones that were promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import footprint, overhead
from benchmarks.slices import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.figures import Section

MOMENT = Plan(slices=2, seconds=1e-5)

BUDGETS = {
    "async": {"guard/composed": 0.30, "guard/floor": 1.8},
    "sync": {"guard/composed": 0.50},
    "thread": {"guard/pool": 1.2, "guard/pool-wall": 1.2},
    "stream-async": {"guard-bare": 1.0},
    "stream-async-suspending": {"guard-bare": 1.0},
    "stream-sync": {"guard-bare": 1.0},
}


@pytest.mark.parametrize("timed", overhead.TIMED, ids=lambda timed: timed.__name__)
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
    groups = {timed(MOMENT).figures[0].group for timed in overhead.TIMED}
    assert set(BUDGETS) <= groups


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
