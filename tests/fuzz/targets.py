"""
What is fuzzed: code that reads what a stranger wrote. Each target takes one input, and fails by raising.

Whatever the input, it has to end in a value or in a kind of failure, within a cap of CPU time.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel
from typing_extensions import TypedDict

from aiguard import FailureKind, JsonSchema, OutputContract
from aiguard.classification import classify
from aiguard.clock import SYSTEM
from aiguard.contract import Breach, Judge, extraction
from aiguard.contract.elements import NOT_YET, ElementContract, ElementReader
from aiguard.contract.repair import repaired
from aiguard.failure import INVALID_OUTPUTS
from aiguard.retry_after import LONGEST, retry_after_of
from tests.contract.hostile import allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_FOLDER: Final = Path(__file__).with_name("corpus")

CORPUS: Final = tuple(path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix == ".txt")
"""Answers and event streams, each with something that went wrong once, somewhere."""

SLOW: Final = {
    name: "".join(unit * count for unit, count in parts)
    for name, parts in json.loads((_FOLDER / "slow.json").read_text(encoding="utf-8")).items()
}
"""Answers of 20 KB that took too long once, by what they are made of; the file has their parts, each so many times."""

SLOWEST: Final = 2.0
"""Seconds of CPU for one input, all of which are small."""

SLOWEST_JUDGEMENT: Final = 0.02
"""Seconds of CPU for one judgement of one answer: twice what the documentation says of 20 KB."""

TRIES: Final = 10
"""Whoever is slow may try so often: a machine that is busy is slow too."""

LONGEST_MESSAGE: Final = 1000


class Target(NamedTuple):
    """
    Something that is fuzzed.

    Attributes:
        inputs: What it is given.
        judge: What looks at one input; it raises what is wrong.
    """

    inputs: st.SearchStrategy[Any]
    judge: Callable[[Any], object]


class SlowInputError(AssertionError):
    """An input took longer than it may."""


def hurried(judge: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return `judge`, held to the cap of time."""

    def timed(given: Any) -> None:
        if _seconds_of(judge, given) > SLOWEST and (took := _seconds_of(judge, given)) > SLOWEST:  # once may be chance
            raise SlowInputError(f"{took:.2f} s of CPU")

    return timed


def _seconds_of(judge: Callable[[Any], object], given: Any) -> float:
    began = process_time()
    judge(given)
    return process_time() - began


# what models write

_TOKENS: Final = (
    *("{", "}", "[", "]", '"', "\\", ",", ":", " ", "\n", "```", "```json\n", "\n```", "\ufeff", "\x00", "\ud800", "é"),
    *('"a"', '"b"', '{"a": 1, "b": "x"}', "1", "-0", "1e999", "NaN", "null", "true", "//", "\\u0000", "\\ud800", "'"),
)
tokens: Final = st.lists(st.sampled_from(_TOKENS), max_size=60).map("".join)


def _spoilt(given: tuple[bytes, int, int, str]) -> str:
    """Return a text of the corpus with a part of it taken out, and another one put in."""
    data, start, length, part = given
    text = data.decode("utf-8", "surrogateescape").encode("utf-8", "surrogateescape").decode("latin-1")
    at = start % (len(text) + 1)
    return text[:at] + part + text[at + length :]


texts: Final = st.one_of(
    tokens,
    st.text(max_size=80),
    st.tuples(st.sampled_from(CORPUS), st.integers(0, 5000), st.integers(0, 40), tokens).map(_spoilt),
    st.tuples(tokens, st.integers(1, 2000)).map(lambda given: (given[0] * given[1])[:20_000]),
    st.tuples(tokens, tokens, st.integers(1, 5000), tokens).map(
        lambda given: given[0][:200] + (given[1] * given[2])[:19_600] + given[3][:200]
    ),
    st.sampled_from(list(SLOW.values())),
)


class Item(BaseModel):
    """What is asked for."""

    a: int
    b: Literal["x", "y"] | None = None


class Leaf(BaseModel):
    """What a tree may hold."""

    kind: Literal["leaf"]


class Tree(BaseModel):
    """What may hold itself."""

    kind: Literal["tree"]
    a: float = 0.0
    kids: list[Tree | Leaf] = []


