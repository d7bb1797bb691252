"""The configuration of this process: put in force, loaded again, watched."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiguard.call import logger
from aiguard.config.application import apply
from aiguard.config.configuration import Configuration
from aiguard.config.contents import UnreadableFileError, contents
from aiguard.config.pace import Pace
from aiguard.config.text import no_pause
from aiguard.errors import PolicyError
from aiguard.overrides import IN_FORCE, AsCoded
from aiguard.problem import Position, Problem
from aiguard.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

FILE_VARIABLE: Final = "AIGUARD_CONFIG"
FILE: Final = "aiguard.yaml"

GLANCE: Final = 0.25
"""Seconds between two looks at a watched file; a change is taken once two looks agree on it, after half a second."""

REMINDER: Final = 60.0
"""Seconds after which a file that was refused, and is still there, is told of again."""


_UNSEEN: Final = object()
"""What no file holds."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    What is in force, and what is not.

    Attributes:
        file: The file's name; `None` where only the environment is read.
        digest: SHA-256 of the contents that are in force, as hex digits.
        problems: Why what the file holds now is not in force; empty where it is.
    """

    file: str | None
    digest: str
    problems: tuple[Problem, ...]


def _nobody(loaded: Loaded) -> None:
    """Hear of a configuration."""


came_into_force: Callable[[Loaded], None] = _nobody
"""Hears of each configuration that came into force: the record of control events, once it is loaded."""


class Live:
    """
    The configuration of this process.

    Args:
        file: The file; `None` for the environment alone.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file.absolute() if file is not None else None  # not resolved: a ConfigMap swaps its links
        self._seen: object = _UNSEEN
        self._glimpsed: object = _UNSEEN
        self._looks = 0
        self._unreadable = ""
        self._over = threading.Event()
        self.watched = False
        self.status = Loaded(None if file is None else str(file), "", ())

    def load(self) -> None:
        """Read the file and the environment and put them in force. Raises `PolicyError`; then nothing has changed."""
        with _PROCESS.lock:
            self._load(self._contents(), no_pause)

    def look(self) -> None:
        """Look at the file once: take a change that two looks agree on, tell again of one that was refused."""
        with _PROCESS.lock:
            if self._over.is_set() or _PROCESS.live is not self:
                return
            data = self._contents()
            changed, settled = data != self._seen, data == self._glimpsed
            self._glimpsed = data
            self._looks += 1
            if changed and settled:
                try:
                    self._load(data, Pace())
                except PolicyError as error:
                    self._tell(error.problems)
            elif self.status.problems and self._looks * GLANCE >= REMINDER:
                events.configuration_refused(self.status.file or "", len(self.status.problems))
                self._tell(self.status.problems)

    def watch(self) -> None:
        """Look at the file again and again, in a thread of its own that ends with the process."""
        self.watched = True
        threading.Thread(target=self._watch, name="aiguard.watch", daemon=True).start()

    def stop(self) -> None:
        """Look at the file no more."""
        self.watched = False
        self._over.set()

    def forked(self, *, half_way: bool) -> None:
        """Go on in a forked process, where the parent's threads are not; `half_way`: while one of them was loading."""
        if half_way:
            self._seen = _UNSEEN  # the next look loads again
        self._over = threading.Event()
        if self.watched:
            self.watch()

    def _watch(self) -> None:
        over = self._over
        while not over.wait(GLANCE):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the next look may do better, and nobody else would tell
                logger.exception("watching %s failed", self.status.file)

    def _contents(self) -> bytes | None:
        """Return what is in the file; `None` where it cannot be read."""
        if self._file is None:
            return b""
        try:
            return contents(self._file)
        except UnreadableFileError as error:
            self._unreadable = str(error)
            return None

    def _load(self, data: bytes | None, breathe: Callable[[], None]) -> None:
        self._seen = data
        _PROCESS.loading = True
        try:
            if data is None:
                raise PolicyError(Problem(self._unreadable, position=self._whole))  # noqa: TRY301 - told below
            configuration = Configuration(self.status.file, data, os.environ.copy(), breathe).checked()
            changed = apply(configuration, breathe)
        except PolicyError as error:
            self._refused(error.problems)
            raise
        except Exception as error:
            self._refused((Problem(f"loading it failed: {type(error).__name__}", position=self._whole),))
            raise
        finally:
            _PROCESS.loading = False
        self.status = Loaded(self.status.file, configuration.digest, ())
        events.configured(self.status.file or "", configuration.digest, changed)
        came_into_force(self.status)
        if _PROCESS.again:  # somebody asked for it meanwhile
            _PROCESS.again = False
            self._load(self._contents(), breathe)

    @property
    def _whole(self) -> Position:
        return Position(str(self.status.file))

    def _refused(self, problems: tuple[Problem, ...]) -> None:
        _PROCESS.again = False
        self.status = Loaded(self.status.file, self.status.digest, problems)
        events.configuration_refused(self.status.file or "", len(problems))

    def _tell(self, problems: tuple[Problem, ...]) -> None:
        """Log what nobody who could be raised at hears of."""
        self._looks = 0
        told = "\n".join(map(str, problems))
        logger.error("the configuration was refused, what was in force stays in force:\n%s", told)


