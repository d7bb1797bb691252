"""
Nothing of what goes into a boundary or comes out of it leaves by telemetry, at defaults.

A canary is put wherever content can be. What is searched are the bytes that OTLP sends, every log line of aiguard at
DEBUG, and what the error says that the caller gets.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from pydantic import BaseModel, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

import aiguard
from aiguard import (
    BoundaryError,
    Breaker,
    Bulkhead,
    FailureKind,
    Hedge,
    InputContract,
    OneOf,
    OutputContract,
    Retry,
    Text,
    classify_as,
    guard,
    last_good,
    user_rows,
)
from tests.shapes import SHAPES, Hang, Harness, HttpError, Items, Takes

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.testing import VirtualClock
    from tests.telemetry.conftest import Recorded

CANARY = "CANARY-4711"

AGAIN = Retry(attempts=2, wait=lambda _: 0.25)


class LoudError(Exception):
    """Full of content: text, arguments, notes, body, headers."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__(CANARY, {CANARY: CANARY})
        self.add_note(CANARY)
        self.status_code = status
        self.body = {"error": {"message": CANARY, "code": CANARY, "type": CANARY, "param": CANARY}}
        self.headers = {"retry-after": CANARY, "x-request-id": CANARY, CANARY: CANARY}
        self.__cause__ = ValueError(CANARY)


class Answer(BaseModel):
    """An answer whose own validators say too much."""

    text: str
    number: int

    @field_validator("text")
    @classmethod
    def _speaks(cls, value: str) -> str:
        if value == f"{CANARY} typed":
            raise PydanticCustomError(CANARY, "no: {value}", {"value": value})
        if value:
            raise ValueError(f"this is wrong: {value}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Answer:
        if self.number < 0:
            raise ValueError(CANARY)
        return self


def _flawed() -> ValidationError:
    """Return what a client raises that validates tool arguments by itself."""
    with pytest.raises(ValidationError) as caught:
        Answer.model_validate({"text": CANARY, "number": CANARY, CANARY: CANARY})
    return caught.value


class Unspeakable:
    """Whoever asks what it is hears too much."""

    def __repr__(self) -> str:
        raise RuntimeError(CANARY)


def loud(*_: Any) -> Any:
    """Fail with content."""
    raise LoudError


def says(*_: Any) -> Any:
    """Give a verdict that is no code but content."""
    return f"the answer says {CANARY}"


async def says_later(*_: Any) -> Any:
    """Give no verdict but content."""
    raise LoudError


def answers(*_: Any) -> Any:
    """Answer for the component."""
    return {"text": CANARY, "number": CANARY}


def valid(text: str = "") -> str:
    """Return an answer that keeps `Answer`, unless its text says something."""
    return '{"text": "' + text + '", "number": 1}'


TYPED: dict[str, Any] = {"output": Answer}

RAISED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    f"raises {name}": ([step] * 3, {"retry": AGAIN, "breaker": Breaker(minimum_calls=1), "fallback": [loud, answers]})
    for name, step in {
        "loud": LoudError(),
        "connection": ConnectionError(CANARY),
        "timeout": TimeoutError(CANARY),
        "value": ValueError(CANARY),
        "type": TypeError(CANARY),
        "key": KeyError(CANARY),
        "stop": StopIteration(CANARY),
        "group": ExceptionGroup(CANARY, [LoudError(), ConnectionError(CANARY)]),
        "file": FileNotFoundError(2, CANARY, CANARY),
        "unicode": UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY),
        "own validation": _flawed(),
        **{str(status): LoudError(status) for status in (400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 529)},
        "client's 429": HttpError(429, {"retry-after": CANARY}, {"error": {"code": CANARY}}),
    }.items()
}

ANSWERED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    f"answers {name}": ([step] * 3, {**TYPED, "reask": 1, "breaker": Breaker(minimum_calls=1)})
    for name, step in {
        "prose": CANARY,
        "a cut object": '{"text": "' + CANARY,
        "what a validator refuses": valid(CANARY),
        "what a validator makes a type of": valid(f"{CANARY} typed"),
        "what all of it breaks": '{"text": "' + CANARY + '", "number": -1}',
        "a wrong type": '{"text": "", "number": "' + CANARY + '"}',
        "another key": '{"text": "", "number": 1, "' + CANARY + '": 2}',
        "the same key twice": '{"' + CANARY + '": 1, "' + CANARY + '": 2}',
        "half a pair": "\ud800" + CANARY,
        "bytes": b"\xff" + CANARY.encode(),
        "a dict": {CANARY: CANARY},
        "an instance": Answer.model_construct(text=CANARY, number=CANARY),
        "an exception": ValueError(CANARY).args,
        "two objects": f"{valid(CANARY)} or {valid()} {CANARY}",
        "nothing known": Unspeakable,
    }.items()
}

