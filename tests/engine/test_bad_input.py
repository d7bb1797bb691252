"""Bad input: what is refused at declaration, and that nothing a component does at call time escapes the taxonomy."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from pydantic import BaseModel, TypeAdapter
from tenacity import stop_after_attempt

from aiguard import (
    Boundary,
    BoundaryError,
    Breaker,
    Bulkhead,
    ComponentError,
    FailureKind,
    InvalidOutputError,
    OutputContract,
    PolicyError,
    Retry,
    Rung,
    guard,
)
from tests.shapes import Harness, HttpError

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

Scenario = Callable[..., Harness]

SECRET = "SECRET-PROMPT"


class Answer(BaseModel):
    """What the component should answer."""

    score: float
    label: str


# --- at declaration


def plain(ticket: str) -> str:
    """Stand for a component of the simplest kind."""
    return ticket


def two(ticket: str, tenant: str) -> str:
    """Stand for a component with two arguments."""
    return ticket + tenant


async def coroutine(ticket: str) -> str:
    """Stand for an async component."""
    return ticket


def generator(ticket: str) -> Any:
    """Stand for a streaming component."""
    yield ticket


async def async_generator(ticket: str) -> Any:
    """Stand for an async streaming component."""
    yield ticket


async def async_rung(ticket: str) -> str:
    """Answer asynchronously."""
    return ticket


def nothing() -> str:
    """Take no arguments."""
    return ""


def renamed(text: str) -> str:
    """Take the component's argument under another name."""
    return text


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("fn", "settings", "words"),
    [
        # out of range
        (plain, {"deadline": 0}, ["deadline", "0"]),
        (plain, {"deadline": -1.0}, ["deadline", "-1.0"]),
        (plain, {"deadline": math.nan}, ["deadline", "nan"]),
        (plain, {"deadline": math.inf}, ["deadline", "inf"]),
        (plain, {"deadline": "2"}, ["deadline", "'2'"]),
        (plain, {"deadline": True}, ["deadline", "True"]),
        (plain, {"attempt_timeout": 0.0}, ["attempt_timeout", "0.0"]),
        (plain, {"attempt_timeout": math.nan}, ["attempt_timeout", "nan"]),
        (plain, {"attempt_timeout": 5.0, "deadline": 2.0}, ["attempt_timeout", "5", "deadline", "2"]),
        (plain, {"fallback_timeout": -0.1}, ["fallback_timeout", "-0.1"]),
        (plain, {"fallback_timeout": 2.0, "deadline": 2.0}, ["fallback_timeout", "2", "deadline"]),
        (plain, {"reask": -1}, ["reask", "-1"]),
        (plain, {"reask": 11}, ["reask", "11"]),
        (plain, {"reask": 1.5}, ["reask", "1.5"]),
        (plain, {"reask": True}, ["reask", "True"]),
        (plain, {"mode": "of"}, ["mode", "'of'"]),
        (plain, {"mode": "shadow"}, ["mode", "'shadow'"]),
        (plain, {"mode": False}, ["mode", "False"]),
        (plain, {"contain": "some"}, ["contain", "'some'"]),
        (plain, {"isolation": "process"}, ["isolation", "'process'"]),
        (plain, {"shape": "gen"}, ["shape", "'gen'"]),
        (plain, {"owner": 7}, ["owner", "7"]),
        # groups of settings given as something else
        (plain, {"retry": 3}, ["retry", "3"]),
        (plain, {"breaker": True}, ["breaker", "True"]),
        (plain, {"bulkhead": 16}, ["bulkhead", "16"]),
        # the ladder
        (plain, {"fallback": "floor"}, ["fallback", "'floor'", "list"]),
        (plain, {"fallback": plain}, ["fallback", "list"]),
        (plain, {"fallback": [nothing]}, ["fallback[0]", "nothing"]),
        (plain, {"fallback": ["x", renamed]}, ["fallback[1]", "renamed"]),
        (two, {"fallback": [plain]}, ["fallback[0]", "plain"]),
        (plain, {"fallback": [two]}, ["fallback[0]", "two", "tenant"]),
        (plain, {"fallback": [Rung("floor")]}, ["fallback[0]", "Rung"]),  # type: ignore[arg-type]
        (plain, {"fallback": [Answer]}, ["fallback[0]", "Answer", "class"]),
        (plain, {"fallback": [async_rung]}, ["fallback[0]", "async_rung", "sync"]),
        (plain, {"fallback": [generator]}, ["fallback[0]", "generator"]),
        (plain, {"fallback": ["nonsense"], "output": Answer}, ["fallback[0]", "'nonsense'", "Answer"]),
        (plain, {"fallback": [None], "output": Answer}, ["fallback[0]", "None", "Answer"]),
        (plain, {"fallback": [{"score": math.nan, "label": "x"}], "output": Answer}, ["fallback[0]", "Answer"]),
        (
            plain,
            {"fallback": [Answer.model_construct(score="high")], "output": Answer},
            ["fallback[0]", "Answer"],
        ),
        (
            plain,
            {"fallback": [7], "output": OutputContract(int, checks=[lambda _: False])},
            ["fallback[0]", "7"],
        ),
        # shapes
        (coroutine, {"isolation": "thread"}, ["isolation", "thread", "async"]),
        (async_generator, {"isolation": "thread", "stream": "buffer"}, ["isolation", "thread", "async"]),
        (generator, {}, ["stream", "required"]),
        (async_generator, {}, ["stream", "required"]),
        (plain, {"stream": "buffer"}, ["stream", "'buffer'"]),
        (generator, {"stream": "elements"}, ["stream", "'elements'"]),
        (generator, {"stream": "passthrough", "fallback": [async_rung]}, ["fallback[0]", "async_rung"]),
        (async_generator, {"stream": "passthrough", "fallback": [async_rung]}, ["fallback[0]", "async_rung"]),
        (async_generator, {"stream": "passthrough", "fallback": [generator]}, ["fallback[0]", "generator"]),
        (generator, {"stream": "passthrough", "fallback": ["x"], "output": int}, ["fallback[0]", "'x'", "int"]),
        # contracts
        (plain, {"output": 7}, ["output", "7"]),
        (plain, {"output": lambda: 1}, ["output", "function", "checks"]),
        (plain, {"output": plain}, ["output", "function", "checks"]),
        (plain, {"output": len}, ["output", "function", "checks"]),
        (plain, {"output": object()}, ["output"]),
        # settings that are not there
        (plain, {"hedge": 0.5}, ["hedge", "0.5"]),
        (plain, {"key": "model"}, ["key", "'model'"]),
        (plain, {"budget": 1.0}, ["budget", "1.0"]),
        (plain, {"retry_budget": 0.1}, ["retry_budget", "0.1"]),
        (plain, {"dependency": "open ai"}, ["dependency", "'open ai'"]),
        (plain, {"idle": 1.0}, ["idle", "1.0", "no generator"]),
        (plain, {"input": {"x": str}}, ["input", "InputContract({…})"]),
        (plain, {"input": "text"}, ["input", "must be a rule, a type"]),
        (plain, {"risk": None}, ["risk", "None", "'low', 'medium' or 'high'"]),
        (plain, {"dead_line": 1.0}, ["dead_line", "1.0", "`deadline`"]),
        (plain, {"retries": 3}, ["retries", "3", "`retry`"]),
        (plain, {"zzz": 1}, ["zzz", "1", "no such setting"]),
    ],
)
def test_a_bad_declaration_names_boundary_setting_and_value(
    fn: Callable[..., Any], settings: dict[str, Any], words: list[str]
) -> None:
    """What cannot work is refused when it is declared, in one sentence that says where, what and why."""
    with pytest.raises(PolicyError) as caught:
        guard("triage", **{"deadline": 5.0} | settings)(fn)
    message = str(caught.value)
    assert "'triage'" in message
    for word in words:
        assert word in message
    assert "\n" not in message
    assert "For further information" not in message  # pydantic's advice is not for the reader
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("group", "settings", "words"),
    [
        (Retry, {"attempts": 0}, ["Retry", "attempts", "0"]),
        (Retry, {"attempts": 101}, ["Retry", "attempts", "101"]),
        (Retry, {"attempts": 2.0}, ["Retry", "attempts", "2.0"]),
        (Retry, {"attempts": 3, "stop": stop_after_attempt(3)}, ["Retry", "stop", "attempts"]),
        (Retry, {"wait": 1.0}, ["Retry", "wait", "1.0"]),
        (Retry, {"stop": 3}, ["Retry", "stop", "3"]),
        (Retry, {"on": {"timout"}}, ["Retry", "on", "timout"]),
        (Retry, {"on": 3}, ["Retry", "on", "3"]),
        (Retry, {"on": {FailureKind.CIRCUIT_OPEN}}, ["Retry", "on", "circuit_open"]),
        (Retry, {"on": {FailureKind.TRUNCATED}}, ["Retry", "on", "truncated", "reask"]),
        (Retry, {"budget": 1}, ["Retry", "budget", "1"]),
        (Breaker, {"failure_rate": 0}, ["Breaker", "failure_rate", "0"]),
        (Breaker, {"failure_rate": 1.1}, ["Breaker", "failure_rate", "1.1"]),
        (Breaker, {"failure_rate": math.nan}, ["Breaker", "failure_rate", "nan"]),
        (Breaker, {"minimum_calls": 0}, ["Breaker", "minimum_calls", "0"]),
        (Breaker, {"window": 0.0}, ["Breaker", "window", "0.0"]),
        (Breaker, {"window": math.inf}, ["Breaker", "window", "inf"]),
        (Breaker, {"open_for": 0.0}, ["Breaker", "open_for", "0.0"]),
        (Breaker, {"open_for": 20.0, "open_for_max": 10.0}, ["Breaker", "open_for", "20", "open_for_max", "10"]),
        (Breaker, {"probes": 0}, ["Breaker", "probes", "0"]),
        (Breaker, {"concurrent_probes": 0}, ["Breaker", "concurrent_probes", "0"]),
        (Breaker, {"slow_call": 0.0}, ["Breaker", "slow_call", "0.0"]),
        (Breaker, {"window_calls": 9}, ["Breaker", "window_calls", "9", "minimum_calls", "10"]),
        (Breaker, {"fail_max": 5}, ["Breaker", "fail_max", "5", "no such"]),
        (Bulkhead, {}, ["Bulkhead", "limit", "required"]),
        (Bulkhead, {"limit": 0}, ["Bulkhead", "limit", "0"]),
        (Bulkhead, {"limit": 1.5}, ["Bulkhead", "limit", "1.5"]),
        (Bulkhead, {"limit": 1, "queue": -1}, ["Bulkhead", "queue", "-1"]),
        (partial(OutputContract, str), {"format": "yaml"}, ["format", "yaml"]),
        (partial(OutputContract, str), {"max_bytes": 0}, ["max_bytes", "0"]),
        (partial(OutputContract, str), {"checks": [3]}, ["checks", "3"]),
    ],
)
def test_a_bad_group_of_settings_is_refused_where_it_is_made(
    group: Callable[..., Any], settings: dict[str, Any], words: list[str]
) -> None:
    """`Retry`, `Breaker`, `Bulkhead` and `OutputContract` refuse what cannot work, before any boundary has them."""
    with pytest.raises(PolicyError) as caught:
        group(**settings)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("name", ["", "a b", "ä", "a/b", "x" * 101, "a\n", None, 7, b"name", "name\x00"])
