"""The chart and the tables for the README."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import chart

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def _bars(document: dict[str, Any]) -> list[ET.Element]:
    return list(ET.fromstring(chart.svg(document)).iter(f"{SVG}rect"))


def test_the_chart_is_xml_and_shows_every_row(document: dict[str, Any], costs: dict[str, float]) -> None:
    """A bar, a label and a value for each subject of both panels, escaped."""
    texts = [element.text for element in ET.fromstring(chart.svg(document)).iter(f"{SVG}text")]
    assert len(_bars(document)) == 2 * len(costs)
    assert all(texts.count(f"<{name}> & co") == 2 for name in costs)
    assert {"36.2 µs", "18.1 µs"} <= set(texts)


def test_the_bars_are_as_long_as_their_figures(document: dict[str, Any], costs: dict[str, float]) -> None:
    """On one scale within a panel, inside the picture."""
    bars = dict(zip(chart.ORDER, _bars(document), strict=False))
    length = {name: float(bar.get("width", "0")) for name, bar in bars.items()}
    assert length["composed"] / length["interlock"] == pytest.approx(costs["composed"] / costs["interlock"], rel=0.02)
    assert all(float(bar.get("x", "0")) + length[name] < chart.WIDTH for name, bar in bars.items())


def test_the_boundary_stands_out(document: dict[str, Any]) -> None:
    """One bar of each panel is ours."""
    assert [bar.get("class") for bar in _bars(document)].count("bar ours") == 2


def test_a_subject_that_was_not_measured_is_left_out(document: dict[str, Any], costs: dict[str, float]) -> None:
    """Where interlock-cb is not installed."""
    for section in document["sections"]:
        section["figures"] = [row for row in section["figures"] if row["name"] != "interlock"]
    assert len(_bars(document)) == 2 * (len(costs) - 1)
    assert "<interlock>" not in chart.markdown(document)


def test_the_markdown_has_a_row_for_each_subject_and_each_budget(
    document: dict[str, Any], costs: dict[str, float]
) -> None:
    """The boundary's own in bold; what has no budget is left out of the second table."""
    lines = chart.markdown(document).splitlines()
    assert "| **<guard> & co** | 7.5 | 3.75 |" in lines
    assert "| async call: guard / composed | 0.25 x | ≤ 0.3 x |" in lines
    assert len([line for line in lines if line.startswith("| ")]) == 1 + len(costs) + 1 + 2


def test_the_chart_is_drawn_from_a_file(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into a folder that need not exist, the tables to standard output."""
    file, picture = tmp_path / "report.json", tmp_path / "images" / "overhead.svg"
    file.write_text(json.dumps(document), encoding="utf-8")
    assert chart.main([str(file), "--svg", str(picture), "--markdown"]) == 0
    assert picture.read_text(encoding="utf-8") == chart.svg(document)
    assert capsys.readouterr().out == chart.markdown(document)
