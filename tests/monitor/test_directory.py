"""The directory that processes share: whose it must be, and what names its sockets have."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiguard.monitor import directory
from aiguard.monitor.directory import (
    Entry,
    address_of,
    check,
    entries,
    is_running,
    made,
    remove_stale,
    sockets_in,
)
from aiguard.state_directory import UnusableError, state_directory

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_directory_is_what_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the caller, else by the environment, else the user's own."""
    monkeypatch.setenv("AIGUARD_STATE", "/srv/state")
    assert state_directory("/srv/mine") == Path("/srv/mine")
    assert state_directory() == Path("/srv/state")
    monkeypatch.setenv("AIGUARD_STATE", "")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/anna/state")
    assert state_directory() == Path("/home/anna/state/aiguard")
    monkeypatch.setenv("XDG_STATE_HOME", "relative, and so of no account")
    monkeypatch.setenv("HOME", "/home/anna")
    assert state_directory() == Path("/home/anna/.local/state/aiguard")
    monkeypatch.chdir(tmp_path)
    assert state_directory("here") == tmp_path / "here"


def test_nobody_without_a_home_is_left_guessing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to set."""

    def nowhere() -> Path:
        raise RuntimeError

    monkeypatch.delenv("AIGUARD_STATE", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UnusableError, match="AIGUARD_STATE"):
        state_directory()


def test_it_is_made_for_its_owner_alone(state: Path) -> None:
    """With everything above it."""
    new = state / "deep" / "er"
    made(new)
    assert sockets_in(new).stat().st_mode & 0o777 == 0o700
    assert new.stat().st_mode & 0o777 == 0o700
    assert check(new)
    made(new)


def a_file(path: Path) -> None:
    """Put a file where the directory should be."""
    path.write_text("")


def a_link(path: Path) -> None:
    """Put a link to somewhere else there."""
    path.symlink_to("/tmp")


def for_everybody(path: Path) -> None:
    """Let everybody write into it."""
    path.mkdir()
    path.chmod(0o777)


def of_another(path: Path) -> None:
    """Give it to somebody else."""
    path.mkdir()
    os.chown(path, 12345, 12345)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (a_file, "no directory|File exists|Not a directory"),
        (a_link, "no directory|File exists"),
        (for_everybody, "may be written to by others"),
        pytest.param(
            of_another,
            "belongs to the user 12345",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a directory away"),
        ),
    ],
)
def test_what_others_could_change_is_refused(state: Path, spoil: Callable[[Path], None], why: str) -> None:
    """They could put a socket of their own there, and tell what they like."""
    spoil(sockets_in(state))
    with pytest.raises(UnusableError, match=why):
        made(state)


def test_a_state_directory_that_others_may_write_to_is_refused(state: Path) -> None:
    """They could move the sockets away; in one with the sticky bit, as /tmp, they cannot."""
    state.chmod(0o777)
    with pytest.raises(UnusableError, match="may be written to by others"):
        made(state)
    state.chmod(0o1777)
    made(state)


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a directory away")
def test_the_superuser_may_read_anybodys(state: Path) -> None:
    """But puts no socket where another could take it away."""
    of_another(sockets_in(state))
    assert check(state, reading=True)
    with pytest.raises(UnusableError, match="belongs to"):
        check(state)


def test_where_there_is_none_there_is_none(state: Path) -> None:
    """To look is not to make one."""
    assert not check(state / "nowhere")
    assert not check(state)


@pytest.mark.parametrize("name", ["\0", "x" * 300])
def test_a_name_that_no_system_takes_is_refused(state: Path, name: str) -> None:
    """With the system's own reason."""
    with pytest.raises(UnusableError, match="cannot be"):
        made(state / name)
    with pytest.raises(UnusableError, match="cannot be"):
        check(state / name)


def test_only_sockets_of_processes_are_entries(state: Path) -> None:
    """In the order of their numbers; what else lies there is none of ours."""
    for name in ("42.sock", "7.sock", "7-1.sock", "x.sock", "7.sock.old", ".7.1.new", "7-1000.sock", "-7.sock"):
        (state / name).touch()
    assert entries(state) == [
        Entry(state / "7-1.sock", 7),
        Entry(state / "7.sock", 7),
        Entry(state / "42.sock", 42),
    ]
    assert entries(state / "nowhere") == []


@pytest.mark.parametrize("length", [10, 100, 103, 104, 107, 108, 180])
def test_a_socket_may_have_a_long_path(state: Path, length: int) -> None:
    """Longer than the system's 107 bytes: an open directory has a short name."""
    deep = state / ("d" * max(length - len(str(state)) - len("/7.sock") - 1, 1))
    deep.mkdir()
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as asking:
        with address_of(deep / "7.sock") as address:
            listening.bind(address)
        listening.listen()
        assert (deep / "7.sock").is_socket()
        with address_of(deep / "7.sock") as address:
            asking.connect(address)


def test_where_nothing_is_short_it_is_refused(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    """With the length, and what to do."""
    monkeypatch.setattr(directory, "DESCRIPTORS", state / "nowhere")
    long = state / ("d" * 120) / "7.sock"
    with pytest.raises(UnusableError, match="name a shorter directory"), address_of(long):
        pass


def test_a_stale_socket_is_taken_away(state: Path) -> None:
    """One at which somebody listens is not, nor is what is no socket."""
    path = state / "7.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        assert not remove_stale(path)
    assert remove_stale(path)
    assert not path.exists()
    path.touch()
    assert not remove_stale(path)
    assert not remove_stale(state / "nowhere")


def test_a_process_is_running_or_not() -> None:
    """This one is; one of that number cannot be."""
    assert is_running(os.getpid())
    assert is_running(1)
    assert not is_running(2**22 + 1)