class Keyed(TypedDict):
    """A mapping with declared keys."""

    a: int
    b: list[str]


@dataclass
class Data:
    """A dataclass."""

    a: int
    b: set[int] = field(default_factory=set)


REPAIRS: Final[tuple[Literal["off", "safe"], ...]] = ("off", "safe")
SCHEMAS: Final[tuple[Any, ...]] = (Item, list[Item], Any, int | str | None)
JUDGES: Final[tuple[Judge[Any], ...]] = tuple(
    Judge.of(OutputContract[Any](schema, extract=extract, repair=repair))
    for schema in SCHEMAS
    for extract in (False, True)
    for repair in REPAIRS
)
OTHER_SCHEMAS: Final[tuple[Any, ...]] = (
    *(Tree, list[Keyed], list[Data], dict[int, float], list[int | float | None], list[UUID | dt.datetime]),
    JsonSchema({"type": "array", "items": {}, "uniqueItems": True}),
    JsonSchema({"items": {"oneOf": [{"type": "integer"}, {"enum": [1, "a", None]}, {"type": "array"}]}}),
)
OTHER_JUDGES: Final[tuple[Judge[Any], ...]] = tuple(
    Judge.of(OutputContract[Any](schema, extract=True, repair="safe")) for schema in OTHER_SCHEMAS
)


def judge_answer(text: str) -> None:
    """Judge an answer under several contracts: a value, or an invalid output with a short message."""
    extraction.candidates(text, "{[")
    mended = repaired(text)
    assert mended is None or len(mended) < len(text)
    for judge in (*JUDGES, *OTHER_JUDGES):
        for raw in (text, text.encode("utf-8", "surrogatepass")):
            breach = breach_of(judge, raw)
            assert breach is None or (breach.kind in INVALID_OUTPUTS and len(breach.message) < LONGEST_MESSAGE), breach


def breach_of(judge: Judge[Any], raw: object) -> Breach | None:
    """Judge an answer, and see to it that this takes no longer than it may."""
    least = math.inf
    for _ in range(TRIES):
        breach = None
        began = process_time()
        try:
            judge.judge(raw)
        except Breach as caught:
            breach = caught
        least = min(least, process_time() - began)
        if least <= SLOWEST_JUDGEMENT or least <= allowed(SLOWEST_JUDGEMENT):
            return breach
    raise SlowInputError(f"{least * 1e3:.1f} ms of CPU for {judge.name}")


# streams of elements

ELEMENTS: Final = tuple(ElementContract(OutputContract(list[Any], extract=extract)) for extract in (False, True))
pieces: Final = st.tuples(texts, st.lists(st.integers(1, 40), min_size=1, max_size=8))


def judge_elements(given: tuple[str, list[int]]) -> None:
    """
    Read the elements of a text piece by piece: the same ones come out, and the same end, however it is cut.

    Where prose is allowed, bytes that are no text end a stream in the piece that holds them, whatever stands before
    them in that piece: then a shorter cut may give more.
    """
    text, sizes = given
    data = text.encode("utf-8", "surrogatepass")
    for contract in ELEMENTS:
        whole = _read(contract, [data])
        cut = _read(contract, _cut(data, sizes))
        if contract.prose and not _is_text(data):
            assert "ended" not in {whole[1], cut[1]}
            assert cut[0][: len(whole[0])] == whole[0]
        else:
            assert cut == whole


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _cut(data: bytes, sizes: list[int]) -> Iterable[bytes]:
    at = index = 0
    while at < len(data):
        size = sizes[index % len(sizes)]
        yield data[at : at + size]
        at, index = at + size, index + 1


def _read(contract: ElementContract, parts: Iterable[bytes]) -> tuple[list[str], str]:
    reader, found = ElementReader(contract), []
    try:
        for part in parts:
            reader.feed(part)
            while (element := reader.next()) is not NOT_YET:
                found.append(repr(element))
        reader.end()
    except Breach as breach:
        return found, breach.kind.value
    return found, "ended"


# errors of clients

