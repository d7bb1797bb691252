"""The configuration of a process: put in force, loaded again, watched."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

import aiguard
from aiguard import Boundary, Breaker, Bulkhead, CircuitOpenError, PolicyError, Retry, guard
from aiguard.config import contents, live
from aiguard.config.application import apply
from aiguard.testing import fresh_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiguard.config.live import Live
    from aiguard.testing import VirtualClock

HERE = "tests.config.importable"


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    with fresh_registry():
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a test writes its file."""
    return tmp_path / "aiguard.yaml"


def write(file: Path, block: str, **sections: str) -> None:
    """Write a file whose boundary `t` has this block."""
    indented = "\n".join(f"    {line}" for line in dedent(block).strip().splitlines())
    more = "".join(f"{name}: {text}\n" for name, text in sections.items())
    file.write_text(f"version: 1\n{more}boundaries:\n  t:\n{indented}\n", encoding="utf-8")


def test_the_file_wins_over_the_code(file: Path) -> None:
    """For boundaries that are declared already, and for those to come."""
    before = Boundary("t", deadline=1.0, retry=Retry(attempts=2))
    write(file, "deadline: 3\nowner: ops", defaults="{attempt_timeout: 500ms}")
    aiguard.configure(file)
    after = Boundary("later", deadline=1.0)
    assert (before.policy.deadline, before.policy.owner, before.policy.retry) == (3.0, "ops", Retry(attempts=2))
    assert before.policy.attempt_timeout == after.policy.attempt_timeout == 0.5
    assert aiguard.configured().problems == ()
    assert aiguard.configured().file == str(file)


def test_a_name_alone_is_enough(file: Path) -> None:
    """The file says the rest: contract, ladder, deadline."""
    write(file, f"deadline: 1\nisolation: inline\noutput: {HERE}:Triage\nfallback: [{{call: '{HERE}:rules'}}]")
    aiguard.configure(file)

    @guard("t")
    def triage(ticket: str) -> str:
        return ticket

    assert triage("an invoice").category == "billing"  # type: ignore[attr-defined]
    assert triage.outcome("hello").rung == "rules"


def test_a_pending_boundary_is_completed(file: Path) -> None:
    """Declared without a deadline, it refuses calls until the file gives it one."""

    @guard("t", isolation="inline")
    def answer() -> str:
        return "yes"

    with pytest.raises(PolicyError, match="deadline"):
        answer()
    write(file, "deadline: 1")
    aiguard.configure(file)
    assert answer() == "yes"


def test_without_a_file_the_environment_alone_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is named and none is there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIGUARD_CONFIG", raising=False)
    monkeypatch.setenv("AIGUARD__T__DEADLINE", "9s")
    aiguard.configure()
    assert Boundary("t", deadline=1.0).policy.deadline == 9.0
    assert aiguard.configured() == aiguard.Loaded(None, "", ())


