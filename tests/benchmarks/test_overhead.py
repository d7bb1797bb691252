"""What a run of the benchmark writes and returns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import overhead

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.figures import Section


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, sections: list[Section]) -> list[Section]:
    """Put fixed sections in place of every measurement; what is added to the list is measured too."""
    monkeypatch.setattr(overhead, "measure", lambda **_options: sections)
    return sections


@pytest.mark.usefixtures("measured")
def test_a_run_within_its_budgets_passes_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing said about budgets."""
    assert overhead.main(["--check", "--quick"]) == 0
    assert "Over budget" not in capsys.readouterr().out


@pytest.mark.parametrize(("options", "status"), [(["--check"], 1), ([], 0)])
def test_a_missed_budget_fails_the_run_that_checks(
    measured: list[Section], over: Section, capsys: pytest.CaptureFixture[str], options: list[str], status: int
) -> None:
    """Without `--check` it is only said."""
    measured.append(over)
    assert overhead.main(options) == status
    assert "Over budget: async guard / composed" in capsys.readouterr().out


@pytest.mark.usefixtures("measured")
def test_the_json_of_a_run_holds_every_figure(document: dict[str, Any], tmp_path: Path) -> None:
    """And is written where it was asked for."""
    file = tmp_path / "report.json"
    overhead.main(["--json", str(file)])
    assert json.loads(file.read_text(encoding="utf-8"))["sections"] == document["sections"]