_words: Final = st.sampled_from(
    ["insufficient_quota", "overloaded_error", "rate_limit_exceeded", "content_filter", "model_not_found", "", "é" * 99]
)
_leaves: Final = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | _words | st.binary()
_keys: Final = st.sampled_from(["error", "code", "type", "message", "status", "details", "retryDelay", "@type", "x"])
bodies: Final = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys | st.text(max_size=3), inner, max_size=4)
)
_waits: Final = st.one_of(
    st.sampled_from(
        ["0", "1.5", "-1", "1e9", "٣", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 400, "nan", "inf", " 3 ", ""]
    ),
    st.text(max_size=40),
    st.dates().map(lambda day: day.strftime("%a, %d %b %Y 00:00:00 GMT")),
    _leaves,
)
headers: Final = st.dictionaries(
    st.sampled_from(["retry-after", "Retry-After", "retry-after-ms", "x-should-retry", "date", "x"]), _waits
)
_CLASSES: Final = ("RateLimitError", "APIStatusError", "ClientError", "APIError", "Timeout", "ValidationError", "É")
_MODULES: Final = ("openai", "anthropic", "google.genai.errors", "httpx", "botocore.exceptions", "grpc", "nobody", "")
errors: Final = st.fixed_dictionaries(
    {
        "class": st.sampled_from(_CLASSES),
        "module": st.sampled_from(_MODULES),
        "status_code": st.sampled_from([None, 200, 400, 404, 408, 429, 500, 503, 529, "429", -1, 10**30]) | _leaves,
        "code": _leaves | _words,
        "body": bodies,
        "headers": headers | bodies,
        "group": st.booleans(),
    }
)


def judge_error(given: dict[str, Any]) -> None:
    """Classify an error as a client may raise it: a kind, and a pause within bounds or none, whatever it carries."""
    cls = type(given["class"], (Exception,), {"__module__": given["module"]})
    error: Exception = cls("secret")
    response = type("Response", (), {"headers": given["headers"], "status_code": given["status_code"]})()
    for name, value in (*given.items(), ("response", response), ("details", given["body"])):
        if name not in {"class", "module", "group"}:
            setattr(error, name, value)
    if given["group"]:
        outer = ExceptionGroup("several", [error, ValueError("secret")])
        outer.__cause__ = error
        error = outer
    failure = classify(error, SYSTEM)
    assert isinstance(failure.kind, FailureKind)
    assert "secret" not in failure.message
    pause = retry_after_of(error, SYSTEM)
    for seconds in (pause, failure.retry_after):
        assert seconds is None or 0 <= seconds <= LONGEST, seconds


# event streams of a client

_EVENTS: Final = (
    *(
        "data: ",
        "data:",
        "event: error\n",
        "event:",
        ": ping\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "[DONE]",
        "id: 1\n",
        "\x00",
    ),
    *(
        '{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"object":"chat.completion.chunk"}',
        "{",
        "é",
    ),
    *('{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}', '{"error":{"type":"x","code":"y"}}', "null", "[]"),
    *('{"choices":[]}', '{"choices":null}', '{"choices":[{"delta":null}]}', '{"choices":[{"finish_reason":"length"}]}'),
)
events: Final = st.lists(st.sampled_from(_EVENTS), max_size=40).map("".join).map(
    lambda text: text.encode("utf-8", "surrogatepass")
) | st.binary(max_size=200)


def judge_events(body: bytes) -> None:
    """Read an event stream with a real client: its items and its end, or an error that has a kind."""
    try:
        for _ in _stream_of(body):
            pass
    except Exception as error:  # noqa: BLE001 - whatever it raises has a kind
        failure = classify(error, SYSTEM)
        assert isinstance(failure.kind, FailureKind)


def _stream_of(body: bytes) -> Iterable[Any]:
    import httpx2  # noqa: PLC0415 - the other targets need neither
    import openai  # noqa: PLC0415 - as above

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        client = openai.OpenAI(api_key="none", base_url="http://nowhere.invalid", max_retries=0, http_client=http)
        question: Any = [{"role": "user", "content": "?"}]
        yield from client.chat.completions.create(model="none", messages=question, stream=True)


TARGETS: Final = {
    "answers": Target(texts, hurried(judge_answer)),
    "elements": Target(pieces, hurried(judge_elements)),
    "errors": Target(errors, hurried(judge_error)),
    "events": Target(events, hurried(judge_events)),
}
