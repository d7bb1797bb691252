"""The live table: real keys in a real application, on a screen that is not there."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from aiguard.cli import top, top_boundary
from aiguard.cli.top import Processes, Top
from aiguard.cli.top_boundary import BoundaryScreen, timeline
from aiguard.monitor.client import Answers
from aiguard.monitor.directory import made, sockets_in
from aiguard.state_directory import UnusableError
from tests.cli.commands import run
from tests.monitor.incident import Incident

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from textual.pilot import Pilot

    from aiguard.cli.top import Source
    from aiguard.monitor.merging import MergedBreaker
    from aiguard.monitor.schema import StateAnswer, TraceAnswer
    from aiguard.testing import VirtualClock


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The wall clock of the test is that of nowhere in particular, and nobody looks twice unless asked to."""
    monkeypatch.setattr(top, "EVERY", 3600.0)
    monkeypatch.setattr(top_boundary, "EVERY", 3600.0)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def incident(clock: VirtualClock, tmp_path: Path) -> Incident:
    """A model that was killed, as two processes tell of it."""
    return Incident(clock, tmp_path)


async def settled(pilot: Pilot[None]) -> None:
    """Wait until every thread that asks has been heard."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


def lines_of(app: Top) -> list[str]:
    """Return what stands on the screen, from its picture; empty lines left out."""
    root = ET.fromstring(app.export_screenshot())
    rows: defaultdict[float, list[tuple[float, str]]] = defaultdict(list)
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        if "clip-path" in text.attrib:  # else it is the window's title
            rows[float(text.attrib["y"])].append((float(text.attrib["x"]), text.text or ""))
    width = 12.2  # of a character
    lines = []
    for y in sorted(rows):
        line = ""
        for x, words in sorted(rows[y]):
            line = line.ljust(round(x / width)) + words.replace("\xa0", " ")
        lines.append(line.rstrip())
    return [line for line in lines if line]


def played(source: Source, *keys: str, size: tuple[int, int] = (80, 24)) -> list[str]:
    """Press keys in a window of that size; return what it shows in the end."""
    return screens(source, *keys, size=size)[-1]


def screens(
    source: Source, *keys: str, size: tuple[int, int] = (80, 24), then: Callable[[Top], None] | None = None
) -> list[list[str]]:
    """Press keys in a window of that size; return what it shows at first, and after each."""

    async def play() -> list[list[str]]:
        app = Top(source)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            shown = [lines_of(app)]
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
                shown.append(lines_of(app))
            if then is not None:
                then(app)
            return shown

    return asyncio.run(play())


TABLE = """
 aiguard top  22:13:44  by boundary
boundary      mode  breaker   calls/s   p50   p95   p99 degr fail permits
embed         on    –             9.4  10ms  10ms  10ms   0%   0%       –
ticket-triage on    open          9.3 128ms 279ms 331ms  50%   0%    0/16
 embed: no owner
 2 boundaries in 2 processes: 4711 shop.py, 4712 shop.py
 process 4713: no answer within 2 s
enter open s sort r reverse / filter q quit
"""

WIDE = """
 aiguard top  22:13:44  by boundary
boundary      owner          mode  breaker   calls/s   p50   p95   p99 degr fail permits last failure
embed         –              on    –             9.4  10ms  10ms  10ms   0%   0%       – –
ticket-triage support-ml     on    open          9.3 128ms 279ms 331ms  50%   0%    0/16 connection 4s ago
 ticket-triage: owner support-ml; last failure connection (component), 4s ago
 2 boundaries in 2 processes: 4711 shop.py, 4712 shop.py
 process 4713: no answer within 2 s
enter open s sort r reverse / filter q quit
"""

OPENED = """
 ticket-triage  support-ml, mode on, 2 processes, 22:13:44
 9.3 calls/s  p50 128ms  p95 279ms  p99 331ms  degraded 50%  failed 0%
 permits 0 of 16, 0 waiting
 breaker  25s until now: ─ closed  ▒ half-open  █ open
 4711 ticket-triage      ────────────────────────────────────────────────────
 4712 ticket-triage      ───────────────────────────────────────────█████████
 failures  calls in the last minute, by why the component did not answer
     37  circuit_open (breaker), last 0s ago
     23  connection (component), last 4s ago
 contracts  in the last ten minutes
 str: 60 judged, 0 broken, 0 repaired
 last calls
 22:13:44 answered by rules, after circuit_open 0µs  process 4712
   rung rules          █                            0µs  answered