def test_a_bad_name_is_refused(name: Any) -> None:
    """A name is 1–100 of a small alphabet: it stands in metrics, files and URLs."""
    for declare in (partial(guard, name), partial(Boundary, name)):
        with pytest.raises(PolicyError, match="boundary name"):
            declare(deadline=1.0)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("name", ["a", "x" * 100, "A-Z_0.9", "-", "..."])
def test_a_good_name_is_kept(name: str) -> None:
    """Whatever the alphabet allows is a name."""
    assert Boundary(name, deadline=1.0).name == name


class _Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError(SECRET)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("value", [_Unspeakable(), "x" * 10_000, list(range(10_000))])
def test_a_value_that_cannot_be_shown_is_refused_all_the_same(value: Any) -> None:
    """A broken or an endless `repr` neither hides the message nor floods it."""
    with pytest.raises(PolicyError, match="`deadline`") as caught:
        guard("triage", deadline=value)(plain)
    assert len(str(caught.value)) < 500


@pytest.mark.usefixtures("clock")
def test_a_refused_declaration_leaves_no_boundary() -> None:
    """A name whose declaration failed is still free."""
    with pytest.raises(PolicyError):
        guard("triage", deadline=1.0, fallback=[nothing])(plain)
    with pytest.raises(PolicyError):
        Boundary("triage", deadline=1.0, output=int, fallback=["nonsense"])
    assert Boundary("triage", deadline=1.0).name == "triage"


