"""Strict mode: what has no owner, or is not in the file, does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import aiguard
from aiguard import Boundary, Owner, PolicyError, guard
from aiguard.testing.virtual import fresh_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = """
directory:
  people: {anna: {name: Anna Example}}
  teams: {support-ml: {members: [anna], runbook: https://support.example}}
"""

STRICT = "AIGUARD_STRICT is set, and"
NEAR = "neither a team nor a person of the directory; did you mean `anna`?"
NOBODY = "nobody is named: name a team or a person of the file's `directory`"
BLOCK = "`boundaries`, `{}` will do; did you mean `summary`?"


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Ask for it, in a folder and with boundaries of the test's own."""
    monkeypatch.setenv("AIGUARD_STRICT", "1")
    monkeypatch.delenv("AIGUARD_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    with fresh_registry():
        yield


def write(tmp_path: Path, boundaries: str, rest: str = PEOPLE) -> None:
    """Write the file."""
    (tmp_path / "aiguard.yaml").write_text(f"version: 1\nboundaries: {boundaries}\n{rest}", encoding="utf-8")


def refused(run: Any) -> list[str]:
    """Return why it was refused, line by line."""
    with pytest.raises(PolicyError) as caught:
        run()
    return [str(problem) for problem in caught.value.problems]


def answer() -> int:
    """Answer."""
    return 1


def test_what_was_declared_first_runs_once_a_file_clears_it(tmp_path: Path) -> None:
    """Before that, its calls are refused: nobody could know."""
    guarded = guard("triage", deadline=1.0, owner="anna")(answer)
    plain = Boundary("plain", deadline=1.0)
    before = "AIGUARD_STRICT is set, and no file was read: call `aiguard.configure(…)` before the first call"
    assert refused(guarded) == [f"boundary 'triage': {before}"]
    assert refused(lambda: plain.call(answer)) == [f"boundary 'plain': {before}"]
    assert refused(guarded.outcome) == [f"boundary 'triage': {before}"]
    write(tmp_path, "{triage: {}, plain: {owner: support-ml}}")
    aiguard.configure()
    assert (guarded(), plain.call(answer)) == (1, 1)
    assert plain.policy.owner == Owner(team="support-ml", runbook="https://support.example")


def test_a_file_that_does_not_clear_what_was_declared_is_refused(tmp_path: Path) -> None:
    """All of it at once, each with its place; then nothing has changed, and nothing runs."""
    first = guard("triage", deadline=1.0)(answer)
    guard("sumary", deadline=1.0, owner="anna")(answer)
    guard("embed", deadline=1.0)(answer)
    write(tmp_path, "{triage: {owner: ana}, summary: {}, embed: {}}")
    assert refused(aiguard.configure) == [
        f"aiguard.yaml:2:23: boundary 'triage': setting `owner`: {STRICT} 'ana' is {NEAR}",
        f"aiguard.yaml:2:49: boundary 'embed': setting `owner`: {STRICT} {NOBODY}",
        f"aiguard.yaml: boundary 'sumary': {STRICT} no file names it: give it a block in {BLOCK}",
    ]
    assert "no file was read" in refused(first)[0]


def test_what_is_declared_later_is_refused_at_its_declaration(tmp_path: Path) -> None:
    """Where the program starts, not at a call; a boundary without a deadline too."""
    write(tmp_path, "{triage: {}, pending: {}}")
    aiguard.configure()
    assert len(refused(lambda: Boundary("other", deadline=1.0))) == 2
    assert len(refused(lambda: guard("triage", deadline=1.0))) == 1
    assert len(refused(lambda: guard("pending"))) == 1
    assert guard("triage", deadline=1.0, owner="anna")(answer)() == 1


def test_a_nested_boundary_is_cleared_by_itself(tmp_path: Path) -> None:
    """One that nobody cleared does not run inside one that was."""
    with pytest.raises(PolicyError, match="'inner'"):
        guard("inner", deadline=1.0)(answer)()
    write(tmp_path, "{outer: {owner: anna}}")
    inner = guard("inner", deadline=1.0, owner="anna")(answer)
    outer = guard("outer", deadline=1.0)(inner)
    assert any("'inner'" in line for line in refused(aiguard.configure))
    assert "'outer'" in refused(outer)[0]


def test_the_environment_alone_clears_nothing() -> None:
    """There is no file that could name a boundary."""
    Boundary("triage", deadline=1.0, owner="anna")
    assert "no file names it" in refused(aiguard.configure)[0]


def test_a_reload_that_would_leave_a_boundary_without_its_owner_is_refused(tmp_path: Path) -> None:
    """What was in force stays in force, and runs."""
    write(tmp_path, "{triage: {owner: anna}}")
    aiguard.configure()
    guarded = guard("triage", deadline=1.0)(answer)
    write(tmp_path, "{triage: {owner: anna}}", "")
    assert "'anna' is neither" in refused(aiguard.reload)[0]
    assert (guarded(), guarded.boundary.policy.owner) == (1, Owner(person="anna"))


@pytest.mark.parametrize(("word", "runs"), [("", True), ("0", True), ("1", False)])
def test_one_is_on_and_nought_is_off(monkeypatch: pytest.MonkeyPatch, word: str, runs: bool) -> None:  # noqa: FBT001 - a column of the table
    """And nothing is off."""
    monkeypatch.setenv("AIGUARD_STRICT", word)
    guarded = guard("triage", deadline=1.0)(answer)
    if runs:
        assert guarded() == 1
    else:
        assert len(refused(guarded)) == 1


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody has to guess what it means."""
    monkeypatch.setenv("AIGUARD_STRICT", "yes")
    said = ["AIGUARD_STRICT: must be 1 or 0, not 'yes'"]
    assert refused(lambda: Boundary("triage", deadline=1.0)) == said
    write(tmp_path, "{}")
    assert refused(aiguard.configure) == said
