"""Changes of the configuration, on the record."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

import aiguard
from aiguard.config import live
from aiguard.governance import policies
from aiguard.governance.store import Store
from aiguard.testing import fresh_registry
from tests.governance.operating import operator, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch, state: Path) -> Iterator[None]:
    """A process that knows no configuration, and whose user has this directory."""
    monkeypatch.delenv("AIGUARD_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(state.parent))
    monkeypatch.setattr(policies, "_TOLD", set())
    with live.nothing_configured(), fresh_registry():
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that says nothing of any boundary."""
    path = tmp_path / "aiguard.yaml"
    path.write_text("version: 1\n")
    return path


def digest(file: Path) -> str:
    """Return the digest of what is in the file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_reload_is_recorded_with_the_digests_before_and_after(
    file: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with the file; loading the same again is no change."""
    monkeypatch.setenv("AIGUARD_STATE", str(state))
    first = digest(file)
    aiguard.configure(file)
    aiguard.configure(file)
    file.write_text("version: 1\ndefaults: {deadline: 2.0}\n")
    aiguard.reload()
    found = [(one["event"], one["file"], one.get("old"), one["new"]) for one in recorded(state)]
    assert found == [("policy", str(file), None, first), ("policy", str(file), first, digest(file))]


def test_a_file_that_is_refused_is_not_recorded(file: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never came into force."""
    monkeypatch.setenv("AIGUARD_STATE", str(state))
    file.write_text("version: 7\n")
    with pytest.raises(aiguard.PolicyError):
        aiguard.configure(file)
    assert not state.exists()


def test_a_program_that_nobody_operates_leaves_nothing(file: Path, tmp_path: Path) -> None:
    """Where there is a record it is written to, without being asked for by the environment."""
    aiguard.configure(file)
    assert not (tmp_path / "aiguard").exists()
    operator(tmp_path / "aiguard").halt("low-risk", reason="INC-12")
    aiguard.reload()
    assert [one["event"] for one in recorded(tmp_path / "aiguard")] == ["halt", "policy"]


def test_a_record_that_cannot_be_written_fails_no_reload(
    file: Path, state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, once."""
    monkeypatch.setenv("AIGUARD_STATE", str(state))
    state.mkdir()
    Store(state).path.parent.write_text("in the way")
    aiguard.configure(file)
    aiguard.reload()
    assert aiguard.configured().digest == digest(file)
    assert caplog.text.count("not on the record") == 1


def test_the_environment_alone_is_no_file(state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no digest of it."""
    monkeypatch.setenv("AIGUARD_STATE", str(state))
    monkeypatch.chdir(tmp_path)
    aiguard.configure()
    assert not state.exists()
