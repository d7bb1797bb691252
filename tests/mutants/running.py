"""
The tests, run against mutants, each in a forked process that is thrown away.

The quick way begins where the tests are collected already, and exchanges the code of one function: a mutant takes about
as long as the tests do that notice it. What no test notices that way, and what is not inside a function, is tried again
with all tests and the changed module imported afresh, which leaves no doubt. The changes are made in memory: nothing is
ever written.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.machinery
import importlib.util
import inspect
import json
import os
import resource
import signal
import sys
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

CPU: Final = 3.0
"""Seconds of processor time that any test may take beyond twenty times what it took before."""

WALL: Final = 15.0
"""Seconds on the clock that it may take beyond that, on a machine that is busy: for those that wait for ever."""

PATIENCE: Final = 20

NEVER_YET: Final = 10.0
"""Seconds that a test is taken to need before it was run for the first time."""

MEMORY: Final = 4 * 2**30
"""Bytes that a mutant may take, so that an endless loop that collects ends as a failed test."""

STACK: Final = 2**20
"""Bytes of a thread's stack: some tests leave a thousand threads behind."""

SLOW: Final = 1.0
"""Seconds from which on a test is left to the second way: whoever survives would wait for it twice."""

KILLERS: Final = 12
"""Tests that failed last: they are run first, since the next mutant is often the neighbour of the one before."""

FAILED: Final = 1
NOTHING_TESTED: Final = 5
BROKEN: Final = 3


@dataclass(frozen=True)
class Change:
    """
    One module, and what is put in its place.

    Attributes:
        module: Its name.
        filename: Where its source is.
        where: The function or class in it that is changed; empty for what is in neither.
        code: Makes the code of the changed module.
    """

    module: str
    filename: str
    where: str
    code: Callable[[], CodeType]


@dataclass
class Ended:
    """
    How a run of the tests ended.

    Attributes:
        status: What pytest returned; negative where a signal ended it.
        failed: The first test that failed.
        hung: The test that was running when the time was over.
        seconds: How long each test took.
        imported: What the run imported of others.
    """

    status: int
    failed: str | None = None
    hung: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    imported: list[str] = field(default_factory=list)

    @property
    def how(self) -> str:
        """In one word."""
        return "endless" if self.hung else "survived" if self.status == 0 else "killed"


class Bench:
    """
    Runs tests in processes of their own.

    Args:
        tests: Files and folders; what they need from elsewhere than this folder is imported here, once.
    """

    def __init__(self, tests: Sequence[str]) -> None:
        hypothesis.settings.register_profile(
            "mutants",
            derandomize=True,  # who dies today dies tomorrow
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),  # that it fails is all that is asked
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        self._seconds: dict[str, float] = {}
        for name in self.clean([*tests, "--collect-only"]).imported:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()

    def clean(self, tests: Sequence[str]) -> Ended:
        """Run tests as things are; how long each takes then is what it is measured by later."""
        ended = self._run(tests, None, None)
        self._seconds |= ended.seconds
        return ended

    def run(self, tests: Sequence[str], change: Change) -> Ended:
        """Run tests until one fails, with the changed module imported afresh."""
        return self._run(tests, change, self._seconds)

    def _run(self, tests: Sequence[str], change: Change | None, seconds: dict[str, float] | None) -> Ended:
        with _said() as said:
            return _ended_in_a_fork(said, lambda: _afresh(_Watch(said, seconds), tests, change))

    def quick(self, tests: Sequence[str], changes: Sequence[Change]) -> list[Ended | None]:
        """
        Return how tests end for each change, or `None` where that cannot be found out in this way.

        Args:
            tests: Files and folders.
            changes: What is changed, one at a time.
        """
        with _said() as said:
            exchange = _Exchange(changes, self._seconds, said)
            ended = _ended_in_a_fork(said, lambda: _pytest(tests, exchange), limited=False)
            if ended.status != 0:
                raise RuntimeError(f"the tests of {tests} could not be run: {ended.status}")
            said.seek(0)
            found: list[Ended | None] = [None] * len(changes)
            for line in said:
                number, fields = json.loads(line)
                found[number] = Ended(**fields) if fields is not None else None
            return found


# --- forks


def _ended_in_a_fork(said: IO[bytes], run: Callable[[], int], *, limited: bool = True) -> Ended:
    """Run it in a process of its own, and return how that ended and what it said."""
    child = os.fork()
    if child == 0:
        _become(run, limited=limited)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it has left behind
    ended = Ended(status)
    if not limited:
        return ended
    said.seek(0)
    running = "import"
    for line in said:
        what, value = json.loads(line)
        match what:
            case "begins":
                running = value
            case "failed":
                ended.failed = ended.failed or value
            case "took":
                ended.seconds[value[0]] = ended.seconds.get(value[0], 0.0) + value[1]
            case "imported":
                ended.imported = value
    if status in {-signal.SIGPROF, -signal.SIGALRM}:
        ended.hung = running
    return ended


def _become(run: Callable[[], int], *, limited: bool) -> NoReturn:
    try:
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        if limited:
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            threading.stack_size(STACK)
            _allow_time(NEVER_YET)
        status = run()
    except BaseException:  # noqa: BLE001 - a mutant may break pytest itself
        status = BROKEN
    os._exit(status)