OTHERS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "a good answer": ([CANARY], {"output": str}),
    "extraction": ([f"{CANARY} {valid()} {CANARY}"], {"output": OutputContract(Answer, extract=True)}),
    "repair": (["```json\n" + valid() + "\n```"], {"output": OutputContract(Answer, repair="safe")}),
    "no extraction": ([f"{CANARY} {valid(CANARY)}"], {"output": OutputContract(Answer, extract=True)}),
    "too large": ([CANARY * 100], {"output": OutputContract(str, max_bytes=100)}),
    "a check's word": ([CANARY], {"output": OutputContract(str, checks=[says])}),
    "a check's error": ([CANARY], {"output": OutputContract(str, checks=[loud], on_check_error="accept")}),
    "a check's error, refused": ([CANARY], {"output": OutputContract(str, checks=[loud])}),
    "an input that is refused": ([], {"input": InputContract(OneOf("DE"))}),
    "an input that is reported": ([CANARY], {"input": InputContract(Text(3), on_breach="warn")}),
    "an input that a rung answers": ([], {"input": InputContract(int, on_breach="fallback"), "fallback": [answers]}),
    "a key": ([CANARY] * 2, {"key": lambda *args: args, "breaker": Breaker(), "bulkhead": Bulkhead(limit=2)}),
    "a key's breaker": ([LoudError()] * 2, {"key": lambda *args: args, "breaker": Breaker(minimum_calls=1)}),
    "a key that fails": ([CANARY] * 2, {"key": loud, "breaker": Breaker()}),
    "rungs that fail": ([LoudError()], {"fallback": [loud, loud]}),
    "rungs that answer": ([LoudError()], {"fallback": [answers]}),
    "rungs whose answers are no good": ([LoudError()], {**TYPED, "fallback": [answers, answers]}),
    "a wait that fails": ([ConnectionError(CANARY)] * 2, {"retry": Retry(attempts=2, wait=loud)}),
    "a fault of time": ([Hang()], {"deadline": 5.0, "fallback": [answers]}),
    "time to spare": ([Takes(1.0, CANARY)], {"attempt_timeout": 0.5, "retry": AGAIN}),
}

STREAMED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "a stream": ([Items(CANARY, CANARY)], {}),
    "a stream that breaks": ([Items(CANARY, LoudError())], {}),
    "a stream that hangs": ([Items(CANARY, Takes(9.0, CANARY))], {"idle": 1.0}),
    "a stream that is held back": ([Items("{", CANARY)] * 2, {**TYPED, "stream": "buffer", "fallback": [answers]}),
}

TABLE = RAISED | ANSWERED | OTHERS


