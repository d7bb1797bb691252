"""Content leaves only where a program asks for it, and only as its redaction lets it."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import logging
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import pydantic
import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretBytes, SecretStr, field_serializer

from aiguard import Hedge, OutputContract, PolicyError, Retry, guard, telemetry
from aiguard.telemetry import content as of_content
from aiguard.telemetry import names
from aiguard.telemetry.capture import VARIABLE, drain
from aiguard.telemetry.content import CAPTURE, EACH, LONGEST, Content
from aiguard.telemetry.content_text import DEPTH, MASKED, VALUES, WHOLE, text_of
from tests.shapes import SHAPES, Harness, Items, Takes
from tests.telemetry.test_privacy import ANSWERED, CANARY, RAISED, LoudError, call_twice
from tests.waiting import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.testing import VirtualClock
    from tests.telemetry.conftest import Recorded

STREAMS = [shape for shape in SHAPES if shape.endswith("generator")]


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is captured before and after."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert CAPTURE.tap is None
    yield
    telemetry.capture(None)


def whole(content: Content) -> str:
    """Let everything leave."""
    return content.text


def told(recorded: Recorded) -> list[tuple[str, str]]:
    """Return the parts that left, with their text."""
    drain(WAIT)
    said = [dict(record.attributes or {}) for record in recorded.logs_named(names.CONTENT_EVENT)]
    return [(one[names.CONTENT_PART], one[names.CONTENT_TEXT]) for one in said]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_goes_in_and_what_comes_out_leave_once(clock: VirtualClock, shape: str, recorded: Recorded) -> None:
    """In events of the call's own trace, with its boundary and its owner."""
    telemetry.capture(whole, boundaries=["triage"])
    step = Items("a bill", ", I think") if shape in STREAMS else "a bill, I think"
    harness = Harness(shape, clock, [step], "triage", {"owner": "support-ml"})
    harness("what is this?", 1)
    asked = '{"args":["what is this?",1],"kwargs":{}}'
    assert told(recorded) == [("input", asked), ("output", "a bill, I think")]
    (call,) = (span for span in recorded.spans if span.name == "aiguard.call triage")
    for record in recorded.logs_named(names.CONTENT_EVENT):
        said = dict(record.attributes or {})
        assert (said[names.BOUNDARY], said[names.OWNER]) == ("triage", "support-ml")
        assert call.context is not None
        assert (record.trace_id, record.span_id) == (call.context.trace_id, call.context.span_id)
    assert all(event.name != names.CONTENT_EVENT for span in recorded.spans for event in span.events)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_that_is_refused_leaves_as_refused(clock: VirtualClock, shape: str, recorded: Recorded) -> None:
    """Each attempt's, and then what the rung gave."""
    telemetry.capture(whole, boundaries=["triage"])
    bad = Items("no ", "number") if shape in STREAMS else "no number"
    more: dict[str, Any] = {"fallback": [["0"]], "stream": "buffer"} if shape in STREAMS else {"fallback": [0]}
    Harness(shape, clock, [bad, bad], "triage", {"output": int, "reask": 1, **more})()
    assert told(recorded)[1:] == [("refused", "no number"), ("refused", "no number"), ("output", "0")]


@pytest.mark.parametrize("shape", STREAMS)
def test_what_left_of_a_stream_before_it_broke_leaves(clock: VirtualClock, shape: str, recorded: Recorded) -> None:
    """As its output: the caller has it."""
    telemetry.capture(whole, boundaries=["triage"])
    Harness(shape, clock, [Items("half ", "an ", ConnectionError())], "triage").fails()
    assert told(recorded)[1:] == [("output", "half an ")]


@pytest.mark.parametrize("shape", STREAMS)
def test_elements_leave_as_a_list(clock: VirtualClock, shape: str, recorded: Recorded) -> None:
    """What the caller had, not the text that they came in."""
    telemetry.capture(whole, boundaries=["triage"])
    Harness(shape, clock, [Items("[1, ", "2]")], "triage", {"output": list[int], "stream": "elements"})()
    assert told(recorded)[1:] == [("output", "[1,2]")]