"""


@pytest.mark.parametrize(
    ("size", "keys", "screen"), [((80, 24), (), TABLE), ((140, 24), ("down",), WIDE)], ids=["80 columns", "140 columns"]
)
def test_the_table_is_live(incident: Incident, size: tuple[int, int], keys: tuple[str, ...], screen: str) -> None:
    """A row a boundary, what there is no column for below them, who answered and who did not, and the keys."""
    assert played(incident, *keys, size=size) == screen.strip("\n").splitlines()


def test_a_boundary_can_be_opened(incident: Incident) -> None:
    """Its breakers in time, why it failed, its last calls; and closed again."""
    opened = played(incident, "down", "enter", size=(80, 40))
    expected = OPENED.strip("\n").splitlines()
    assert opened[: len(expected)] == expected
    assert opened[-1] == "esc back q quit"
    assert set(incident.asked) == {"ticket-triage"}
    assert played(incident, "down", "enter", "escape")[1:4] == TABLE.strip("\n").splitlines()[1:4]


def test_keys_sort(incident: Incident) -> None:
    """By the next column, worst first, and the other way round; the cursor stays on its boundary."""
    at_first, reversed_, _, by_mode, by_breaker, worst_last = screens(incident, "r", "r", "s", "s", "r")
    assert [shown[0] for shown in (at_first, reversed_, by_mode, by_breaker, worst_last)] == [
        " aiguard top  22:13:44  by boundary",
        " aiguard top  22:13:44  by boundary, reversed",
        " aiguard top  22:13:44  by mode",
        " aiguard top  22:13:44  by breaker",
        " aiguard top  22:13:44  by breaker, reversed",
    ]
    first = [shown[2].split()[0] for shown in (at_first, reversed_, by_mode, by_breaker, worst_last)]
    assert first == ["embed", "ticket-triage", "embed", "ticket-triage", "embed"]
    assert {shown[4] for shown in (at_first, reversed_, by_breaker)} == {" embed: no owner"}


def rows_of(shown: list[str]) -> list[str]:
    """Return the boundaries in the table of a screen."""
    return [line.split()[0] for line in shown if line.startswith(("embed ", "ticket-triage "))]


def test_a_word_filters(incident: Incident) -> None:
    """By name, owner or state; Enter goes back to the table, Escape forgets the word."""
    *_, by_name, all_again = screens(incident, "slash", *"emb", "escape")
    assert (rows_of(by_name), rows_of(all_again)) == (["embed"], ["embed", "ticket-triage"])
    *_, by_state, in_the_table = screens(incident, "slash", *"open", "enter", "r")
    assert rows_of(by_state) == ["ticket-triage"]
    assert in_the_table[0].endswith("reversed")
    assert rows_of(played(incident, "slash", *"nobody")) == []


def test_what_is_shown_follows_the_processes(incident: Incident) -> None:
    """The cursor stays on its boundary where others come and go, and an opened one that is gone says so."""
    whole = incident.states()

    def of(*names: str) -> Answers[StateAnswer]:
        return Answers(
            tuple(
                {**answer, "boundaries": [one for one in answer["boundaries"] if one["name"] in names]}
                for answer in whole.answers
            ),
            (),
        )

    def check(app: Top) -> None:
        assert app.table.chosen == "ticket-triage"
        app.show(of("ticket-triage"))
        assert app.table.chosen == "ticket-triage"
        app.show(of("embed", "ticket-triage"))
        assert app.table.chosen == "ticket-triage"
        app.show(of("embed"))
        assert app.table.chosen == "embed"
        app.show(of())
        assert app.table.chosen is None

    screens(incident, "down", then=check)

    async def gone() -> list[str]:
        app = Top(incident)
        async with app.run_test() as pilot:
            await settled(pilot)
            await pilot.press("enter")
            await settled(pilot)
            app.show(of("ticket-triage"))
            await pilot.pause()
            assert isinstance(app.screen, BoundaryScreen)
            return lines_of(app)

    assert asyncio.run(gone())[0] == " no process has it any more"


def test_it_looks_again_and_again(incident: Incident, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as it is said to, the opened boundary's calls too."""
    monkeypatch.setattr(top, "EVERY", 0.02)
    monkeypatch.setattr(top_boundary, "EVERY", 0.02)
    looks: list[int] = []
    states = incident.states

    def counted() -> Answers[StateAnswer]:
        looks.append(1)
        return states()

    monkeypatch.setattr(incident, "states", counted)

    async def play() -> None:
        app = Top(incident)
        async with app.run_test() as pilot:
            while app.table.chosen is None:
                await pilot.pause(0.01)
            await pilot.press("enter")
            while len(looks) < 4 or len(incident.asked) < 4:
                await pilot.pause(0.01)

    asyncio.run(play())
    assert set(incident.asked) == {"embed"}