class Watch:
    """Looks at everything that leaves."""

    def __init__(self, recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
        self.recorded = recorded
        self._caplog = caplog

    def exported(self) -> bytes:
        """Return every byte that OTLP would send."""
        recorded = self.recorded
        sent: list[Any] = [encode_spans(recorded.spans), encode_logs(recorded._logs.get_finished_logs())]
        measured = recorded._reader.get_metrics_data()
        if measured is not None:
            sent.append(encode_metrics(measured))
        return b"".join(one.SerializeToString() for one in sent)

    def logged(self) -> str:
        """Return every log line, with what its traceback would show."""
        formatter = logging.Formatter()
        return "\n".join(map(formatter.format, self._caplog.records))

    def clear(self, error: BaseException | None = None) -> bool:
        """Whether the canary is in nothing; there has to be something that it could be in."""
        exported = self.exported()
        assert b"aiguard.call" in exported
        assert b"canary" not in exported.lower()
        assert "canary" not in self.logged().lower()
        assert not isinstance(error, BoundaryError) or "canary" not in f"{error} {error.failure.message}".lower()
        return True


@pytest.fixture
def watch(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> Watch:
    """Record every signal, and every line of every logger."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="aiguard")
    return Watch(recorded, caplog)


def call_twice(harness: Harness) -> BaseException | None:
    """Call it with content, and once more, when what the first has left behind is there; return the last error."""
    raised: BaseException | None = None
    for _ in range(2):
        try:
            harness({"prompt": CANARY, CANARY: [CANARY]}) if "input" not in harness.settings else harness(CANARY)
        except (BoundaryError, RuntimeError, LoudError) as error:  # a generator's script that has run out
            raised = error
    return raised


@pytest.mark.parametrize("situation", TABLE)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_content_leaves(watch: Watch, clock: VirtualClock, shape: str, situation: str) -> None:
    """Prompt, answer, exception, headers, validation input, tool arguments and the answers of rungs are nowhere."""
    script, settings = TABLE[situation]
    if shape.endswith("generator") and "output" in settings:
        settings = settings | {"stream": "buffer"}
    harness = Harness(shape, clock, [*script, *script, CANARY, CANARY], "scenario", dict(settings))
    error = call_twice(harness)
    assert watch.clear(error)


@pytest.mark.parametrize("situation", STREAMED)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.endswith("generator")])
def test_no_item_of_a_stream_leaves(watch: Watch, clock: VirtualClock, shape: str, situation: str) -> None:
    """Nor what came before it broke."""
    script, settings = STREAMED[situation]
    assert watch.clear(call_twice(Harness(shape, clock, script * 2, "scenario", dict(settings))))


@pytest.mark.parametrize("shape", ["sync", "thread", "async"])
def test_no_earlier_answer_leaves(watch: Watch, clock: VirtualClock, shape: str) -> None:
    """Neither what is kept nor what it is kept by; nor one that cannot be kept."""
    kept: dict[str, Any] = {"fallback": [last_good(by=lambda *args: str(args), ttl=60.0)]}
    assert watch.clear(call_twice(Harness(shape, clock, [CANARY, LoudError()], "kept", dict(kept))))
    unkept = {"fallback": [last_good(by=loud, ttl=60.0), answers]}
    assert watch.clear(call_twice(Harness(shape, clock, [CANARY, LoudError()], "unkept", unkept)))


@pytest.mark.parametrize("second", [CANARY, LoudError()], ids=["answers", "fails"])
def test_nothing_of_a_race_leaves(watch: Watch, clock: VirtualClock, second: Any) -> None:
    """Neither of who wins nor of who is cancelled."""
    settings: dict[str, Any] = {"hedge": Hedge(after=1.0), "fallback": [answers]}
    harness = Harness("async", clock, [Takes(3.0, LoudError()), second], "raced", settings)
    call_twice(harness)
    assert b"aiguard.hedge" in watch.exported()
    assert watch.clear()


def test_nothing_of_a_cancelled_call_leaves(watch: Watch, clock: VirtualClock) -> None:
    """Nor what it was cancelled with."""

    @guard("cancelled", deadline=10.0)
    async def slow(_: str) -> None:
        await asyncio.sleep(9.0)

    async def main() -> None:
        task = asyncio.create_task(slow(CANARY))
        await asyncio.sleep(1.0)
        task.cancel(CANARY)
        await asyncio.wait([task])

    clock.run(main())
    assert watch.clear()


def test_nothing_of_an_asynchronous_check_leaves(watch: Watch, clock: VirtualClock) -> None:
    """It errs with content."""
    contract = OutputContract(str, checks=[says_later], on_check_error="accept")
    assert Harness("async", clock, [CANARY], "checked", {"output": contract})(CANARY) == CANARY
    assert b"aiguard.check.errored" in watch.exported()
    assert watch.clear()


def test_nothing_of_a_full_bulkhead_leaves(watch: Watch, clock: VirtualClock) -> None:
    """Neither of who is inside nor of who is refused."""

    @guard("full", deadline=10.0, bulkhead=Bulkhead(limit=1))
    async def slow(prompt: str) -> str:
        await asyncio.sleep(1.0)
        return prompt

    async def main() -> list[Any]:
        return await asyncio.gather(slow(CANARY), slow(CANARY), return_exceptions=True)

    _, error = clock.run(main())
    assert isinstance(error, BoundaryError)
    assert watch.clear(error)


def test_nothing_of_an_exception_that_a_program_classifies_leaves(
    watch: Watch, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row says what it means, and its body is read for it."""
    monkeypatch.setattr(user_rows, "_rows", {})  # a row is for the whole process: what is added goes with the test
    classify_as(f"{__name__}.LoudError", "rate_limited", status=418)
    error = call_twice(Harness("sync", clock, [LoudError(418)] * 4, "known", {"retry": AGAIN}))
    assert isinstance(error, BoundaryError)
    assert error.failure.kind is FailureKind.RATE_LIMITED
    assert watch.clear(error)


def test_a_refused_configuration_exports_nothing_that_it_says(
    watch: Watch, clock: VirtualClock, tmp_path: Path
) -> None:
    """The log says what is wrong in a file, to its operator; a backend hears of how many problems alone."""
    harness = Harness("sync", clock, ["ok"], "configured")
    harness("")
    file = tmp_path / "aiguard.yaml"
    file.write_text("version: 1\nboundaries: {configured: {deadline: 2}}\n", encoding="utf-8")
    aiguard.configure(file)
    file.write_text(f"version: 1\nboundaries: {{configured: {{deadline: {CANARY}, {CANARY}: 1}}}}\n", encoding="utf-8")
    with pytest.raises(aiguard.PolicyError):
        aiguard.reload()
    exported = watch.exported()
    assert b"aiguard.config.refused" in exported
    assert b"canary" not in exported.lower()


def test_a_canary_that_does_leave_is_found(watch: Watch, clock: VirtualClock) -> None:
    """What a program itself writes on the current span is there: the search is not blind."""
    from opentelemetry import trace  # noqa: PLC0415 - as a component would

    def component() -> str:
        trace.get_current_span().set_attribute("prompt", CANARY)
        logging.getLogger("aiguard.test").debug("%s", CANARY)
        return "ok"

    Harness("sync", clock, [component], "leaky")()
    assert b"canary" in watch.exported().lower()
    assert "canary" in watch.logged().lower()
    with pytest.raises(AssertionError):
        watch.clear()
