"""The table of docs/comparison.md: aiguard's column holds, and so do those of the peers that are installed."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiguard.testing import fresh_registry
from benchmarks import claims
from benchmarks.observed import contestants, experiments
from benchmarks.observed.component import Lab
from benchmarks.observed.contestants import LIBRARIES, Library
from benchmarks.observed.experiments import CLAIMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock

ROOT = Path(__file__).resolve().parent.parent.parent
VERSION = re.compile(r" (\d[\w.]*)")
TIMED = {experiments.probes, experiments.serialised, experiments.in_time, experiments.late}
PEERS = [build for build in LIBRARIES if build is not contestants.aiguard]
UNTIMED = [(claim, build) for claim, experiment in CLAIMS.items() if experiment not in TIMED for build in PEERS]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


TABLE = [
    _cells(line)
    for line in (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8").splitlines()
    if line[:1] == "|"
]
COLUMNS = [VERSION.sub("", column) for column in TABLE[0]]
DOCUMENTED = {row[0]: dict(zip(COLUMNS[1:], row[1:], strict=True)) for row in TABLE[2:]}


def _installed(build: Callable[[], Library]) -> Library:
    try:
        return build()
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")


def test_the_document_shows_every_claim_of_every_library() -> None:
    """In the order in which they are run, and nothing else."""
    assert list(DOCUMENTED) == list(CLAIMS)
    assert len(COLUMNS) == 1 + len(LIBRARIES)


def test_the_document_names_the_pinned_versions() -> None:
    """A table of other versions says nothing: after a change, run it again."""
    shown = set(re.findall(r"([\w-]+) (\d[\w.]*)", " ".join(TABLE[0])))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert shown <= {*pinned, ("aiguard", project["version"])}


@pytest.mark.parametrize(
    "claim", [claim for claim, experiment in CLAIMS.items() if experiment is not experiments.serialised]
)
def test_what_aiguard_does(claim: str, clock: VirtualClock) -> None:
    """Each cell of its column, on virtual time."""
    library = contestants.aiguard()
    observed = CLAIMS[claim](library, Lab(clock.run, clock.sleep, clock.now))
    assert observed == DOCUMENTED[claim][library.title]


def test_aiguard_lets_four_threads_in_at_once() -> None:
    """Where pybreaker's lock makes one wait for the other: 0.8 s. Callers that start together need real time."""
    with fresh_registry():
        assert float(experiments.serialised(contestants.aiguard(), Lab()).removesuffix(" s")) < 0.6


@pytest.mark.parametrize(("claim", "build"), UNTIMED)
def test_what_a_peer_does(claim: str, build: Callable[[], Library]) -> None:
    """Each cell that needs no time."""
    library = _installed(build)
    assert CLAIMS[claim](library, Lab()) == DOCUMENTED[claim][library.title]


@pytest.mark.parametrize(
    "build", [contestants.interlock, contestants.pybreaker_alone, contestants.circuitbreaker, contestants.purgatory]
)
def test_what_a_peer_does_in_time(build: Callable[[], Library]) -> None:
    """Those of a breaker; how long it takes is measured by the script alone."""
    library = _installed(build)
    documented = {experiment: DOCUMENTED[claim][library.title] for claim, experiment in CLAIMS.items()}
    assert experiments.probes(library, Lab()) == documented[experiments.probes]
    assert experiments.late(library, Lab()) == documented[experiments.late]


def test_pybreaker_lets_one_thread_in_at_a_time() -> None:
    """Four calls take four times as long as one, at least."""
    library = contestants.pybreaker_alone()
    assert float(experiments.serialised(library, Lab(tick=0.02)).removesuffix(" s")) >= 0.8


def test_a_run_prints_what_is_installed_and_names_what_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table for people, the same cells for programs."""

    def absent() -> Library:
        raise ModuleNotFoundError(name="nobody")

    monkeypatch.setattr(claims, "LIBRARIES", (contestants.tenacity_alone, absent))
    monkeypatch.setattr(claims, "CLAIMS", {"is it so": lambda library, _lab: f"yes, by {library.title}"})
    file = tmp_path / "claims.json"
    assert claims.main(["--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "| is it so | yes, by tenacity |\n" in printed
    assert "left out: nobody" in printed
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["observed"] == {"is it so": {"tenacity": "yes, by tenacity"}}


def test_a_column_names_each_version() -> None:
    """Of every distribution that it is made of; a title alone where one is not installed."""
    assert re.fullmatch(r"tenacity \d\S+ \+ pybreaker \d\S+ by hand", claims.headed(contestants.by_hand()))
    assert claims.headed(Library("nobody", ("nobody-at-all",))) == "nobody"


def test_the_experiments_see_a_library_that_does_nothing() -> None:
    """A decorator that returns its function never opens, counts nothing and hides nothing."""
    lab = Lab(tick=0.01)
    bare = Library("bare", (), circuit=lambda fn, _rule: fn, retried=lambda fn: fn)
    assert experiments.interleaved(bare, lab) == "not in 500 calls"
    assert experiments.hears_coroutine(bare, lab) == "stays closed"
    assert experiments.cancelled(bare, lab) == "passes, counted as a success, not retried"
    assert experiments.leaks(bare, lab) == "the error"