def test_the_environment_names_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`AIGUARD_CONFIG`, else `aiguard.yaml` in the current folder."""
    write(file, "deadline: 5")
    monkeypatch.setenv("AIGUARD_CONFIG", str(file))
    aiguard.configure()
    assert Boundary("t").policy.deadline == 5.0
    monkeypatch.delenv("AIGUARD_CONFIG")
    monkeypatch.chdir(file.parent)
    write(file, "deadline: 6")
    aiguard.configure()
    assert aiguard.get("t").policy.deadline == 6.0
    monkeypatch.setenv("AIGUARD_CONFIG", "nowhere.yaml")
    with pytest.raises(PolicyError, match=r"^nowhere.yaml: cannot be read: No such file"):
        aiguard.configure()


def test_before_it_is_configured_there_is_nothing_to_reload() -> None:
    """The message says what to call."""
    for ask in (aiguard.reload, aiguard.configured):
        with pytest.raises(PolicyError, match=r"aiguard\.configure"):
            ask()


def test_a_bad_file_changes_nothing(file: Path) -> None:
    """Not even the boundaries that it is right about; what is wrong is told, with places, until it is mended."""
    good, bad = Boundary("t", deadline=1.0), Boundary("u", deadline=1.0)
    write(file, "deadline: 2")
    aiguard.configure(file)
    digest = aiguard.configured().digest
    file.write_text("version: 1\nboundaries:\n  t: {deadline: 3}\n  u: {deadline: 4, attempt_timeout: 5}\n")
    with pytest.raises(PolicyError, match=r"aiguard.yaml:4:20: boundary 'u': setting `attempt_timeout`=5") as caught:
        aiguard.reload()
    assert (good.policy.deadline, bad.policy.deadline) == (2.0, 1.0)
    assert aiguard.configured() == aiguard.Loaded(str(file), digest, caught.value.problems)
    assert Boundary("v", deadline=1.0).policy.deadline == 1.0
    write(file, "deadline: 3")
    aiguard.reload()
    assert good.policy.deadline == 3.0
    assert aiguard.configured().problems == ()


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (f"output: {HERE}:Triage\nfallback: [{{value: {{category: other}}}}]", [":6:", "`fallback[0]`", "priority"]),
        (f"fallback: [{{call: '{HERE}:question'}}, {{value: 1}}]\noutput: {HERE}:Triage", [":5:", "`fallback[1]`"]),
        ("isolation: thread", [":5:", "`isolation`", "event loop"]),
        ("stream: buffer", [":5:", "`stream`", "no generator"]),
        (f"fallback: [{{call: '{HERE}:WAIT'}}]", [":5:", "`fallback[0]`", "arguments"]),
    ],
)
@pytest.mark.parametrize("first", ["code", "file"])
def test_what_does_not_fit_the_code_is_told_with_its_line(file: Path, block: str, words: list[str], first: str) -> None:
    """A floor that breaks its contract, a rung that cannot answer: whichever of file and code is there first."""

    def declare() -> None:
        @guard("t")
        async def triage(ticket: str) -> str:
            return ticket

    def configure() -> None:
        aiguard.configure(file)

    write(file, f"deadline: 1\n{block}")
    steps = [declare, configure] if first == "code" else [configure, declare]
    with pytest.raises(PolicyError) as caught:
        [step() for step in steps]
    (told,) = map(str, caught.value.problems)
    assert told.startswith(str(file))
    for word in words:
        assert word in told


def test_the_shape_of_a_guarded_function_cannot_change(file: Path) -> None:
    """Its callers hold it already; before it is guarded, a file may declare the shape."""

    @guard("t", deadline=1.0)
    async def answer() -> str:
        return "yes"

    write(file, "shape: sync")
    with pytest.raises(PolicyError, match=r":4:5: boundary 't': setting `shape`='sync': .* guarded as 'async'"):
        aiguard.configure(file)
    write(file, "shape: async")
    aiguard.configure(file)
    assert answer.boundary.policy.shape == "async"


def test_a_second_configuration_takes_the_place_of_the_first(tmp_path: Path) -> None:
    """What only the first one said falls back to the code; a second one that is refused changes nothing."""
    boundary = Boundary("t", deadline=1.0)
    first, second = tmp_path / "one.yaml", tmp_path / "two.yaml"
    write(first, "owner: one")
    write(second, "deadline: 2")
    aiguard.configure(first)
    with pytest.raises(PolicyError, match="cannot be read"):
        aiguard.configure(tmp_path / "three.yaml")
    assert boundary.policy.owner == aiguard.get("t").policy.owner == "one"
    aiguard.configure(second)
    assert aiguard.get("t").policy == aiguard.Policy(deadline=2.0)


# --- what a reload keeps


def test_an_open_breaker_stays_open(file: Path, clock: VirtualClock) -> None:
    """It is the same breaker, with its listeners, whatever else changes; also where its own settings do."""
    del clock

    @guard("t", deadline=1.0, isolation="inline", breaker=Breaker(minimum_calls=1))
    def broken() -> None:
        raise ConnectionError

    breaker = broken.boundary.breaker
    assert broken.outcome().failure.kind == "connection"  # type: ignore[union-attr]
    write(file, "deadline: 3\nbreaker: {minimum_calls: 5, open_for: 60}")
    aiguard.configure(file)
    assert broken.boundary.breaker is breaker
    with pytest.raises(CircuitOpenError):
        broken()


def test_what_was_switched_by_hand_stays_switched(file: Path) -> None:
    """A reload that does not speak of `mode` does not switch a halted boundary on; one that changes it does."""
    boundary = Boundary("t", deadline=1.0)
    boundary.mode = "off"
    for block, mode in [("deadline: 2", "off"), ("mode: on", "off"), ("mode: off", "off"), ("mode: on", "on")]:
        write(file, block)
        aiguard.configure(file)
        assert boundary.mode == mode


def test_a_call_finishes_under_the_policy_it_began_with(file: Path, clock: VirtualClock) -> None:
    """Its deadline, its retries, its ladder: a reload in the middle is for the next call."""
    write(file, "deadline: 10\nretry: {attempts: 2, wait: {wait_fixed: {wait: 1}}}\nfallback: [{value: old}]")
    aiguard.configure(file)
    calls: list[int] = []

    @guard("t")
    async def broken() -> str:
        calls.append(len(calls))
        if len(calls) == 1:
            write(file, "deadline: 2\nfallback: [{value: new}]")
            aiguard.reload()
        raise ConnectionError

    assert clock.run(broken()) == "old"
    assert len(calls) == 2
    assert clock.run(broken()) == "new"
    assert len(calls) == 3


def test_a_lower_limit_takes_no_permit_away(file: Path, clock: VirtualClock) -> None:
    """Three are inside when the limit becomes one: all three finish, and then one at a time goes in."""
    inside, most = 0, 0

    @guard("t", deadline=100.0, bulkhead=Bulkhead(limit=3, queue=9))
    async def work(seconds: float) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(seconds)
        inside -= 1

    async def scenario() -> list[int]:
        nonlocal most
        first = [asyncio.ensure_future(work(1.0 + number)) for number in range(3)]
        await asyncio.sleep(0.5)
        write(file, "bulkhead: {limit: 1}")
        aiguard.configure(file)
        assert work.boundary.bulkhead is not None
        counts = [inside, work.boundary.bulkhead.limit, work.boundary.bulkhead.queue]
        await asyncio.gather(*first)
        most = 0
        await asyncio.gather(*(work(1.0) for _ in range(4)))
        return [*counts, most, work.boundary.bulkhead.in_flight]

    assert clock.run(scenario()) == [3, 1, 9, 1, 0]


def test_who_waits_goes_in_when_the_limit_is_raised(file: Path, clock: VirtualClock) -> None:
    """At once, not when somebody leaves."""

    @guard("t", deadline=100.0, bulkhead=Bulkhead(limit=1, queue=9))
    async def work() -> float:
        began = clock.now()
        await asyncio.sleep(10.0)
        return began - clock.start

    async def scenario() -> list[float]:
        calls = [asyncio.ensure_future(work()) for _ in range(3)]
        await asyncio.sleep(1.0)
        write(file, "bulkhead: {limit: 3}")
        aiguard.configure(file)
        return await asyncio.gather(*calls)

    assert clock.run(scenario()) == pytest.approx([0.0, 1.0, 1.0], abs=0.01)


def test_a_boundary_may_be_another_ones_rung(file: Path) -> None:
    """Named in the file, looked up when it is needed: whichever is declared first."""
    write(file, "deadline: 1\nisolation: inline\nfallback: [{boundary: smaller}, {value: floor}]")
    aiguard.configure(file)

    @guard("t")
    def larger(text: str) -> str:
        raise ConnectionError(text)

    with pytest.raises(PolicyError, match=r"`fallback\[0\]`='smaller': no function is guarded"):
        larger("x")

    @guard("smaller", deadline=1.0, isolation="inline")
    def smaller(text: str) -> str:
        return text.upper()

    outcome = larger.outcome("x")
    assert (outcome.value, outcome.rung) == ("X", "smaller")
    larger.boundary.mode = "off"
    assert larger("x") == "floor", "a guarded component is an AI rung: skipped where the call was halted"


def test_a_reload_that_names_a_boundary_that_is_not_there_is_refused(file: Path) -> None:
    """Calls run, and would have nobody to go on to: the typo is told, and nothing changes."""

    @guard("t", deadline=1.0, isolation="inline")
    def larger(text: str) -> str:
        return text

    @guard("smaller", deadline=1.0, isolation="inline")
    def smaller(text: str) -> str:
        return text

    write(file, "fallback: [{boundary: smalle}]")
    with pytest.raises(PolicyError, match=r":4:16: .*`fallback\[0\]`='smalle': .*did you mean `smaller`\?"):
        aiguard.configure(file)
    assert larger("x") == "x"
    write(file, "fallback: [{boundary: smaller}, {value: null}]")
    aiguard.configure(file)
    assert (larger("x"), smaller("y")) == ("x", "y")


@pytest.mark.parametrize("says", ["file", "code", "defaults"])
def test_a_circle_of_rungs_is_refused_whoever_says_a_part_of_it(file: Path, says: str) -> None:
    """One failure would call each of them again and again until nothing is left of the deadline."""

    @guard("t", deadline=1.0, isolation="inline")
    def first(text: str) -> str:
        return text

    ladder: dict[str, Any] = {"fallback": [first]} if says == "code" else {}

    @guard("u", deadline=1.0, isolation="inline", **ladder)
    def second(text: str) -> str:
        return text

    more = {"defaults": "{fallback: [{boundary: u}]}"} if says == "defaults" else {}
    write(file, "fallback: [{boundary: u}]", **more)
    if says == "file":
        file.write_text(file.read_text() + "  u: {fallback: [{boundary: t}]}\n")
    with pytest.raises(PolicyError, match="itself"):
        aiguard.configure(file)
    assert first.outcome("x").value == second("x")


def test_a_boundary_that_was_renamed_in_the_file_is_told_of(file: Path) -> None:
    """Its deadline stood there: the file is named, and the block that it may have become."""

    @guard("t-one")
    async def answer() -> str:
        return "yes"

    file.write_text("version: 1\nboundaries: {t-one: {deadline: 1}}\n")
    aiguard.configure(file)
    file.write_text("version: 1\nboundaries: {t-on: {deadline: 1}}\n")
    with pytest.raises(PolicyError) as caught:
        aiguard.reload()
    (problem,) = caught.value.problems
    assert str(problem.position) == str(file)
    assert "did you mean `t-on`?" in str(problem)
    assert answer.boundary.policy.deadline == 1.0


def test_what_is_taken_away_and_set_again_is_what_it_was(file: Path, clock: VirtualClock) -> None:
    """Breaker and permits: an outage is not forgotten, and who is out counts."""

    @guard("t", deadline=100.0, bulkhead=Bulkhead(limit=2, queue=9), breaker=Breaker(minimum_calls=1))
    async def work() -> None:
        await asyncio.sleep(10.0)

    breaker, permits = work.boundary.breaker, work.boundary.bulkhead
    assert breaker is not None
    assert permits is not None

    async def scenario() -> list[int]:
        calls = [asyncio.ensure_future(work()) for _ in range(5)]
        await asyncio.sleep(1.0)
        write(file, "bulkhead: null\nbreaker: null")
        aiguard.configure(file)
        assert (work.boundary.bulkhead, work.boundary.breaker) == (None, None)
        await asyncio.sleep(1.0)
        inside = [permits.in_flight, permits.queued]
        write(file, "owner: ops")
        aiguard.reload()
        late = asyncio.ensure_future(work())
        await asyncio.sleep(1.0)
        inside += [permits.in_flight, permits.queued, permits.limit]
        await asyncio.gather(*calls, late)
        return [*inside, permits.in_flight]

    assert clock.run(scenario()) == [5, 0, 5, 1, 2, 0]
    assert work.boundary.breaker is breaker
    assert work.boundary.bulkhead is permits


# --- by what is being loaded


def test_what_is_loaded_may_not_configure(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that the file names, and that calls `configure` as it is imported: told, where it hung."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "calls_configure.py").write_text("import aiguard\naiguard.configure()\n")
    write(file, "fallback: [{call: 'calls_configure:rule'}]")
    with pytest.raises(PolicyError, match=r":4:23: .*importing 'calls_configure' failed: PolicyError: `configure` was"):
        aiguard.configure(file)


def test_a_reload_during_a_reload_comes_after_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler that reloads, interrupted by the same signal: it hung. The second is done when the first is."""
    boundary = Boundary("t", deadline=1.0)
    write(file, "deadline: 2")
    aiguard.configure(file)
    turns = []

    def interrupted(*arguments: Any) -> int:
        turns.append(boundary.policy.deadline)
        if len(turns) == 1:
            write(file, "deadline: 4")
            aiguard.reload()
        return apply(*arguments)

    monkeypatch.setattr(live, "apply", interrupted)
    write(file, "deadline: 3")
    aiguard.reload()
    assert turns == [2.0, 3.0]
    assert boundary.policy.deadline == 4.0


