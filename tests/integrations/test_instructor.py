"""What instructor makes of an answer, behind a boundary with a contract, where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from aiguard import FailureKind
from aiguard.testing import FaultServer, RawReply, fault_server
from aiguard.usage import Usage
from tests.integrations.components import DEADLINE, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

instructor = pytest.importorskip("instructor")
openai = pytest.importorskip("openai")

MESSAGES: Any = [{"role": "user", "content": "How is it?"}]


class Verdict(BaseModel):
    """What is asked for."""

    fine: bool


class Report(BaseModel):
    """Something larger."""

    whole: Verdict
    parts: list[Verdict]


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """One for all."""
    with fault_server() as server:
        yield server


@pytest.fixture
def client(server: FaultServer) -> Iterator[Any]:
    """A client of OpenAI's, for instructor."""
    server.clear()
    with openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0) as client:
        yield client


def ended(client: Any, schema: Any, model: str, mode: str = "JSON", max_retries: int = 0) -> Any:
    """Return what a call ends as whose contract is what instructor was asked for."""
    create = instructor.from_openai(client, mode=instructor.Mode[mode]).create
    asked = {"model": model, "messages": MESSAGES, "response_model": schema, "max_retries": max_retries}
    return outcome(create, asked, output=schema, deadline=DEADLINE)


@pytest.mark.parametrize(
    ("schema", "answer", "value"),
    [
        (Verdict, '{"fine": true}', Verdict(fine=True)),
        (
            Report,
            '{"whole": {"fine": true}, "parts": [{"fine": false}]}',
            Report(whole=Verdict(fine=True), parts=[Verdict(fine=False)]),
        ),
        (list[Verdict], '{"tasks": [{"fine": true}, {"fine": false}]}', [Verdict(fine=True), Verdict(fine=False)]),
    ],
    ids=["a model", "models in a model", "a list"],
)
def test_a_result_satisfies_its_own_schema(
    client: Any, server: FaultServer, schema: Any, answer: str, value: Any
) -> None:
    """Although the raw response is kept on it, whose tokens are read."""
    server.answer = answer
    found = ended(client, schema, "ok")
    assert (found.failure, found.value) == (None, value)
    assert found.usage == Usage(8, len(answer.split()), 0, "ok")


def test_so_does_a_result_of_a_tools_call(client: Any, server: FaultServer) -> None:
    """Instructor's usual way to ask."""
    call = {"id": "1", "type": "function", "function": {"name": "Verdict", "arguments": '{"fine": true}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    used = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": used}
    server.script("m", RawReply(200, body))
    found = ended(client, Verdict, "m", "TOOLS")
    assert (found.value, found.usage) == (Verdict(fine=True), Usage(3, 4, 0, "m"))


@pytest.mark.parametrize(
    ("kind", "tries", "used"),
    [
        (FailureKind.TRUNCATED, 1, Usage(8, 1, 0, "truncated")),
        (FailureKind.MALFORMED_OUTPUT, 1, Usage(8, 8, 0, "garbage")),
        (FailureKind.MALFORMED_OUTPUT, 3, Usage(24, 24, 0, "garbage")),
    ],
)
def test_tokens_of_a_result_that_is_none_are_wasted(
    client: Any, server: FaultServer, kind: FailureKind, tries: int, used: Usage
) -> None:
    """What instructor raises carries the last response, and in it the tokens of all that it asked for."""
    server.answer = '{"fine": true}'
    found = ended(client, Verdict, str(used.model), max_retries=tries - 1)
    assert (found.failure.kind, found.wasted, len(server.requests)) == (kind, used, tries)