# --- at call time: what a component returns


def deep(levels: int) -> Any:
    """Return a list in a list in a list."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BAD_ANSWERS = [
    pytest.param("x" * 10_000_000, id="10-mb"),
    pytest.param(b"\xff" * 10_000_000, id="10-mb-of-bytes"),
    pytest.param(lambda: {"score": 1.0, "label": "x" * 10_000_000}, id="10-mb-in-a-dict"),
    pytest.param('{"score": NaN, "label": "SECRET-PROMPT"}', id="nan"),
    pytest.param('{"score": 1e999, "label": "SECRET-PROMPT"}', id="infinity"),
    pytest.param(lambda: {"score": math.nan, "label": "x"}, id="nan-in-a-dict"),
    pytest.param("[" * 200 + "]" * 200, id="200-levels"),
    pytest.param("[" * 200_000, id="200000-levels"),
    pytest.param(lambda: deep(200), id="200-levels-of-lists"),
    pytest.param(lambda: deep(20_000), id="20000-levels-of-lists"),
    pytest.param('{"score": 1.0}', id="missing"),
    pytest.param('{"score": "SECRET-PROMPT", "label": "x"}', id="wrong"),
    pytest.param('{"score": 1.0, "label": "x", "SECRET-PROMPT": 1}', id="extra"),
    pytest.param("SECRET-PROMPT", id="prose"),
    pytest.param("\ud800 SECRET-PROMPT", id="surrogate"),
    pytest.param("\x00", id="nul"),
    pytest.param("", id="empty"),
    pytest.param(None, id="none"),
    pytest.param(lambda: lambda: SECRET, id="function"),
    pytest.param(lambda: ValueError, id="class"),
    pytest.param(lambda: ValueError(SECRET), id="exception"),
    pytest.param(lambda: Answer.model_construct(score=SECRET, label="x"), id="constructed"),
    pytest.param(lambda: object(), id="object"),  # noqa: PLW0108 - a fresh one each time
    pytest.param(lambda: HostileValue(), id="hostile"),  # noqa: PLW0108 - declared below
    pytest.param(lambda: HostileMapping(), id="hostile-mapping"),  # noqa: PLW0108 - declared below
    pytest.param(lambda: circular(), id="circular"),  # noqa: PLW0108 - declared below
]


class HostileValue:
    """Whatever one asks it, it raises."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError(SECRET)

    def __repr__(self) -> str:
        raise RuntimeError(SECRET)

    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError(SECRET)

    __hash__ = None  # type: ignore[assignment]