def test_both_answers_of_a_race_are_no_two_outputs(clock: VirtualClock, recorded: Recorded) -> None:
    """One left."""
    telemetry.capture(whole, boundaries=["raced"])
    Harness("async", clock, [Takes(3.0, "late"), "soon"], "raced", {"hedge": Hedge(after=1.0)})("which?")
    assert [part for part, _ in told(recorded)] == ["input", "output"]


def test_nothing_leaves_of_a_boundary_that_was_not_named(clock: VirtualClock, recorded: Recorded) -> None:
    """Each is asked for by its name."""
    telemetry.capture(whole, boundaries=["another"])
    Harness("sync", clock, [CANARY], "triage")(CANARY)
    assert told(recorded) == []


def test_a_redaction_sees_the_whole_and_what_it_returns_is_cut(clock: VirtualClock, recorded: Recorded) -> None:
    """Half a secret at the edge would pass a redaction that is given what was cut before."""
    seen: list[int] = []

    def redact(content: Content) -> str:
        seen.append(len(content.text))
        return content.text.replace("secret", "*")

    telemetry.capture(redact, boundaries=["triage"])
    Harness("sync", clock, ["é" * LONGEST + "secret"], "triage")()
    drain(WAIT)
    said = dict(recorded.logs_named(names.CONTENT_EVENT)[-1].attributes or {})
    assert seen[-1] == LONGEST + len("secret")
    assert said[names.CONTENT_TEXT] == "é" * (LONGEST // 2)
    assert said[names.CONTENT_CUT] is True
    assert dict(recorded.logs_named(names.CONTENT_EVENT)[0].attributes or {})[names.CONTENT_CUT] is False


class Prompt(BaseModel):
    """Content of a program's own kind."""

    text: str


class Touchy:
    """Something that is no data, and is touched by nobody."""

    def _touched(self, *_: Any) -> Any:
        raise AssertionError(CANARY)

    __repr__ = __str__ = __iter__ = __next__ = __len__ = __getattr__ = __eq__ = _touched
    __hash__ = None  # type: ignore[assignment]
    __class__ = property(_touched)
    __dict__ = property(_touched)


class TouchyModel(Prompt):
    """A model with code of its own."""

    model_config = ConfigDict(extra="allow")

    secret: SecretStr = SecretStr(CANARY)
    hidden: str = Field(default=CANARY, exclude=True)

    @field_serializer("text")
    def _text(self, _: str) -> str:
        raise AssertionError(CANARY)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def more(self) -> str:
        """Fail."""
        raise AssertionError(CANARY)

    def __iter__(self) -> Any:
        raise AssertionError(CANARY)

    __repr__ = __str__ = model_dump = __iter__  # type: ignore[assignment]


@dataclass
class Row:
    """A data class."""

    of: ClassVar[str] = CANARY
    name: str
    more: Any = None

    @property
    def slow(self) -> str:
        """Fail."""
        raise AssertionError(CANARY)


@dataclass(slots=True)
class Slotted(Row):
    """A data class, in slots too, and with one that is empty."""

    last: list[int] = field(default_factory=lambda: [1])
    empty: int = field(init=False)


@pydantic.dataclasses.dataclass
class Checked:
    """A data class of pydantic's."""

    name: str
    hidden: str = Field(default=CANARY, exclude=True)


class Mood(Enum):
    """One of some."""

    GOOD = ("good", 1)


class Level(IntEnum):
    """A number with a name."""

    HIGH = 3

    def __repr__(self) -> str:
        raise AssertionError(CANARY)


class TouchyList(list[Any]):
    """A list with a way of its own to be read."""

    def __iter__(self) -> Any:
        raise AssertionError(CANARY)

    __len__ = __getitem__ = __repr__ = __iter__  # type: ignore[assignment]


class TouchyDict(dict[Any, Any]):
    """A mapping that makes its items up."""

    def items(self, *_: Any) -> Any:
        """Fail."""
        raise AssertionError(CANARY)

    __iter__ = keys = __len__ = __getitem__ = items


class Zone(dt.tzinfo):
    """A zone of a program's own."""

    def utcoffset(self, _: Any) -> Any:
        """Fail."""
        raise AssertionError(CANARY)

    dst = tzname = utcoffset


class OwnPath(type(Path())):  # type: ignore[misc]
    """A path with a text of its own."""

    def __str__(self) -> str:
        raise AssertionError(CANARY)


DAY = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)

