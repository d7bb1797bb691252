"""The gate's file: written in place, whole after each kill, never believed where it is damaged."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard import gate_file
from aiguard.gate_file import HALF, HEAD, SIZE, BrokenError, GateFile, NewerError
from aiguard.state_directory import UnusableError
from tests.halting import add, halt, halt_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.gate_file import Halts

ONE = halt_of("triage")
TWO = halt_of("summary", key="tenant-7", until=7.0)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return where a state directory may be made."""
    return tmp_path / "state"


def test_it_is_made_in_full_for_its_owner_alone(state: Path) -> None:
    """As large as it may ever get, so that a full disk cannot stop a halt; nothing else is left in the directory."""
    file = GateFile(state)
    file.make()
    file.make()
    assert file.read() == (0, ())
    found = file.path.stat()
    assert found.st_size == SIZE
    assert found.st_blocks * 512 >= SIZE
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert [one.name for one in state.iterdir()] == ["gate"]


@pytest.mark.parametrize(("directory", "file"), [(0o755, 0o644), (0o1777, 0o664), (0o1770, 0o660), (0o700, 0o600)])
def test_its_mode_is_that_of_its_directory(state: Path, directory: int, file: int) -> None:
    """Who may read the directory may read it, and nobody may write it whom the directory does not name."""
    state.mkdir()
    state.chmod(directory)
    GateFile(state).make()
    assert stat.S_IMODE((state / "gate").stat().st_mode) == file


def test_each_change_is_read_by_whoever_has_it_open(state: Path) -> None:
    """In place: the file that was opened before says it."""
    file = GateFile(state)
    file.make()
    opened = file.open()
    before = opened.head()
    assert file.change(lambda halts: (*halts, ONE)) == (1, (ONE,))
    assert opened.head() != before
    assert opened.state()[1] == file.read() == (1, (ONE,))
    assert file.change(lambda halts: (*halts, TWO)) == (2, (ONE, TWO))
    assert file.change(lambda _: ()) == opened.state()[1] == (3, ())
    opened.check()
    opened.close()


def test_what_changes_nothing_is_not_written(state: Path) -> None:
    """But the first change is: somebody has looked, and the file says so."""
    file = GateFile(state)
    assert file.change(lambda halts: halts).generation == 1
    assert file.change(lambda halts: halts).generation == 1


def test_an_error_of_the_change_leaves_everything_as_it_was(state: Path) -> None:
    """And the next one is not kept waiting."""
    halt(state, ONE)

    def failing(halts: Halts) -> Halts:
        raise LookupError(halts)

    with pytest.raises(LookupError):
        GateFile(state).change(failing)
    assert GateFile(state).change(lambda halts: (*halts, TWO)).halts == (ONE, TWO)


def test_more_halts_than_it_holds_are_refused(state: Path) -> None:
    """What was in force is in force."""
    halt(state, ONE)
    with pytest.raises(UnusableError, match="5000 halts are more than"):
        halt(state, *[ONE] * 5000)
    assert GateFile(state).read().halts == (ONE,)


class Killed(BaseException):
    """A process that ends here."""


