"""The command that lets a boundary run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiguard.governance.control import halts
from tests.cli.commands import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """No boundary but what the file names: what other tests declare here is known to who halts."""
    monkeypatch.setattr("aiguard.governance.known.boundaries", tuple)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of one's own, and no file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIGUARD_CONFIG", raising=False)
    monkeypatch.setenv("AIGUARD_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_it_says_what_was_lifted_and_what_still_stands() -> None:
    """A halt of everything outlives that of one boundary."""
    run("halt", "--all", "--reason", "INC-12")
    run("halt", "triage", "--unknown", "--reason", "INC-13")
    [everything, one] = halts()
    result = run("resume", "triage", "--reason", "it is fine")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"triage: no longer {one}",
        f"every boundary: still {everything}",
        "on the record as number 3",
    ]
    assert run("resume", "--all", "--reason", "it is fine").exit_code == 0
    assert halts() == ()


def test_where_no_file_was_read_it_says_so(state: Path) -> None:
    """A file might have said who may."""
    for expected in ("aiguard: no file with rules was read: set AIGUARD_CONFIG\n", ""):
        run("halt", "--all", "--reason", "INC-12")
        assert run("resume", "--all", "--reason", "it is fine").stderr == expected
        (state.parent / "aiguard.yaml").write_text("version: 1\n")


@pytest.mark.parametrize(("arguments", "rule"), [((), "reason"), (("--reason", "it is fine"), "not-halted")])
def test_what_is_refused_ends_with_1_and_the_rule(arguments: tuple[str, ...], rule: str) -> None:
    """Nothing is resumed then."""
    run("halt", "--all", "--reason", "INC-12")
    result = run("resume", "triage", *arguments)
    assert result.exit_code == 1
    assert f"(rule: {rule})" in result.stderr
    assert len(halts()) == 1


def test_without_the_record_nothing_is_resumed(state: Path) -> None:
    """Who did it would never be known."""
    state.mkdir()
    (state / "control").write_text("in the way")
    run("halt", "--all", "--reason", "INC-12")
    result = run("resume", "--all", "--reason", "it is fine")
    assert result.exit_code == 1
    assert "(rule: store)" in result.stderr
    assert len(halts()) == 1