def _allow_time(usual: float) -> None:
    """Give what begins its time; when it is over the system ends the process, in whatever loop that is."""
    signal.setitimer(signal.ITIMER_PROF, CPU + PATIENCE * usual)
    signal.setitimer(signal.ITIMER_REAL, WALL + PATIENCE * usual)


@contextlib.contextmanager
def _said() -> Iterator[IO[bytes]]:
    """Open what a fork writes to: a file, since it says more than a pipe holds."""
    with tempfile.TemporaryFile() as said:
        yield said


def _pytest(tests: Sequence[str], plugin: object) -> int:
    without = ("cacheprovider", "xdist", "pytest_cov")
    known = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # hypothesis was imported before pytest began
    options = ("-x", "--hypothesis-profile=mutants", *known, *(f"-pno:{name}" for name in without))
    return int(pytest.main([*tests, *options], plugins=[plugin]))


class _Watch:
    """Writes down what happens, a line each."""

    def __init__(self, said: IO[bytes], seconds: dict[str, float] | None) -> None:
        self._said = said.fileno()
        self._seconds = seconds

    def say(self, what: str, value: Any) -> None:
        os.write(self._said, json.dumps([what, value]).encode() + b"\n")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.say("begins", nodeid)
        _allow_time(NEVER_YET if self._seconds is None else self._seconds.get(nodeid, 0.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.say("took", (report.nodeid, report.duration))
        if report.failed:
            self.say("failed", report.nodeid)


# --- afresh


def _afresh(watch: _Watch, tests: Sequence[str], change: Change | None) -> int:
    changed = _Changed(change) if change is not None else None
    if changed is not None:
        sys.meta_path.insert(0, changed)
    status = _pytest(tests, watch)
    watch.say("imported", _imported())
    if status == 0 and changed is not None and not changed.used:
        return NOTHING_TESTED
    return status


def _imported() -> list[str]:
    """Return the modules that are not from this folder, and may be imported by name."""
    specs = {name: getattr(module, "__spec__", None) for name, module in sys.modules.items()}
    return [
        name
        for name, spec in specs.items()
        if spec is not None
        and spec.name == name
        and type(spec.loader) is importlib.machinery.SourceFileLoader
        and not Path(spec.origin).is_relative_to(Path.cwd())
    ]


class _Changed(importlib.machinery.SourceFileLoader):
    """Imports one module as its mutant, the others as ever."""

    def __init__(self, change: Change) -> None:
        super().__init__(change.module, change.filename)
        self._code = change.code
        self.used = False

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> Any:  # noqa: ARG002
        """Find the one module."""
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - it has one
        """Return the mutant."""
        self.used = True
        return self._code()


# --- where the tests are collected already


class _Exchange:
    """A plugin that runs the collected tests for each change, in a fork, instead of running them."""

    def __init__(self, changes: Sequence[Change], seconds: dict[str, float], said: IO[bytes]) -> None:
        self._changes = changes
        self._seconds = seconds
        self._said = said
        self._killers: deque[str] = deque(maxlen=KILLERS)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        gc.collect()
        gc.freeze()
        for number, change in enumerate(self._changes):
            ended = self._ended(session, change)
            fields = None if ended is None else {"status": ended.status, "failed": ended.failed, "hung": ended.hung}
            os.write(self._said.fileno(), json.dumps([number, fields]).encode() + b"\n")
        return True

    def _ended(self, session: pytest.Session, change: Change) -> Ended | None:
        with _said() as said:
            ended = _ended_in_a_fork(said, lambda: self._run(_Watch(said, self._seconds), session, change))
        if ended.status == NOTHING_TESTED:
            return None
        if ended.failed is not None:
            if ended.failed in self._killers:
                self._killers.remove(ended.failed)
            self._killers.appendleft(ended.failed)
        return ended

    def _run(self, watch: _Watch, session: pytest.Session, change: Change) -> int:
        if not exchanged(change):
            return NOTHING_TESTED
        order = self._seconds | {name: place - KILLERS for place, name in enumerate(self._killers)}
        quick = [item for item in session.items if order.get(item.nodeid, 0.0) < SLOW]
        items = sorted(quick, key=lambda item: order.get(item.nodeid, 0.0))
        session.config.pluginmanager.register(watch)
        for item, following in zip(items, [*items[1:], None], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail or session.testsfailed:
                return FAILED
        return 0


def exchanged(change: Change) -> bool:
    """Give the function that is changed its new code; `False` where there is none, or it cannot be given that."""
    code = change.code()
    holder: Any = sys.modules[change.module]
    for name in change.where.split("."):
        parts = [one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name]
        if not parts:
            return False
        code, holder = parts[0], vars(holder)[name]
        if not isinstance(holder, type):
            break
    function: Any = inspect.unwrap(getattr(holder, "fget", holder))  # of a property, what it reads with
    if not isinstance(function, FunctionType) or len(code.co_freevars) != len(function.__code__.co_freevars):
        return False
    function.__code__ = code
    return True