def killed_after(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let the process be killed once it has written so many bytes."""
    real, left = os.pwrite, [size]

    def pwrite(descriptor: int, data: bytes, place: int) -> int:
        written = real(descriptor, data[: left[0]], place) if left[0] else 0
        left[0] -= written
        if written < len(data):
            raise Killed
        return written

    monkeypatch.setattr(os, "pwrite", pwrite)


def test_a_writer_killed_at_any_byte_leaves_the_old_state_or_the_new_one(state: Path) -> None:
    """Around a carry of the generation too, whose bytes are then of both; and whoever comes next goes on from there."""
    file = GateFile(state)
    for generation in range(1, 256):
        halt(state, halt_of(str(generation)))
    seen = set()
    for size in range(1000):
        before = file.read()
        with pytest.MonkeyPatch.context() as patched:
            killed_after(patched, size)
            try:
                halt(state, halt_of(f"size {size}"))
            except Killed:
                killed = True
            else:
                killed = False
        after = file.read()
        new = (before.generation + 1, (halt_of(f"size {size}"),))
        assert after in (before, new)
        seen.add((killed, after == new))
        if not killed:
            break
    assert seen == {(True, False), (True, True), (False, True)}
    assert file.change(lambda _: (ONE,)).generation > 256


@settings(max_examples=50, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from([(), (ONE,), (ONE, TWO)]), st.integers(0, 400)), max_size=6))
def test_whatever_was_killed_before_the_next_change_holds(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[Halts, int]]
) -> None:
    """What is read is always the last change that was not killed, or the one that was."""
    state = tmp_path_factory.mktemp("state") / "state"
    file = GateFile(state)
    file.make()
    possible: list[Halts] = [()]
    for halts, size in changes:
        with pytest.MonkeyPatch.context() as patched:
            killed_after(patched, size)
            try:
                halt(state, *halts)
            except Killed:
                possible = [*possible, halts]
            else:
                possible = [halts]
        found = file.read().halts
        assert found in possible
        possible = [found]


def write(path: Path, data: bytes, place: int) -> None:
    """Overwrite what stands there."""
    with path.open("r+b") as opened:
        opened.seek(place)
        opened.write(data)


DAMAGE = {
    "emptied": lambda path: os.truncate(path, 0),
    "cut in its head": lambda path: os.truncate(path, 20),
    "cut in its halves": lambda path: os.truncate(path, HEAD + 10),
    "no gate's": lambda path: write(path, b"elsewhat", 0),
    "zeroed": lambda path: write(path, bytes(HEAD), 0),
    "one byte of its halts": lambda path: write(path, b"x", HEAD + HALF + 40),
    "of another generation": lambda path: write(path, b"\x07", 8),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_not_believed_and_the_next_halt_makes_it_whole(
    state: Path, damage: Callable[[Path], None]
) -> None:
    """A start does not: what was in force would be covered up."""
    halt(state, ONE)
    file = GateFile(state)
    opened = file.open()
    before = opened.head()
    damage(file.path)
    file.make()
    with pytest.raises(BrokenError):
        file.read()
    with pytest.raises(BrokenError):
        opened.state()
    given: list[Halts] = []

    def another(halts: Halts) -> Halts:
        given.append(halts)
        return (TWO,)

    assert file.change(another).halts == (TWO,)
    assert opened.state()[1].halts == file.read().halts == (TWO,)
    assert opened.head() != before
    assert given in ([()], [(ONE,)])
    assert file.path.stat().st_size == SIZE
    opened.close()


def test_what_a_newer_version_wrote_is_left_alone(state: Path) -> None:
    """Neither read nor changed."""
    halt(state, ONE)
    path = state / "gate"
    write(path, b"\x02", 16)
    before = path.read_bytes()
    with pytest.raises(NewerError, match="another version, 2"):
        GateFile(state).read()
    with pytest.raises(NewerError):
        halt(state, TWO)
    assert path.read_bytes() == before


def test_a_file_that_was_replaced_is_told_from_the_one_that_is_open(state: Path) -> None:
    """Whoever has it open reads on, and learns that nobody else does."""
    halt(state, ONE)
    opened = GateFile(state).open()
    opened.check()
    (state / "gate").rename(state / "away")
    with pytest.raises(UnusableError, match="is not there"):
        opened.check()
    halt(state, TWO)
    with pytest.raises(BrokenError, match="another file"):
        opened.check()
    assert opened.state()[1].halts == (ONE,)
    opened.close()


def test_a_descriptor_that_somebody_closed_is_noticed(state: Path) -> None:
    """Its number may be another file's by now, which is neither read nor closed."""
    halt(state, ONE)
    opened = GateFile(state).open()
    os.close(opened.descriptor)
    other = os.open(__file__, os.O_RDONLY)
    assert other == opened.descriptor
    with pytest.raises(BrokenError, match="was closed"):
        opened.check()
    with pytest.raises(BrokenError):
        opened.state()
    opened.close()
    os.close(other)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.mkdir(), "is no file"),
        (lambda path: path.symlink_to("elsewhere"), "cannot be opened"),
        (os.mkfifo, "is no file"),
        (lambda path: (path.touch(), path.chmod(0o666)), "may be written to by everybody"),
    ],
    ids=["a directory", "a link", "a pipe", "writable by all"],
)
def test_what_cannot_be_trusted_is_not_read(state: Path, spoil: Callable[[Path], object], told: str) -> None:
    """Who may write it may halt boundaries, and resume them."""
    state.mkdir(mode=0o700)
    spoil(state / "gate")
    with pytest.raises(UnusableError, match=told):
        GateFile(state).read()