class Undecided:
    """Neither true nor false, nor equal to anything, as an array of numbers is."""

    def __bool__(self) -> NoReturn:
        raise ValueError(SECRET)

    def __eq__(self, other: object) -> NoReturn:
        raise ValueError(SECRET)

    __len__ = __iter__ = __bool__
    __hash__ = None  # type: ignore[assignment]


class HostileMapping(Mapping[str, Any]):
    """A mapping that raises on every access."""

    def __getitem__(self, key: str) -> NoReturn:
        raise RuntimeError(SECRET)

    def __iter__(self) -> NoReturn:
        raise RuntimeError(SECRET)

    def __len__(self) -> NoReturn:
        raise RuntimeError(SECRET)


def circular() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_no_bad_answer_leaves(scenario: Scenario, caplog: pytest.LogCaptureFixture, answer: Any) -> None:
    """Whatever is returned in place of an `Answer` ends as an `InvalidOutputError`, and its text goes nowhere."""
    harness = scenario(answer, output=Answer, breaker=Breaker(minimum_calls=1))
    error = harness.fails()
    assert isinstance(error, InvalidOutputError)
    assert error.failure.stage == "output"
    assert error.__cause__ is None
    assert SECRET not in f"{error} {error.failure.message} {caplog.text}"
    assert harness.boundary.breaker.fail_counter == 0


@pytest.mark.parametrize("shape", ["sync", "async_generator"])
@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_a_floor_answers_for_every_bad_answer(scenario: Scenario, answer: Any) -> None:
    """With a floor, the caller has a valid answer whatever the component said."""
    assert scenario(answer, output=Answer, fallback=[Answer(score=0.0, label="floor")])() == Answer(
        score=0.0, label="floor"
    )


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("x" * 10_000_000, id="10-mb"),
        pytest.param(math.nan, id="nan"),
        pytest.param(lambda: Undecided(), id="undecided"),  # noqa: PLW0108 - a fresh one each time
        pytest.param(lambda: deep(20_000), id="deep"),
        pytest.param(None, id="none"),
        pytest.param(lambda: ValueError(SECRET), id="exception"),
        pytest.param(False, id="false"),
    ],
)
def test_without_a_contract_anything_passes(scenario: Scenario, answer: Any) -> None:
    """Who declares no contract gets what the component returned, as it is."""
    given: list[Any] = []

    def answered() -> Any:
        given.append(answer() if callable(answer) else answer)
        return given[0]

    assert scenario(answered)() is given[0]