def test_an_error_of_ours_is_told_as_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever raises: the status says that the file is not in force."""
    write(file, "deadline: 2")
    aiguard.configure(file)

    def broken(*_: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(live, "apply", broken)
    with pytest.raises(ZeroDivisionError):
        aiguard.reload()
    assert [str(problem) for problem in aiguard.configured().problems] == [
        f"{file}: loading it failed: ZeroDivisionError"
    ]


# --- watching


def test_there_has_to_be_something_to_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the wrong folder `watch=True` would watch nothing, silently."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIGUARD_CONFIG", raising=False)
    with pytest.raises(PolicyError, match=r"nothing to watch: no file was named, and there is no aiguard\.yaml in "):
        aiguard.configure(watch=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_what_is_no_file_does_not_hang(file: Path) -> None:
    """A pipe that nobody writes to, a folder, a device without end."""
    os.mkfifo(file)
    for path, words in [(file, "no regular file"), (file.parent, "(directory|regular)")]:
        with pytest.raises(PolicyError, match=words):
            aiguard.configure(path)


def test_a_file_without_end_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit nothing is read."""
    monkeypatch.setattr(contents, "LARGEST", 10)
    write(file, "deadline: 2")
    with pytest.raises(PolicyError, match="is larger than"):
        aiguard.configure(file)


