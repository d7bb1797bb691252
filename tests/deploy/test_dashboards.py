"""The dashboards' files: what the list of panels says, laid out so that nothing covers anything."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from deploy.grafana.__main__ import text
from deploy.grafana.board import WIDTH
from deploy.grafana.dashboards import DASHBOARDS
from tests.deploy.grafana import FILES, queries, read

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.grafana.board import Dashboard


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.file)
def test_a_file_says_what_the_list_of_panels_says(dashboard: Dashboard) -> None:
    """`python -m deploy.grafana` has been run since the list was changed."""
    [file] = [file for file in FILES if file.stem == dashboard.file]
    assert file.read_text(encoding="utf-8") == text(dashboard), "run: python -m deploy.grafana"


def test_every_file_is_in_the_list() -> None:
    """No dashboard is left over from an earlier list."""
    assert {file.stem for file in FILES} == {dashboard.file for dashboard in DASHBOARDS}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_lie_beside_each_other(file: Path) -> None:
    """Panels are inside the grid, none covers another, and each has a title, an explanation and a query."""
    panels = read(file)["panels"]
    for panel in panels:
        grid = panel["gridPos"]
        assert grid["x"] >= 0
        assert grid["x"] + grid["w"] <= WIDTH
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["targets"]
    assert [(a["title"], b["title"]) for a, b in combinations(panels, 2) if covers(a["gridPos"], b["gridPos"])] == []
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)


def covers(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two panels share a place."""
    return bool(
        a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]
    )


def test_no_query_is_left_with_a_variable_that_nobody_fills_in() -> None:
    """A misspelt variable would match nothing, without an error."""
    assert [asked for asked in queries() if "$" in asked.expr] == []