NUMBER = "12345678-1234-5678-1234-567812345678"

DATA: dict[str, tuple[Any, str]] = {
    "text": ("as it is", "as it is"),
    "pieces": (["joined", " text"], "joined text"),
    "empty": ([], "[]"),
    "list": ([1, "2"], '[1,"2"]'),
    "model": ({"a": Prompt(text="b")}, '{"a":{"text":"b"}}'),
    "object": (Touchy(), '"<Touchy>"'),
    "odd": ([float("nan"), b"\xff", None, -float("inf")], '[NaN,"_w==",null,-Infinity]'),
    "constants": ((True, False, 1.5, -2), "[true,false,1.5,-2]"),
    "not ASCII": ({"é": '"\n'}, '{"é":"\\"\\n"}'),
    "sets": ([{1}, frozenset({"a"})], '[[1],["a"]]'),
    "keys": ({1: 2, None: 3, (1, "a"): 4, Level.HIGH: 5}, '{"1":2,"null":3,"[1,\\"a\\"]":4,"3":5}'),
    "enums": ([Mood.GOOD, Level.HIGH], '[["good",1],3]'),
    "a model with code": (
        TouchyModel.model_validate({"text": "b", "by": [1]}),
        '{"text":"b","secret":"**********","by":[1]}',
    ),
    "a root model": (RootModel[list[int]]([1]), "[1]"),
    "secrets": ([SecretStr(CANARY), SecretBytes(b"a"), pydantic.Secret[int](1)], f"[{','.join([MASKED] * 3)}]"),
    "data classes": (
        [Row("a", Touchy()), Slotted("b")],
        '[{"name":"a","more":"<Touchy>"},{"name":"b","more":null,"last":[1]}]',
    ),
    "pydantic's data classes": ([Checked("a"), Row], '[{"name":"a"},"<type>"]'),
    "subclasses": ([TouchyList([1]), TouchyDict(a=2), OrderedDict(b=3)], '[[1],{"a":2},{"b":3}]'),
    "moments": (
        [DAY, DAY.date(), pydantic.TypeAdapter(dt.datetime).validate_python("2026-01-02T03:04:00+01:00")],
        '["2026-01-02T03:04:00+00:00","2026-01-02","2026-01-02T03:04:00+01:00"]',
    ),
    "a zone": ([DAY.replace(tzinfo=Zone())], '["<datetime>"]'),
    "plain": ([UUID(NUMBER), Path("a"), Decimal("1.50")], f'["{NUMBER}","a","1.50"]'),
    "a path": ([OwnPath("a")], '["<OwnPath>"]'),
    "iterators": ([map(str, [1]), iter([1]), itertools.count()], '["<map>","<list_iterator>","<count>"]'),
}


@pytest.mark.parametrize(("value", "text"), DATA.values(), ids=DATA)
def test_the_text_of_a_value_is_its_data(value: object, text: str) -> None:
    """Of what is no data only the class; no code of a program's own runs."""
    assert text_of(value) == text


def one_by_one() -> Iterator[str]:
    """Yield two."""
    yield "a"
    yield "b"


