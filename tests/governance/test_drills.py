"""Which floors were drilled, and when."""

from __future__ import annotations

import json
import os
import stat
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from aiguard.governance.drills import FILE, Drill, drilled, record

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_drilled_is_read_again(tmp_path: Path) -> None:
    """The last of each boundary."""
    record(tmp_path, "triage", Drill(1.5, "shop:rules"))
    record(tmp_path, "embed", Drill(2.0, "value 0123"))
    record(tmp_path, "triage", Drill(3.0, "shop:others"))
    assert drilled(tmp_path) == {"triage": Drill(3.0, "shop:others"), "embed": Drill(2.0, "value 0123")}
    assert json.loads((tmp_path / FILE).read_text()) == {
        "embed": {"at": 2.0, "floor": "value 0123"},
        "triage": {"at": 3.0, "floor": "shop:others"},
    }
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"[" * 10_000,
        b'{"a": 1, "b": {}, "c": {"at": "now", "floor": "x"}, "d": {"at": NaN, "floor": "x"}, "e": {"at": 1}}',
    ],
)
def test_what_cannot_be_read_was_not_drilled(tmp_path: Path, data: bytes) -> None:
    """And the next drill writes it anew."""
    (tmp_path / FILE).write_bytes(data)
    assert drilled(tmp_path) == {}
    record(tmp_path, "triage", Drill(1.0, "x"))
    assert drilled(tmp_path) == {"triage": Drill(1.0, "x")}


def test_where_there_is_no_file_nothing_was_drilled(tmp_path: Path) -> None:
    """Nor where it is something else."""
    assert drilled(tmp_path / "nowhere") == {}
    os.mkfifo(tmp_path / FILE)
    assert drilled(tmp_path) == {}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write into the directory does not choose which file of ours is written."""
    (tmp_path / "other").write_text("{}")
    (tmp_path / FILE).symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic"):
        record(tmp_path, "triage", Drill(1.0, "x"))
    assert drilled(tmp_path) == {}


def _record(state: Path, number: int) -> None:
    for each in range(20):
        record(state, f"b{number}-{each}", Drill(float(each), "x"))


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    """Each waits for the other."""
    spawn = get_context("spawn")
    writers = [spawn.Process(target=_record, args=(tmp_path, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert len(drilled(tmp_path)) == 60
