"""What the page of the fault server says is so: its table is the catalogue, and the kinds are what boundaries find."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from aiguard import Boundary, BoundaryError
from aiguard.testing import fresh_registry
from aiguard.testing.faultserver import FaultServer, WireFault, fault_server
from aiguard.testing.faultserver.catalogue import ONLY_IN_STREAMS
from tests.pages import PAGES, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = PAGES["fault-server.md"]
IN_A_STREAM = "### The same in a stream"


def table(text: str) -> dict[WireFault, list[str]]:
    """Return the rows of a text that begin with a fault."""
    found = [(row[0].strip("`").partition(":")[0], row) for row in rows(text)]
    return {BY_NAME[name]: row for name, row in found if name in BY_NAME}


BY_NAME = {fault.value: fault for fault in WireFault}
ROWS = table(PAGE.partition(IN_A_STREAM)[0])
STREAM_ROWS = table(PAGE.partition(IN_A_STREAM)[2])

SHORT, LONG = 0.1, 10.0
"""Seconds that a client waits for a server that hangs, and for any other: machines are busy."""

FOREVER = {WireFault.ENDLESS_STREAM, WireFault.KEEP_ALIVE_ONLY}
SMALL = {WireFault.SLOW: ":0.02", WireFault.DRIP: ":0", WireFault.BIG_BODY: ":1", WireFault.GZIP_BOMB: ":1"}

ANSWERED = "–"

MESSAGES: list[Any] = [{"role": "user", "content": "?"}]


class Health(BaseModel):
    """What is to be answered."""

    fine: bool


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """One that answers what the contract asks for."""
    with fault_server(answer='{"fine": true}') as server:
        yield server


Ask = tuple["Callable[[str, float], object]", "Callable[[str, float], Iterator[str]]"]
"""How a client is asked for an answer, and for a stream of text: model, and seconds until it gives up."""


@pytest.fixture(scope="module")
def of_openai(server: FaultServer) -> Iterator[Ask]:
    """Chat completions."""
    with openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0) as client:

        def ask(model: str, timeout: float) -> Any:
            return client.chat.completions.create(model=model, messages=MESSAGES, timeout=timeout)

        def stream(model: str, timeout: float) -> Iterator[str]:
            for chunk in client.chat.completions.create(model=model, messages=MESSAGES, stream=True, timeout=timeout):
                yield chunk.choices[0].delta.content or ""

        yield ask, stream


@pytest.fixture(scope="module")
def of_anthropic(server: FaultServer) -> Iterator[Ask]:
    """Messages."""
    with anthropic.Anthropic(base_url=server.anthropic_url, api_key="none", max_retries=0) as client:

        def ask(model: str, timeout: float) -> Any:
            return client.messages.create(model=model, messages=MESSAGES, max_tokens=9, timeout=timeout)

        def stream(model: str, timeout: float) -> Iterator[str]:
            for event in client.messages.create(
                model=model, messages=MESSAGES, max_tokens=9, stream=True, timeout=timeout
            ):
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    yield event.delta.text

        yield ask, stream


@pytest.fixture(scope="module")
def of_gemini(server: FaultServer) -> Iterator[Ask]:
    """google-genai, where it is installed."""
    genai = pytest.importorskip("google.genai")
    options = genai.types.HttpOptions(base_url=server.gemini_url, retry_options={"attempts": 1})
    client = genai.Client(api_key="none", http_options=options)

    def config(timeout: float) -> Any:
        return {"http_options": {"timeout": int(timeout * 1000)}}

    def ask(model: str, timeout: float) -> Any:
        return client.models.generate_content(model=model, contents="?", config=config(timeout))

    def stream(model: str, timeout: float) -> Iterator[str]:
        for answer in client.models.generate_content_stream(model=model, contents="?", config=config(timeout)):
            yield answer.text or ""

    yield ask, stream
    client.close()


def is_of_streams(fault: WireFault) -> bool:
    """Return whether the table tells of a stream."""
    return fault in ONLY_IN_STREAMS or fault.endswith("mid-stream")


def kind_of(client: Ask, fault: WireFault, *, streaming: bool, limit: float | None = None) -> str:
    """Return the kind that a boundary finds, or a dash where it lets an answer through."""
    model = f"{fault}{SMALL.get(fault, '')}"
    patience = SHORT if fault.startswith("hang") else LONG
    ask, stream = client
    with fresh_registry():
        try:
            if streaming:
                boundary = Boundary("s", output=Health, deadline=30.0, attempt_timeout=limit, stream="buffer")
                "".join(boundary.stream(stream, model, patience))
            else:
                Boundary("c", output=Health, deadline=30.0).call(ask, model, patience)
        except BoundaryError as error:
            return str(error.failure.kind)
    return ANSWERED


def test_the_table_is_the_catalogue() -> None:
    """Every fault in its order, with what it does, and what its number means."""
    assert list(ROWS) == list(WireFault)
    for fault, row in ROWS.items():
        parameter = fault.parameter
        assert row[0] == (f"`{fault}:{parameter.default:g}`" if parameter else f"`{fault}`")
        assert row[1] == fault.meaning + (f"; {parameter.meaning}" if parameter else "")


def limit_of(fault: WireFault, kind: str) -> float | None:
    """Return what nothing but a limit of ours ends."""
    return 0.2 if fault in FOREVER and kind == "timeout" else None


def shown(provider: int) -> Any:
    """Return a column of the tables: each fault, whether it is told of a stream, and the kind that stands there."""
    cells = [(fault, is_of_streams(fault), row[2 + provider]) for fault, row in ROWS.items()]
    cells += [(fault, True, row[1 + provider]) for fault, row in STREAM_ROWS.items()]
    cases = [
        pytest.param(fault, streaming, re.sub(r"[^a-z_–]", "", cell), id=f"{fault}{'-stream' * streaming}")
        for fault, streaming, cell in cells
    ]
    return pytest.mark.parametrize(("fault", "streaming", "kind"), cases)


@shown(0)
def test_what_a_boundary_finds_with_openai(of_openai: Ask, fault: WireFault, kind: str, *, streaming: bool) -> None:
    """As the tables say."""
    assert kind_of(of_openai, fault, streaming=streaming, limit=limit_of(fault, kind)) == kind


@shown(1)
def test_what_a_boundary_finds_with_anthropic(
    of_anthropic: Ask, fault: WireFault, kind: str, *, streaming: bool
) -> None:
    """As the tables say."""
    assert kind_of(of_anthropic, fault, streaming=streaming, limit=limit_of(fault, kind)) == kind


@shown(2)
def test_what_a_boundary_finds_with_gemini(of_gemini: Ask, fault: WireFault, kind: str, *, streaming: bool) -> None:
    """As the tables say."""
    assert kind_of(of_gemini, fault, streaming=streaming, limit=limit_of(fault, kind)) == kind
