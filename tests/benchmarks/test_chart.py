"""The chart and the tables for the README."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import chart
from benchmarks.peers.catalogue import FEATURES

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"
HEAVY = ("langchain", "litellm")


def _all(document: dict[str, Any], kind: str) -> list[ET.Element]:
    return list(ET.fromstring(chart.svg(document)).iter(f"{SVG}{kind}"))


def _lengths(document: dict[str, Any], names: list[str]) -> dict[str, float]:
    """Return the lengths of the bars of the first group, the guarded call's of the second scale as `again`."""
    return dict(zip(names, (float(bar.get("width", "0")) for bar in _all(document, "rect")), strict=False))


@pytest.fixture
def drawn(costs: dict[str, float]) -> list[str]:
    """The first group's subjects, in the order of their bars."""
    return [*(name for name in costs if name not in HEAVY), "again", *HEAVY]


def test_the_chart_is_xml_and_shows_every_row(document: dict[str, Any], drawn: list[str]) -> None:
    """A bar, a label and a value for each subject of both groups, escaped; the guarded call on either scale."""
    texts = [text.text for text in _all(document, "text")]
    assert len(_all(document, "rect")) == 2 * len(drawn)
    assert all(texts.count(f"<{name}> & co") == (4 if name == "guard" else 2) for name in drawn if name != "again")
    assert {"7.5 µs", "36.2 µs · 4.83 ×", "18.1 µs · 2.41 ×"} <= set(texts)


def test_the_bars_are_as_long_as_their_figures(
    document: dict[str, Any], costs: dict[str, float], drawn: list[str]
) -> None:
    """On one scale for the libraries and one for the frameworks, inside the picture."""
    lengths = _lengths(document, drawn)
    assert lengths["composed"] / lengths["interlock"] == pytest.approx(costs["composed"] / costs["interlock"], rel=0.02)
    assert lengths["langchain"] / lengths["litellm"] == pytest.approx(costs["langchain"] / costs["litellm"], rel=0.02)
    assert lengths["interlock"] == lengths["litellm"]
    assert chart.LEFT + max(lengths.values()) < chart.WIDTH


def test_the_boundary_stands_out(document: dict[str, Any]) -> None:
    """One bar of each scale is ours."""
    assert [bar.get("class") for bar in _all(document, "rect")].count("bar ours") == 4


def test_a_dot_says_what_each_has(document: dict[str, Any]) -> None:
    """Filled for what it has, hollow for what it lacks, none where that says nothing about it."""
    dots = [dot.get("class") for dot in _all(document, "circle")]
    lacking = ["has" if feature in {"deadline", "retry"} else "lacks" for feature in FEATURES]
    everything = ["has"] * len(FEATURES)
    assert dots == [*lacking, *everything, *everything] * 2


def test_the_rows_do_not_overlap(document: dict[str, Any]) -> None:
    """Nor do the groups, nor anything the edge of the picture."""
    tops = [float(bar.get("y", "0")) for bar in _all(document, "rect")]
    assert all(below - above >= chart.BAR for above, below in pairwise(tops))
    height = float(ET.fromstring(chart.svg(document)).get("height", "0"))
    assert max(float(text.get("y", "0")) for text in _all(document, "text")) < height


def test_a_subject_that_was_not_measured_is_left_out(document: dict[str, Any], drawn: list[str]) -> None:
    """Where a library has no such shape."""
    for section in document["sections"]:
        section["figures"] = [row for row in section["figures"] if row["name"] != "interlock"]
    assert len(_all(document, "rect")) == 2 * (len(drawn) - 1)
    assert "<interlock>" not in chart.markdown(document)


def test_without_frameworks_there_is_one_scale(document: dict[str, Any], drawn: list[str]) -> None:
    """And nothing is said about their processes."""
    for section in document["sections"]:
        section["figures"] = [row for row in section["figures"] if row["name"].split("/")[0] not in HEAVY]
    assert len(_all(document, "rect")) == 2 * (len(drawn) - len(HEAVY) - 1)
    assert "scale of their own" not in chart.svg(document)
    assert "processes" not in chart.markdown(document)


def test_the_markdown_has_a_row_for_each_subject_and_each_budget(
    document: dict[str, Any], costs: dict[str, float]
) -> None:
    """The boundary's own in bold; what has no budget is left out of the second table."""
    lines = chart.markdown(document).splitlines()
    assert "| **<guard> & co** | 7.5 | 1 | 3.75 | 0.5 |  |" in lines
    assert "| <stamina> & co | 15 | 2 | 7.5 | 1 | timeout, breaker, bulkhead |" in lines
    assert "| async call: guard / composed | 0.25 x | ≤ 0.3 x |" in lines
    assert len([line for line in lines if line.startswith("| ")]) == 1 + len(costs) + 1 + 2


def test_a_shape_that_a_subject_lacks_is_a_dash(document: dict[str, Any]) -> None:
    """As hyx has nothing for a function."""
    document["sections"][1]["figures"] = [row for row in document["sections"][1]["figures"] if row["name"] != "stamina"]
    assert "| <stamina> & co | 15 | 2 | – |  | timeout, breaker, bulkhead |" in chart.markdown(document).splitlines()


def test_the_markdown_says_what_a_guarded_call_is_in_the_frameworks_processes(document: dict[str, Any]) -> None:
    """So that a reader sees whether their environment makes a difference."""
    assert "took 1.1 to 1.1 times" in chart.markdown(document)


def test_the_chart_is_drawn_from_a_file(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into a folder that need not exist, the tables to standard output."""
    file, picture = tmp_path / "report.json", tmp_path / "images" / "overhead.svg"
    file.write_text(json.dumps(document), encoding="utf-8")
    assert chart.main([str(file), "--svg", str(picture), "--markdown"]) == 0
    assert picture.read_text(encoding="utf-8") == chart.svg(document)
    assert capsys.readouterr().out == chart.markdown(document)