# --- at call time: what a component raises


class StrRaises(Exception):  # noqa: N818 - no error of ours
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError(SECRET)

    __repr__ = __str__


class ClassRaises(Exception):  # noqa: N818 - no error of ours
    """What asks for its class hears an exception."""

    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError(SECRET)


class ClassLies(Exception):  # noqa: N818 - no error of ours
    """It says that it is something else."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return BoundaryError


class CauseRaises(Exception):  # noqa: N818 - no error of ours
    """What asks for its cause hears an exception."""

    @property
    def __cause__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError(SECRET)


class Hostile(Exception):  # noqa: N818 - no error of ours
    """Whatever one asks it, it raises."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError(SECRET)


class HostileHolders(Exception):  # noqa: N818 - no error of ours
    """Every place where a status or a code is looked for raises, or holds what does."""

    body = HostileMapping()
    response = HostileValue()
    status_code = HostileValue()
    type = HostileValue()

    @property
    def code(self) -> NoReturn:
        raise RuntimeError(SECRET)


class StrangeCode(str):
    """A code that cannot be looked up."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise RuntimeError(SECRET)


class Coded(Exception):  # noqa: N818 - no error of ours
    """Its code cannot be looked up."""

    code = StrangeCode("model_not_found")


@dataclass
class Unhashable(Exception):  # noqa: N818 - no error of ours
    """A dataclass that is an exception, and so has no hash."""

    text: str = SECRET


@dataclass(frozen=True)
class Frozen(Exception):  # noqa: N818 - no error of ours
    """An exception whose attributes cannot be set."""

    text: str = SECRET


class Nameless(Exception):  # noqa: N818 - no error of ours
    """Its class says nothing of where it comes from."""

    __module__ = None  # type: ignore[assignment]


def nested_groups(levels: int) -> ExceptionGroup[Any]:
    """Return a group in a group in a group."""
    group: ExceptionGroup[Any] = ExceptionGroup(SECRET, [ValueError(SECRET)])
    for _ in range(levels):
        group = ExceptionGroup(SECRET, [group])
    return group


def endless() -> int:
    """Never return, until Python has had enough."""
    return endless() + 1


def with_circular_cause() -> Exception:
    """Return an exception that caused the exception that caused it."""
    first, second = ValueError(SECRET), KeyError(SECRET)
    first.__cause__, second.__cause__ = second, first
    return first


def in_client() -> Any:
    """Raise what an SDK's own model raises for a response it does not understand."""
    return TypeAdapter(Answer).validate_json('{"score": "SECRET-PROMPT"}')


def raising(make: Callable[[], BaseException]) -> Callable[[], NoReturn]:
    """Return a step that raises what `make` makes."""

    def step() -> NoReturn:
        raise make()

    return step


U = FailureKind.UNCLASSIFIED