def test_a_smaller_window_has_fewer_columns(incident: Incident) -> None:
    """It is drawn anew when it changes its size, the opened boundary too."""

    async def resized() -> tuple[list[str], list[str]]:
        app = Top(incident)
        async with app.run_test(size=(140, 24)) as pilot:
            await settled(pilot)
            await pilot.resize_terminal(80, 24)
            await settled(pilot)
            table = lines_of(app)
            await pilot.press("down", "enter")
            await settled(pilot)
            await pilot.resize_terminal(60, 40)
            await settled(pilot)
            return table, lines_of(app)

    table, opened = asyncio.run(resized())
    assert table == TABLE.strip("\n").splitlines()
    assert max(map(len, opened)) <= 60


class Nobody:
    """No process answers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def states(self) -> Answers[StateAnswer]:
        """Return nothing."""
        return Answers((), ())

    def calls(self, boundary: str) -> Answers[TraceAnswer]:
        """Return nothing."""
        raise AssertionError(boundary)


def test_where_nobody_answers_it_says_what_to_do(tmp_path: Path) -> None:
    """And no key harms."""
    lines = played(Nobody(tmp_path), "enter", "s", "r", "down", "o", "s")
    assert "no process can be looked into" in " ".join(lines)


def test_a_directory_that_goes_bad_ends_it(tmp_path: Path) -> None:
    """With exit code 2, and why."""
    made(tmp_path)
    sockets_in(tmp_path).chmod(0o777)

    async def play() -> Top:
        app = Top(Processes(tmp_path))
        async with app.run_test() as pilot:
            await settled(pilot)
        return app

    assert asyncio.run(play()).return_code == 2
    with pytest.raises(UnusableError):
        Processes(tmp_path).calls("embed")
    assert run("top", "--state", str(tmp_path)).exit_code == 2


def breaker(state: str, *moves: tuple[float, str, str]) -> MergedBreaker:
    """Return a breaker with these moves."""
    return {
        "pid": 7,
        "counting_since": 0.0,
        "breaker": {
            "name": "embed",
            "state": state,
            "since": None,
            "until": None,
            "failures": 0,
            "moves": [{"when": when, "before": before, "state": after} for when, before, after in moves],
        },
    }


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (breaker("closed"), "──────────"),
        (breaker("open"), "██████████"),
        (breaker("open", (5.0, "closed", "open")), "────██████"),
        (
            breaker("closed", (2.5, "closed", "open"), (6.5, "open", "half-open"), (8.5, "half-open", "closed")),
            "──█████▒▒─",
        ),
        (breaker("closed", (4.2, "closed", "open"), (4.6, "open", "closed")), "────█─────"),
        (breaker("half-open", (-50.0, "closed", "open"), (8.0, "open", "half-open")), "████████▒▒"),
    ],
)
def test_a_breakers_line_shows_the_worst_of_each_moment(one: MergedBreaker, line: str) -> None:
    """However short it was open; before its first move it was what that move says."""
    drawn = timeline(one, 0.0, 10.0, 10).plain
    assert drawn.startswith("7 embed ")
    assert drawn[24:] == line
