"""What a run of the benchmark writes and returns."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from benchmarks import footprint, overhead
from benchmarks.peers.catalogue import GUARD, Peer
from benchmarks.proof import SetUpWronglyError
from benchmarks.remote import WorkerError

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.figures import Section
    from benchmarks.slices import Plan


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, sections: list[Section]) -> list[Section]:
    """Put fixed sections in place of every measurement; what is added to the list is measured too."""
    monkeypatch.setattr(overhead, "measure", lambda **_options: (sections, {"litellm": "1.2.3"}))
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
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["sections"] == document["sections"]
    assert written["about"]["packages"]["litellm"] == "1.2.3"


@pytest.mark.parametrize("error", [SetUpWronglyError("hyx: wrong"), WorkerError("litellm: gone")])
def test_a_peer_that_cannot_be_run_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """With a status of its own, and a line that says what is wrong."""

    def failing(**_options: bool) -> NoReturn:
        raise error

    monkeypatch.setattr(overhead, "measure", failing)
    assert overhead.main([]) == 2
    assert capsys.readouterr() == ("", f"{error}\n")


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left out in silence."""
    monkeypatch.setattr(overhead, "LIBRARIES", (GUARD, Peer("none", "none", "none", "no-such-distribution")))
    with pytest.raises(SetUpWronglyError, match=r"^Not installed: no-such-distribution\. `make bench`"):
        overhead.prove_libraries()


@pytest.mark.parametrize(("options", "others"), [([], True), (["--no-frameworks"], False)])
def test_frameworks_are_measured_unless_they_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    others: bool,  # noqa: FBT001
) -> None:
    """Because they need an environment of their own."""
    asked: dict[str, bool] = {}

    def measure(**given: bool) -> tuple[list[Section], dict[str, str]]:
        asked.update(given)
        return [], {}

    monkeypatch.setattr(overhead, "measure", measure)
    assert overhead.main(options) == 0
    assert asked == {"quick": False, "others": others}


def test_a_run_measures_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers and workers in the sections that compare, and every other section after them."""
    worker = SimpleNamespace(peer=GUARD, version="1.2.3")
    given: list[object] = []

    def compared(_plan: Plan, workers: list[object]) -> str:
        given.extend(workers)
        return "compared"

    monkeypatch.setattr(overhead, "frameworks", lambda: nullcontext([worker]))
    monkeypatch.setattr(overhead, "prove_libraries", lambda: None)
    monkeypatch.setattr(overhead, "COMPARED", (compared,))
    monkeypatch.setattr(overhead, "TIMED", (lambda _plan: "timed",))
    monkeypatch.setattr(footprint, "imports", lambda **_options: "imports")
    monkeypatch.setattr(footprint, "sizes", lambda **_options: "sizes")
    sections, versions = overhead.measure(quick=True, others=True)
    assert [str(section) for section in sections] == ["compared", "timed", "imports", "sizes"]
    assert versions == {"aiguard-boundary": "1.2.3"}
    assert given == [worker]