def test_only_the_configuration_of_the_process_is_looked_at(file: Path) -> None:
    """A watcher that is late does not reach into a test's own world, nor out of it."""
    boundary = Boundary("t", deadline=1.0)
    write(file, "deadline: 2")
    watched = start(file)
    write(file, "deadline: 3")
    with fresh_registry():
        inner = Boundary("t", deadline=5.0)
        looks(watched)
        assert inner.policy.deadline == 5.0
    assert boundary.policy.deadline == 2.0
    looks(watched)
    assert boundary.policy.deadline == 3.0


def looks(live: Live, times: int = 2) -> None:
    """Look at the file so often."""
    for _ in range(times):
        live.look()


def start(file: Path) -> Live:
    """Return what `configure(file)` makes, to be looked with by hand."""
    aiguard.configure(file)
    configured = live._PROCESS.live
    assert configured is not None
    return configured


def test_a_change_is_taken_when_two_looks_agree(file: Path) -> None:
    """A file that is only half written at the first look is not taken as it is."""
    boundary = Boundary("t", deadline=1.0)
    write(file, "deadline: 2")
    watched = start(file)
    whole = file.read_text().replace("2", "3")
    file.write_text(whole[:11])  # `version: 1` alone is a valid file
    looks(watched, 1)
    file.write_text(whole)
    looks(watched, 1)
    assert boundary.policy.deadline == 2.0
    looks(watched, 1)
    assert boundary.policy.deadline == 3.0


