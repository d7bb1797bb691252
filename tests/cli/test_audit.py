"""The record on the command line: shown, verified, handed on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from aiguard.cli.audit import line_of
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


@pytest.fixture
def written(state: Path) -> Path:
    """A record of a halt, a refusal and a resume."""
    run("halt", "triage", "--unknown", "--reason", "INC-12")
    run("halt", "traige", "--reason", "INC-12")
    run("resume", "triage", "--reason", "it is fine")
    return state


def edit(state: Path, statement: str) -> None:
    """Change the record as somebody would who has the file."""
    with contextlib.closing(sqlite3.connect(state / "control" / "control.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER audit_is_not_edited")
        connection.execute(statement)


def test_show_has_a_line_a_record(written: Path) -> None:
    """Its number, when, who, what."""
    result = run("audit", "show", "--state", str(written))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert lines[0].endswith("halted triage: INC-12")
    assert lines[1].endswith("was refused to halt traige by the rule boundary: INC-12")
    assert lines[2].endswith("resumed triage: it is fine")


def test_show_takes_the_last_and_those_of_one_boundary(written: Path) -> None:
    """A halt of everything concerns each of them."""
    run("halt", "--all", "--reason", "INC-13")
    assert len(run("audit", "show", "--last", "1").stdout.splitlines()) == 1
    of_one = json.loads(run("audit", "show", "--boundary", "triage", "--json", "--state", str(written)).stdout)
    assert [record["seq"] for record in of_one["records"]] == [1, 3, 4]
    assert of_one["version"] == 1


def test_verify_passes_what_nobody_touched(written: Path) -> None:
    """And says how far it is anchored."""
    result = run("audit", "verify")
    assert result.exit_code == 0
    assert result.stdout.startswith("3 records, one chain, up to ")
    assert "anchored up to record 3\n" in result.stdout
    data = json.loads(run("audit", "verify", "--json").stdout)
    assert (data["records"], data["anchored"], data["flaws"]) == (3, 3, [])
    assert data["directory"] == str(written)


def test_verify_fails_where_a_record_was_edited(written: Path) -> None:
    """With exit code 1, and the first record that is wrong."""
    edit(written, "UPDATE audit SET record = replace(record, 'INC-12', 'INC-13') WHERE seq = 1")
    result = run("audit", "verify")
    assert result.exit_code == 1
    assert result.stdout.startswith("edited, from record 1 on: ")
    [flaw] = json.loads(run("audit", "verify", "--json").stdout)["flaws"]
    assert (flaw["kind"], flaw["seq"]) == ("edited", 1)


def test_verify_takes_anchors_that_were_kept_elsewhere(written: Path, tmp_path: Path) -> None:
    """Ones that are not there are told of, and a record that is gone while they are there."""
    kept = tmp_path / "kept"
    kept.write_text('{"at":1.0,"hash":"' + "f" * 64 + '","seq":9}\n')
    assert run("audit", "verify", "--anchors", str(kept)).exit_code == 1
    (written / "control" / "control.db").unlink()
    gone = run("audit", "verify")
    assert gone.exit_code == 1
    assert gone.stdout.startswith("cut, from record 1 on: 3 records were anchored, and the record is gone\n")
    missing = run("audit", "verify", "--anchors", str(written / "missing"))
    assert missing.exit_code == 2
    assert "the anchors cannot be read" in missing.stderr


@pytest.mark.usefixtures("written")
def test_export_can_be_verified_without_aiguard() -> None:
    """A line each, with the text that the hash was made of."""
    previous = "0" * 64
    lines = run("audit", "export").stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        said = json.loads(line)
        text = line.removeprefix(f'{{"hash":"{said["hash"]}","record":').removesuffix("}")
        previous = hashlib.sha256((previous + text).encode()).hexdigest()
        assert said["hash"] == previous


@pytest.mark.parametrize("command", ["show", "verify", "export"])
def test_where_nothing_was_recorded_it_says_so(state: Path, command: str) -> None:
    """With exit code 2; to look makes nothing."""
    result = run("audit", command)
    assert result.exit_code == 2
    assert "nothing was recorded yet" in result.stderr
    assert not state.exists()


def test_a_record_that_somebody_spoiled_is_shown_as_that(written: Path) -> None:
    """One that cannot be read hides no other."""
    edit(written, "UPDATE audit SET record = 'notes' WHERE seq = 2")
    lines = run("audit", "show").stdout.splitlines()
    assert len(lines) == 3
    assert "unreadable" in lines[1]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {"event": "halt", "boundary": "*", "reason": "INC", "until": 60.0},
            "every boundary until 1970-01-01T00:01:00Z",
        ),
        ({"event": "halt", "boundary": "a", "late": True, "by": "ben", "since": 1.0}, "recorded late: by ben at 1970"),
        ({"event": "halt", "boundary": "a", "key": "k"}, "halted a, for the key k"),
        ({"event": "expired", "boundary": "a", "ends": True}, "was over"),
        ({"event": "expired", "boundary": "a"}, "where the risk is high it stays"),
        ({"event": "restored", "boundary": "a"}, "put back the halt of a"),
        ({"event": "policy", "file": "f", "new": "2b"}, "the policy 2b in force, before it none: f"),
        ({"event": "one of a newer version"}, "one of a newer version"),
    ],
)
def test_each_event_is_told(said: dict[str, object], told: str) -> None:
    """As a person would say it."""
    assert told in line_of({"seq": 7, "at": 0.0, "actor": "anna", **said})