BAD_ENDINGS = [
    pytest.param(StopIteration(SECRET), U, id="stop-iteration"),
    pytest.param(StopAsyncIteration(SECRET), U, id="stop-async-iteration"),
    pytest.param(raising(StrRaises), U, id="str-raises"),
    pytest.param(raising(ClassRaises), U, id="class-raises"),
    pytest.param(raising(ClassLies), U, id="class-lies"),
    pytest.param(raising(CauseRaises), U, id="cause-raises"),
    pytest.param(raising(Hostile), U, id="hostile"),
    pytest.param(raising(HostileHolders), U, id="hostile-holders"),
    pytest.param(raising(Coded), U, id="hostile-code"),
    pytest.param(raising(Unhashable), U, id="unhashable"),
    pytest.param(raising(Frozen), U, id="frozen"),
    pytest.param(raising(Nameless), U, id="nameless"),
    pytest.param(raising(with_circular_cause), U, id="circular-cause"),
    pytest.param(ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)]), U, id="group"),
    pytest.param(
        ExceptionGroup(SECRET, [ConnectionError(SECRET), ConnectionResetError(SECRET)]),
        FailureKind.CONNECTION,
        id="group-of-one-kind",
    ),
    pytest.param(ExceptionGroup(SECRET, [ConnectionError(SECRET), TimeoutError(SECRET)]), U, id="group-of-two-kinds"),
    pytest.param(raising(partial(nested_groups, 3_000)), U, id="3000-groups"),
    pytest.param(endless, U, id="recursion"),
    pytest.param(MemoryError(SECRET), U, id="memory"),
    pytest.param(AssertionError(SECRET), U, id="assertion"),
    pytest.param(Exception("x" * 10_000_000 + SECRET), U, id="10-mb"),
    pytest.param(in_client, FailureKind.SCHEMA_VIOLATION, id="pydantic"),
    pytest.param(partial(json.loads, "SECRET-PROMPT"), FailureKind.MALFORMED_OUTPUT, id="json"),
    pytest.param(HttpError(500), FailureKind.SERVER_ERROR, id="http"),
    pytest.param(HttpError(400, body={"error": {"code": SECRET}}), FailureKind.BAD_REQUEST, id="http-body"),
]


def leaving(call: Callable[[], Any]) -> BoundaryError:
    """Return the error that `call` ends with; a hostile exception that escapes must not break pytest as well."""
    escaped = "nothing"
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - it is looked at
        if issubclass(type(error), BoundaryError):
            return error  # type: ignore[return-value]
        escaped = type(error).__qualname__
    return pytest.fail(f"{escaped} left the boundary", pytrace=False)


def answer_of(call: Callable[[], Any]) -> Any:
    """Return what `call` returns; a hostile exception that escapes must not break pytest as well."""
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - it is looked at
        escaped = type(error).__qualname__
    return pytest.fail(f"{escaped} left the boundary", pytrace=False)


@pytest.mark.parametrize(("ending", "kind"), BAD_ENDINGS)
def test_nothing_raised_escapes_the_taxonomy(
    scenario: Scenario, caplog: pytest.LogCaptureFixture, ending: Any, kind: FailureKind
) -> None:
    """Every `Exception` of the component's leaves as a `BoundaryError` of a known kind, and its text goes nowhere."""
    harness = scenario(*repeat(ending, 3))
    error = leaving(harness)
    assert type(error) is (InvalidOutputError if kind in INVALID else ComponentError)
    assert error.failure.kind is kind
    assert error.failure.stage == "component"
    outcome = answer_of(harness.outcome)
    assert outcome.failure is not None
    assert outcome.failure.kind is kind
    texts = [str(error), repr(error), error.failure.message, outcome.failure.message, caplog.text]
    assert not any(SECRET in text for text in texts)
    assert max(map(len, texts)) < 20_000


INVALID = {FailureKind.SCHEMA_VIOLATION, FailureKind.MALFORMED_OUTPUT}


@pytest.mark.parametrize(("ending", "kind"), BAD_ENDINGS)
def test_a_floor_answers_whatever_was_raised(scenario: Scenario, ending: Any, kind: FailureKind) -> None:
    """With a floor, the caller has an answer, the breaker has its verdict, and no permit is lost."""
    harness = scenario(
        ending, fallback=["floor"], breaker=Breaker(minimum_calls=1, failure_rate=1.0), bulkhead=Bulkhead(limit=1)
    )
    assert answer_of(harness) == "floor"
    assert harness.boundary.bulkhead.in_flight == 0
    uncounted = INVALID | {FailureKind.BAD_REQUEST}
    assert harness.boundary.breaker.current_state == ("closed" if kind in uncounted else "open")


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(KeyboardInterrupt(SECRET), id="ctrl-c"),
        pytest.param(SystemExit(3), id="exit"),
        pytest.param(GeneratorExit(), id="generator-exit"),
        pytest.param(asyncio.CancelledError(), id="cancelled"),
        pytest.param(BaseExceptionGroup(SECRET, [KeyboardInterrupt(), ValueError()]), id="group"),
    ],
)
def test_what_is_no_exception_passes(scenario: Scenario, ending: BaseException) -> None:
    """What is no `Exception` has no kind: it leaves as it is, from both forms, and nothing is kept or counted."""
    harness = scenario(
        *repeat(ending, 2), fallback=["floor"], breaker=Breaker(minimum_calls=1), bulkhead=Bulkhead(limit=1)
    )
    for call in (harness, harness.outcome):
        with pytest.raises(type(ending)):
            call()
    assert harness.calls == 2
    assert harness.boundary.bulkhead.in_flight == 0
    assert harness.boundary.breaker.current_state == "closed"