@pytest.mark.parametrize("kind", ["generator", "map", "list_iterator", "TextIOWrapper"])
@pytest.mark.parametrize("inside", [False, True], ids=["bare", "inside"])
def test_what_can_be_read_once_is_left_to_who_reads_it(
    clock: VirtualClock, recorded: Recorded, tmp_path: Path, kind: str, *, inside: bool
) -> None:
    """As an argument, and in an answer."""
    file = tmp_path / "file"
    file.write_text("ab", encoding="utf-8")
    telemetry.capture(whole, boundaries=["triage"])
    read: list[str] = []

    @guard("triage", deadline=1.0)
    async def triage(asked: Any) -> Any:
        read.extend(asked["a"] if inside else asked)
        return answer

    with file.open(encoding="utf-8") as one, file.open(encoding="utf-8") as two:
        make: dict[str, Callable[[Any], Any]] = {
            "generator": lambda _: one_by_one(),
            "map": lambda _: map(str, "ab"),
            "list_iterator": lambda _: iter(["a", "b"]),
            "TextIOWrapper": lambda opened: opened,
        }
        asked, answer = make[kind](one), {"a": make[kind](two)}
        left = clock.run(triage({"a": asked} if inside else asked))
        assert "".join(read) == "".join(left["a"]) == "ab"
    argument = f'{{"a":"<{kind}>"}}' if inside else f'"<{kind}>"'
    assert told(recorded) == [
        ("input", f'{{"args":[{argument}],"kwargs":{{}}}}'),
        ("output", f'{{"a":"<{kind}>"}}'),
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a" * (WHOLE + 1), "it is too long"),
        (["a" * WHOLE, "b"], "it is too long"),
        ({"a": b"b" * WHOLE}, "it is too long"),
        ([0] * VALUES, "it holds too many values"),
        ([[0] * (VALUES // 2)] * 2, "it holds too many values"),
        ([Prompt(text="")] * (VALUES // 2), "it holds too many values"),
    ],
    ids=["text", "pieces", "bytes", "list", "lists", "models"],
)
def test_what_is_too_long_is_dropped(
    clock: VirtualClock, recorded: Recorded, caplog: pytest.LogCaptureFixture, value: Any, why: str
) -> None:
    """A redaction that saw a part of it would let pass what it knows by the rest."""
    telemetry.capture(whole, boundaries=["triage"])
    Harness("sync", clock, [value, value], "triage")("input")
    assert told(recorded) == [("input", '{"args":["input"],"kwargs":{}}')]
    assert recorded.series(names.DROPPED) == {("content",): 1}
    assert f"content of 'triage' is dropped: {why};" in caplog.text


def test_what_is_as_long_as_may_be_leaves() -> None:
    """The limits are the last that is allowed."""
    assert len(text_of("a" * WHOLE)) == WHOLE
    assert len(text_of(["a"] * WHOLE)) == WHOLE
    assert text_of([0] * (VALUES - 1)).count("0") == VALUES - 1
    deep: Any = 0
    for _ in range(DEPTH):
        deep = [deep]
    assert text_of(deep).count("[") == DEPTH


def fails(content: Content) -> str:
    """Fail, loudly."""
    raise LoudError(content.text)  # type: ignore[arg-type]


class Texts(str):
    """A text that is not only that."""

    __slots__ = ()


@pytest.mark.parametrize(
    "redact",
    [
        fails,
        lambda _: None,
        lambda content: content,
        lambda content: content.text.encode(),
        lambda content: Texts(content.text),
        lambda: CANARY,
    ],
    ids=["raises", "nothing", "the content", "bytes", "a subclass", "wrong parameters"],
)
@pytest.mark.parametrize("situation", ["raises loud", "answers prose", "answers an instance"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_redaction_that_fails_lets_nothing_leave(  # noqa: PLR0917 - a table and its fixtures
    recorded: Recorded,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    shape: str,
    situation: str,
    redact: Any,
) -> None:
    """Neither the content nor what was raised is in an event or a line of the log; calls go on."""
    caplog.set_level(logging.DEBUG, logger="aiguard")
    telemetry.capture(redact, boundaries=["scenario"])
    script, settings = (RAISED | ANSWERED)[situation]
    if shape in STREAMS and "output" in settings:
        settings = settings | {"stream": "buffer"}
    call_twice(Harness(shape, clock, [*script, *script], "scenario", dict(settings)))
    assert told(recorded) == []
    assert b"CANARY" not in encode_logs(recorded._logs.get_finished_logs()).SerializeToString()
    assert "CANARY" not in caplog.text


def test_what_is_dropped_is_counted_and_told_of_once(
    clock: VirtualClock, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    """By the class of what was raised."""
    telemetry.capture(fails, boundaries=["triage"])
    harness = Harness("sync", clock, ["one", "two"], "triage")
    harness()
    harness()
    drain(WAIT)
    assert recorded.series(names.DROPPED) == {("content",): 4}
    why = "the redaction raised LoudError; `aiguard.telemetry.dropped` counts it, this is told once"
    assert caplog.messages == [f"content of 'triage' is dropped: {why}"]


def test_a_redaction_that_hangs_holds_up_no_call(
    clock: VirtualClock, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into its queue any more is dropped."""
    monkeypatch.setattr(of_content, "QUEUE", 100 + 3 * EACH)
    go_on, here = threading.Event(), threading.Event()

    def hang(content: Content) -> str:
        here.set()
        assert go_on.wait(WAIT)
        return content.text

    telemetry.capture(hang, boundaries=["triage"])
    harness = Harness("sync", clock, ["a" * 40, "b" * 40], "triage")
    harness()
    assert here.wait(WAIT)
    harness()
    drain(0.0)
    assert recorded.logs_named(names.CONTENT_EVENT) == []
    go_on.set()
    assert [part for part, _ in told(recorded)] == ["input", "output", "input"]
    assert recorded.series(names.DROPPED) == {("content",): 1}


def test_what_is_empty_takes_room_too(clock: VirtualClock, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits with it does."""
    monkeypatch.setattr(of_content, "QUEUE", 4 * EACH)
    go_on = threading.Event()

    def hang(content: Content) -> str | None:
        assert go_on.wait(WAIT)
        return content.text if content.part == "output" else None

    telemetry.capture(hang, boundaries=["triage"])
    harness = Harness("sync", clock, [""] * 10, "triage")
    for _ in range(10):
        harness()
    go_on.set()
    assert len(told(recorded)) <= 4
    assert recorded.series(names.DROPPED)["content",] >= 16


@pytest.mark.parametrize("follower", [None, whole], ids=["nothing", "another"])
def test_what_waits_as_a_capture_ends_does_not_leave(clock: VirtualClock, recorded: Recorded, follower: Any) -> None:
    """Neither what the redaction is looking at nor what waits behind it; its thread ends."""
    go_on, here = threading.Event(), threading.Event()

    def hang(content: Content) -> str:
        here.set()
        assert go_on.wait(WAIT)
        return content.text

    telemetry.capture(hang, boundaries=["triage"])
    tap = CAPTURE.tap
    assert tap is not None
    harness = Harness("sync", clock, ["old", "new"], "triage")
    harness()
    assert here.wait(WAIT)
    telemetry.capture(follower, boundaries=["triage"])
    tap.take("output", "late", {names.BOUNDARY: "triage"}, None)  # of a call that had seen it
    go_on.set()
    tap.drain(WAIT)
    assert tap._worker is not None
    tap._worker.join(WAIT)
    assert not tap._worker.is_alive()
    harness()
    expected = [] if follower is None else [("input", '{"args":[],"kwargs":{}}'), ("output", "new")]
    assert told(recorded) == expected


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_redaction_that_would_end_its_thread_is_asked_again(
    clock: VirtualClock, recorded: Recorded, capfd: pytest.CaptureFixture[str], error: type[BaseException]
) -> None:
    """And Python prints nothing of what it raised."""

    def redact(content: Content) -> str:
        if content.text == "one":
            raise error(content.text)
        return content.text

    telemetry.capture(redact, boundaries=["triage"])
    harness = Harness("sync", clock, ["one", "two"], "triage")
    harness()
    harness()
    assert [text for part, text in told(recorded) if part == "output"] == ["two"]
    assert capfd.readouterr() == ("", "")


def test_content_without_a_text_is_dropped(clock: VirtualClock, recorded: Recorded) -> None:
    """It goes round in a circle."""
    telemetry.capture(whole, boundaries=["triage"])
    circle: list[Any] = []
    circle.append(circle)
    Harness("sync", clock, ["one"], "triage")(circle)
    assert told(recorded) == [("output", "one")]
    assert recorded.series(names.DROPPED) == {("content",): 1}


def test_half_a_pair_breaks_no_batch(clock: VirtualClock, recorded: Recorded) -> None:
    """What UTF-8 cannot say is a question mark."""
    telemetry.capture(whole, boundaries=["triage"])
    Harness("sync", clock, ["half \ud800"], "triage")()
    assert told(recorded)[-1] == ("output", "half ?")
    assert encode_logs(recorded._logs.get_finished_logs()).SerializeToString()


def test_arguments_are_those_of_the_call_not_of_later(clock: VirtualClock, recorded: Recorded) -> None:
    """Their text is made before the component can change them."""
    telemetry.capture(whole, boundaries=["triage"])

    @guard("triage", deadline=1.0, retry=Retry(attempts=2))
    async def triage(ticket: list[str]) -> str:
        ticket.clear()
        await asyncio.sleep(0.1)
        return "ok"

    clock.run(triage(["a", "b"]))
    assert told(recorded)[0] == ("input", '{"args":[["a","b"]],"kwargs":{}}')


@pytest.mark.parametrize("word", ["NO_CONTENT", "SPAN_ONLY", "false", "0", "?"])
def test_the_environment_forbids_it(
    monkeypatch: pytest.MonkeyPatch, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who runs a program has the last word, and is told that it was heard."""
    monkeypatch.setenv(VARIABLE, word)
    telemetry.capture(whole, boundaries=["triage"])
    assert CAPTURE.tap is None
    assert caplog.messages == [f"content is not captured: {VARIABLE} forbids it"]


@pytest.mark.parametrize("word", ["", "EVENT_ONLY", "span_and_event", "true "])
def test_the_environment_allows_it(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """By the words of the GenAI conventions that have content in events."""
    monkeypatch.setenv(VARIABLE, word)
    telemetry.capture(whole, boundaries=["triage"])
    assert CAPTURE.tap is not None


async def later(content: Content) -> str:
    """Answer later."""
    return content.text


class Later:
    """Answers later, when it is called."""

    async def __call__(self, content: Content) -> str:
        return content.text


@pytest.mark.parametrize(
    ("redact", "boundaries", "says"),
    [
        (whole, [], "one at least"),
        (whole, "triage", "a list of names, not 'triage'"),
        (whole, ["no name"], "no name"),
        (whole, None, "a list of names, not None"),
        (whole, 5, "a list of names, not 5"),
        (later, ["triage"], "returns at once"),
        (Later(), ["triage"], "returns at once, not Later"),
        ("[secret]", ["triage"], "not str"),
    ],
    ids=["none", "text", "no name", "nothing", "a number", "async", "an async object", "no function"],
)
def test_what_makes_no_sense_is_refused(redact: Any, boundaries: Any, says: str) -> None:
    """And nothing is captured then."""
    with pytest.raises((ValueError, PolicyError), match=says):
        telemetry.capture(redact, boundaries=boundaries)
    assert CAPTURE.tap is None


def test_capture_ends(clock: VirtualClock, recorded: Recorded) -> None:
    """With `None`."""
    telemetry.capture(whole, boundaries=["triage"])
    telemetry.capture(None)
    Harness("sync", clock, [CANARY], "triage")()
    assert told(recorded) == []


def test_nothing_is_kept_where_no_log_event_would_reach_anybody(clock: VirtualClock) -> None:
    """Without an SDK there is nowhere to leave to."""
    telemetry.capture(whole, boundaries=["triage"])
    Harness("sync", clock, ["one"], "triage")()
    assert CAPTURE.tap is not None
    assert CAPTURE.tap._worker is None


def test_a_contract_of_an_object_is_captured_as_its_data(clock: VirtualClock, recorded: Recorded) -> None:
    """As JSON."""
    telemetry.capture(whole, boundaries=["triage"])
    Harness("sync", clock, ['{"text": "hello"}'], "triage", {"output": OutputContract(Prompt)})()
    assert told(recorded)[-1] == ("output", '{"text":"hello"}')


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_a_queue_of_its_own() -> None:
    """What the parent had not worked off is the parent's."""
    telemetry.capture(whole, boundaries=["triage"])
    tap = CAPTURE.tap
    assert tap is not None
    with tap._changed:  # as if a call were just being noted
        pid = os.fork()
        if pid == 0:
            clear = tap._changed.acquire(blocking=False) and not tap._waiting and tap._held == 0
            os._exit(0 if clear else 1)
    assert os.waitpid(pid, 0)[1] == 0