def test_a_relative_path_stays_where_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon changes its folder; the file does not move."""
    write(file, "deadline: 2")
    monkeypatch.chdir(file.parent)
    aiguard.configure(file.name)
    monkeypatch.chdir("/")
    write(file, "deadline: 3")
    aiguard.reload()
    assert Boundary("t").policy.deadline == 3.0
    assert aiguard.configured().file == file.name


def test_who_is_raised_at_is_not_told_again(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`configure` and `reload` raise what is wrong; only a watcher has nobody to raise at, and logs."""
    file.write_text("version: 2")
    for load in (lambda: aiguard.configure(file), aiguard.reload):
        with pytest.raises(PolicyError):
            load()
        write(file, "deadline: 1")
        aiguard.configure(file)
        file.write_text("version: 2")
    assert caplog.text == ""


def test_every_way_to_change_a_file_is_seen(tmp_path: Path) -> None:
    """In place, by a rename, with an older mtime, and as a ConfigMap does it: a link to a link is swapped."""
    boundary = Boundary("t", deadline=1.0)
    folders = [tmp_path / "..one", tmp_path / "..two"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        write(folder / "aiguard.yaml", f"deadline: {number + 10}")
    (tmp_path / "..data").symlink_to(folders[0].name)
    file = tmp_path / "aiguard.yaml"
    file.symlink_to("..data/aiguard.yaml")
    watched = start(file)
    assert boundary.policy.deadline == 10.0
    (tmp_path / "..swap").symlink_to(folders[1].name)
    (tmp_path / "..swap").replace(tmp_path / "..data")
    looks(watched)
    assert boundary.policy.deadline == 11.0
    write(file, "deadline: 12")
    os.utime(file, (1, 1))
    looks(watched)
    assert boundary.policy.deadline == 12.0
    write(tmp_path / "new", "deadline: 13")
    os.utime(tmp_path / "new", (1, 1))
    (tmp_path / "new").replace(file)
    looks(watched)
    assert boundary.policy.deadline == 13.0


def test_a_refused_change_is_told_of_until_it_is_mended(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once when it is seen, again every minute, and no more once it is mended; a file that is gone is refused too."""
    boundary = Boundary("t", deadline=1.0)
    write(file, "deadline: 2")
    watched = start(file)
    write(file, "deadline: soon")
    looks(watched, 200)
    assert caplog.text.count("`deadline`='soon'") == 1
    looks(watched, 100)
    assert caplog.text.count("`deadline`='soon'") == 2
    assert "what was in force stays in force" in caplog.text
    assert "soon" in str(watched.status.problems[0])
    file.unlink()
    looks(watched)
    assert "cannot be read" in str(watched.status.problems[0])
    assert boundary.policy.deadline == 2.0
    write(file, "deadline: 3")
    looks(watched)
    assert (boundary.policy.deadline, watched.status.problems) == (3.0, ())
    caplog.clear()
    looks(watched, 600)
    assert caplog.text == ""


def test_a_change_back_to_what_is_in_force_mends(file: Path) -> None:
    """The bad file is undone: nothing is wrong any more."""
    write(file, "deadline: 2")
    watched = start(file)
    good = file.read_text()
    file.write_text("version: 1\nx: 1\n")
    looks(watched)
    assert watched.status.problems
    file.write_text(good)
    looks(watched)
    assert not watched.status.problems


def test_a_watched_file_comes_into_force_within_a_second(file: Path) -> None:
    """The real thread, the real file, the real clock."""
    boundary = Boundary("t", deadline=1.0)
    write(file, "deadline: 2")
    aiguard.configure(file, watch=True)
    taken = []
    for deadline in (3.0, 4.0):
        write(file, f"deadline: {deadline}")
        began = time.monotonic()
        while boundary.policy.deadline != deadline and time.monotonic() - began < 10:
            threading.Event().wait(0.005)
        taken.append(time.monotonic() - began)
    assert min(taken) < 1.0, taken  # the better of two: a busy machine may hold one of them up
    threads = [thread for thread in threading.enumerate() if thread.name == "aiguard.watch"]
    assert len(threads) == 1
    aiguard.configure(file)
    threads[0].join(5)
    assert not threads[0].is_alive(), "the second configuration does not watch"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_looks_by_itself(file: Path) -> None:
    """The parent's thread is not there; the child has one of its own."""
    boundary = Boundary("t", deadline=1.0)
    write(file, "deadline: 2")
    aiguard.configure(file, watch=True)
    child = os.fork()
    if child == 0:
        write(file, "deadline: 3")
        began = time.monotonic()
        while boundary.policy.deadline != 3.0 and time.monotonic() - began < 10:
            threading.Event().wait(0.01)
        os._exit(0 if boundary.policy.deadline == 3.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