# --- unclassified exceptions


def test_an_unclassified_exception_is_logged_once(scenario: Scenario, caplog: pytest.LogCaptureFixture) -> None:
    """One ERROR names boundary, class and frames, with file and line: enough to find it, and no text of it."""
    harness = scenario(raising(lambda: LookupError(SECRET)), fallback=["floor"])
    assert harness() == "floor"
    records = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(records) == 1
    text = records[0].getMessage()
    assert "'scenario'" in text
    assert "LookupError" in text
    assert f"{__file__}:" in text
    assert "in step" in text
    assert records[0].exc_info is None
    assert SECRET not in caplog.text


def test_a_classified_exception_is_not_logged_as_an_error(scenario: Scenario, caplog: pytest.LogCaptureFixture) -> None:
    """What everybody knows to happen is told by the error that leaves, not by the log."""
    scenario(ConnectionError(SECRET)).fails()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_known_containment_lets_the_unclassified_through(scenario: Scenario) -> None:
    """With `contain="known"` an exception that nobody classified leaves as it is; the outcome still tells of it."""
    raised = LookupError(SECRET)
    harness = scenario(*repeat(raised, 2), contain="known", breaker=Breaker(minimum_calls=1))
    outcome = harness.outcome()
    assert outcome.failure is not None
    assert outcome.failure.kind is U
    with pytest.raises(LookupError) as from_outcome:
        outcome.unwrap()
    assert from_outcome.value is raised
    assert harness.boundary.breaker.current_state == "open"
    harness.boundary.breaker.close()
    with pytest.raises(LookupError) as caught:
        harness()
    assert caught.value is raised


def test_known_containment_contains_the_known(scenario: Scenario) -> None:
    """What has a kind leaves as a `BoundaryError` all the same, and a rung answers for either."""
    assert scenario(ConnectionError(), contain="known").fails().failure.kind is FailureKind.CONNECTION
    assert scenario(LookupError(), name="other", contain="known", fallback=["floor"])() == "floor"


# --- programmers' errors


def _returns(value: Callable[[], Any]) -> Any:
    def component(*_: object) -> Any:
        return value()

    return component


def _arrives(value: Callable[[], Any]) -> Any:
    async def component(*_: object) -> Any:
        return value()

    return component


class _Awaitable:
    def __await__(self) -> Any:
        yield


class _Iterator:
    def __next__(self) -> int:
        return 1


class _AsyncIterator:
    async def __anext__(self) -> int:
        return 1


MISUSED_RESULTS = [
    pytest.param(lambda: coroutine("x"), "awaitable", id="coroutine"),
    pytest.param(lambda: _Awaitable(), "awaitable", id="awaitable"),  # noqa: PLW0108 - a fresh one each time
    pytest.param(lambda: generator("x"), "generator", id="generator"),
    pytest.param(lambda: iter([1]), "generator", id="iterator"),
    pytest.param(lambda: _Iterator(), "generator", id="next"),  # noqa: PLW0108 - a fresh one each time
    pytest.param(lambda: async_generator("x"), "async_generator", id="async-generator"),
    pytest.param(lambda: _AsyncIterator(), "async_generator", id="anext"),  # noqa: PLW0108 - a fresh one each time
]


@pytest.mark.parametrize(("value", "word"), MISUSED_RESULTS)
@pytest.mark.parametrize("isolation", ["inline", "thread", "async"])
@pytest.mark.parametrize("settings", [{}, {"output": str}])
def test_a_result_nobody_has_run_yet_is_a_type_error(
    clock: VirtualClock, value: Callable[[], Any], word: str, isolation: Any, settings: dict[str, Any]
) -> None:
    """An iterator or an awaitable as the answer is a programmer's error: from both forms, not counted, not answered."""
    settings |= {"deadline": 5.0, "breaker": Breaker(minimum_calls=1), "bulkhead": Bulkhead(limit=1)}
    if isolation == "async":
        guarded = guard("triage", **settings, fallback=["floor"])(_arrives(value))
        calls = [lambda: clock.run(guarded("x")), lambda: clock.run(guarded.outcome("x"))]
    else:
        guarded = guard("triage", **settings, fallback=["floor"], isolation=isolation)(_returns(value))
        calls = [lambda: guarded("x"), lambda: guarded.outcome("x")]
    for call in calls:
        with pytest.raises(TypeError, match=word) as caught:
            call()
        assert not isinstance(caught.value, BoundaryError)
        assert "component" in str(caught.value)  # its name
    assert guarded.boundary.breaker.current_state == "closed"
    assert guarded.boundary.bulkhead.in_flight == 0