class _Process:
    """
    What is configured in this process.

    Attributes:
        live: What `configure` made.
        as_coded: Whether `configure` and `reload` do nothing, for who asks what the code alone says.
        lock: Held while one thread loads, or puts another configuration in the place of this one.
        loading: Whether it loads: seen by who holds the lock already, and so was called by what is being loaded.
        again: Whether it was asked to load again meanwhile.
    """

    def __init__(self) -> None:
        self.live: Live | None = None
        self.as_coded = False
        self.forked()

    def forked(self) -> None:
        """Start with a fresh lock: in a forked process nobody is left to release the old one."""
        self.lock = threading.RLock()
        self.loading = False
        self.again = False


_PROCESS: Final = _Process()


@contextlib.contextmanager
def nothing_configured() -> Generator[None]:
    """Know no configuration at first, and afterwards only the one that was known before: for tests of their own."""
    with _PROCESS.lock, IN_FORCE.lock:
        before = _PROCESS.live, IN_FORCE.overrides
        _PROCESS.live, IN_FORCE.overrides = None, AsCoded()
    try:
        yield
    finally:
        with _PROCESS.lock, IN_FORCE.lock:
            if _PROCESS.live is not None:
                _PROCESS.live.stop()
            _PROCESS.live, IN_FORCE.overrides = before


@contextlib.contextmanager
def as_coded() -> Generator[None]:
    """Let boundaries be what the code says, whatever it configures meanwhile."""
    with nothing_configured():
        _PROCESS.as_coded = True
        try:
            yield
        finally:
            _PROCESS.as_coded = False


def configure(file: str | os.PathLike[str] | None = None, *, watch: bool = False) -> None:
    """
    Lay policies from a file, and from the environment, over those in code.

    The environment wins over the file's block of a boundary, that over code, and code over the file's `defaults`
    block, setting by setting. Boundaries declared later follow it too. A second call takes the place of the first.

    Args:
        file: YAML or TOML, by its ending; by default what `AIGUARD_CONFIG` names, else `aiguard.yaml` where there is
            one, else none: then the environment alone is read.
        watch: Whether changes of the file come into force by themselves, within a second. Off by default: it costs a
            thread. A file that is refused changes nothing, and is told of every minute until it is mended.

    Raises:
        PolicyError: With everything that is wrong, each with its place in the file; then nothing has changed. Also
            where there is no file to watch.
    """
    if _PROCESS.as_coded:
        return
    live = Live(path_of_file(file))
    if watch and live.status.file is None:
        raise PolicyError(f"there is nothing to watch: no file was named, and there is no {FILE} in {Path.cwd()}")
    with _PROCESS.lock:
        if _PROCESS.loading:
            raise PolicyError(
                "`configure` was called while a configuration is being loaded, by a module that it imports: "
                "call it where the program begins"
            )
        live.load()
        if _PROCESS.live is not None:
            _PROCESS.live.stop()
        _PROCESS.live = live
        if watch:
            live.watch()


def reload() -> None:
    """
    Load the configuration again, now.

    It reads a file and may import modules: from an event loop, call it in a thread.

    Raises:
        PolicyError: With everything that is wrong; then nothing has changed. Also where nothing was configured.
    """
    if _PROCESS.as_coded:
        return
    with _PROCESS.lock:
        if _PROCESS.loading:
            _PROCESS.again = True  # a signal handler, or a module that is being imported: who loads does it once more
        else:
            _live().load()


def configured() -> Loaded:
    """Return what is in force. Raises `PolicyError` where nothing was configured."""
    return _live().status


def _live() -> Live:
    if _PROCESS.live is None:
        raise PolicyError("nothing is configured in this process: call `aiguard.configure(…)` first")
    return _PROCESS.live


def path_of_file(file: str | os.PathLike[str] | None) -> Path | None:
    """Return the file to be read: the one given, else what the environment names, else the default where it exists."""
    named = file if file is not None else os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    default = Path(FILE)
    return default if default.exists() else None


def _after_fork() -> None:
    half_way = _PROCESS.loading
    _PROCESS.forked()
    if _PROCESS.live is not None:
        _PROCESS.live.forked(half_way=half_way)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