def test_a_file_of_somebody_else_is_not_read(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless that is who owns the directory, or the superuser."""
    halt(state, ONE)
    found = (state / "gate").stat()
    monkeypatch.setattr(os, "geteuid", lambda: found.st_uid + 1)
    flaw = gate_file._flaw_of(os.stat_result((*found[:4], found.st_uid + 7, *found[5:10])), found)
    assert flaw is not None
    assert "belongs to the user" in flaw
    assert gate_file._flaw_of(found, found) is None


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """Return a state directory of somebody to whom modes mean something: nothing is forbidden to the superuser."""
    above = Path(tempfile.mkdtemp(prefix="aiguard-tests-"))
    user = os.geteuid()
    try:
        above.chmod(0o777)
        if user == 0:
            os.seteuid(65534)
        yield above / "state"
    finally:
        os.seteuid(user)
        shutil.rmtree(above)


def test_a_halt_goes_through_a_file_that_nobody_may_read(forbidden: Path) -> None:
    """It is the owner's own: its mode is set right."""
    state = forbidden
    halt(state, ONE)
    opened = GateFile(state).open()
    (state / "gate").chmod(0)
    with pytest.raises(UnusableError, match="cannot be opened"):
        opened.check()
    assert opened.state()[1].halts == (ONE,)
    halt(state, TWO)
    opened.check()
    assert opened.state()[1].halts == (TWO,)
    opened.close()


def test_a_halt_goes_through_in_a_directory_that_nothing_can_be_made_in(forbidden: Path) -> None:
    """The file is there, and it is written in place."""
    state = forbidden
    halt(state, ONE)
    state.chmod(0o500)
    try:
        halt(state, TWO)
    finally:
        state.chmod(0o700)
    assert GateFile(state).read().halts == (TWO,)


def test_where_it_cannot_be_made_that_is_said(forbidden: Path) -> None:
    """With the directory, and why."""
    state = forbidden
    state.mkdir(mode=0o500)
    with pytest.raises(UnusableError, match="cannot be made: Permission denied"):
        GateFile(state).make()
    with pytest.raises(UnusableError, match="cannot be made: Permission denied"):
        halt(state, ONE)


def test_a_halt_needs_no_room_on_the_disk(state: Path) -> None:
    """What it writes was there before: a limit on how large files may grow stands for a disk that is full."""
    halt(state, ONE)
    pid = os.fork()
    if pid == 0:  # pragma: no cover - another process
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE, SIZE))
        try:
            halt(state, *[TWO] * 1000)
        except BaseException:  # noqa: BLE001 - the parent sees it by the code
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(GateFile(state).read().halts) == 1000


def _writing(state: Path, name: str) -> None:
    for number in range(50):
        add(state, halt_of(f"{name}-{number}"))


def test_several_writers_lose_nothing_and_readers_see_whole_states(state: Path) -> None:
    """Processes, and threads of one process, take turns; who reads takes none."""
    GateFile(state).make()
    context = get_context("spawn")
    processes = [context.Process(target=_writing, args=(state, f"process-{number}")) for number in range(3)]
    threads = [threading.Thread(target=_writing, args=(state, f"thread-{number}")) for number in range(2)]
    writers: list[Any] = [*processes, *threads]
    for writer in writers:
        writer.start()
    opened = GateFile(state).open()
    sizes = []
    while any(writer.is_alive() for writer in writers):
        sizes.append(len(opened.state()[1].halts))
    for writer in writers:
        writer.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    found = opened.state()[1]
    assert found.generation == 250
    assert len({halt.boundary for halt in found.halts}) == 250
    assert sizes == sorted(sizes)
    opened.close()


TRUNCATED = """
import mmap, os, sys
from pathlib import Path
from aiguard.gate_file import GateFile, BrokenError
state = Path(sys.argv[1])
file = GateFile(state)
file.make()
if sys.argv[2] == "mapped":
    opened = os.open(file.path, os.O_RDONLY)
    mapped = mmap.mmap(opened, 0, prot=mmap.PROT_READ)
    os.truncate(file.path, 0)
    mapped[:64]
else:
    opened = file.open()
    os.truncate(file.path, 0)
    try:
        opened.state()
    except BrokenError as error:
        print(error)
"""


def test_a_map_of_it_would_end_the_process_where_somebody_truncates_it(state: Path) -> None:
    """Reading it does not: that is why it is read (decision 0014)."""

    def run(how: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", TRUNCATED, str(state / how), how], capture_output=True, text=True, check=False
        )

    assert run("mapped").returncode == -signal.SIGBUS
    read = run("read")
    assert (read.returncode, read.stderr) == (0, "")
    assert "is truncated" in read.stdout


def test_a_disk_that_keeps_nothing_does_not_stop_a_halt(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in force before the disk is asked; that it may be lost with the machine is logged."""
    GateFile(state).make()

    def sync(_: int) -> None:
        assert GateFile(state).read().halts == (ONE,)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(gate_file, "_sync", sync)
    halt(state, ONE)
    assert "may be lost where the machine stops: Input/output error" in caplog.text


def test_a_halt_does_not_wait_for_ever_for_who_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock takes no right to write: whoever holds one is told of, and nothing is changed."""
    monkeypatch.setattr("aiguard.gate_file.PATIENCE", 0.01)
    file = GateFile(tmp_path)
    file.make()
    with file.path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        with pytest.raises(UnusableError, match="held by another process"):
            file.change(lambda _: (halt_of(),))
    assert file.read().halts == ()
    assert file.change(lambda _: (halt_of(),)).halts == (halt_of(),)