@pytest.mark.parametrize("shape", ["sync", "thread", "async", "generator", "thread_generator", "async_generator"])
@pytest.mark.parametrize(("args", "kwargs"), [((), {}), (("a", "b"), {}), (("a",), {"tenant": "b"})])
def test_arguments_that_do_not_bind_are_a_type_error(
    clock: VirtualClock, shape: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """A call with wrong arguments is a programmer's error: from both forms, not counted, not answered by a rung."""
    fn = {"async": coroutine, "async_generator": async_generator}.get(
        shape, generator if shape.endswith("generator") else plain
    )
    settings: dict[str, Any] = {"breaker": Breaker(minimum_calls=1), "bulkhead": Bulkhead(limit=1)}
    if shape.endswith("generator"):
        settings["stream"] = "passthrough"
    if not shape.startswith("async"):
        settings["isolation"] = "thread" if shape.startswith("thread") else "inline"
    guarded: Any = guard("triage", deadline=5.0, retry=Retry(), fallback=["floor"], **settings)(fn)

    async def drained(stream: Any) -> Any:
        return [item async for item in stream]

    def call() -> Any:
        if shape == "async":
            return clock.run(guarded(*args, **kwargs))
        if shape == "async_generator":
            return clock.run(drained(guarded(*args, **kwargs)))
        return list(guarded(*args, **kwargs)) if shape.endswith("generator") else guarded(*args, **kwargs)

    def outcome() -> Any:
        result = guarded.outcome(*args, **kwargs)
        return clock.run(result) if shape == "async" else result

    for form in (call, outcome):
        with pytest.raises(TypeError) as caught:
            form()
        assert not isinstance(caught.value, BoundaryError)
    with pytest.raises(TypeError, match=fn.__name__):
        call()
    assert guarded.boundary.breaker.current_state == "closed"
    assert guarded.boundary.bulkhead.in_flight == 0


def test_a_type_error_of_the_components_own_is_a_failure(scenario: Scenario) -> None:
    """A `TypeError` raised inside the component is contained like any other exception of its."""

    def wrong() -> Any:
        return plain()  # type: ignore[call-arg]

    error = scenario(wrong, breaker=Breaker(minimum_calls=1)).fails()
    assert isinstance(error, ComponentError)
    assert error.failure.kind is U


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_a_result_that_cannot_be_iterated_is_a_type_error(isolation: Any) -> None:
    """A stream was declared and none came: a programmer's error, not counted, not answered, and no thread is lost."""
    settings: dict[str, Any] = {"bulkhead": Bulkhead(limit=1), "breaker": Breaker(minimum_calls=1)}
    settings |= {"isolation": isolation, "fallback": ["floor"]}
    guarded: Any = guard("triage", deadline=5.0, shape="generator", stream="passthrough", **settings)(plain_number)
    for _ in range(3):
        with pytest.raises(TypeError, match="int") as caught:
            next(guarded("x"))
        assert not isinstance(caught.value, BoundaryError)
    assert guarded.boundary.breaker.current_state == "closed"
    assert guarded.boundary.bulkhead.in_flight == 0


def plain_number(_: str) -> int:
    """Return what is no stream."""
    return 7


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_a_stream_that_cannot_be_opened_leaves_no_thread(isolation: Any) -> None:
    """A client that raises before it has any stream costs no worker: a hundred of them, and the next one works."""
    answers = iter([ConnectionError()] * 100)

    def client(_: str) -> Any:
        for error in answers:
            raise error
        return iter(["ok"])

    settings: dict[str, Any] = {"isolation": isolation, "bulkhead": Bulkhead(limit=2)}
    guarded: Any = guard("triage", deadline=5.0, shape="generator", stream="passthrough", **settings)(client)
    for _ in range(100):
        with pytest.raises(ComponentError) as caught:
            next(guarded("x"))
        assert caught.value.failure.kind is FailureKind.CONNECTION
    assert list(guarded("x")) == ["ok"]
