"""Hostile answers end in a kind, soon, and without taking the process's memory."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from time import process_time
from typing import Any

import pytest
from pydantic import BaseModel, Field

from aiguard import JsonSchema, OutputContract
from aiguard.contract import Breach, Judge, extraction
from aiguard.failure import INVALID_OUTPUTS
from tests.contract.hostile import answers

SIZE = 50_000
SLOWEST = 1.0
"""Seconds of CPU for so much text: ten times what the slowest takes, and far less than going back would take."""
MEGABYTE = 1_000_000
MESSAGE = 2000


class Item(BaseModel):
    """What an answer is made of."""

    a: int
    b: list[str]
    trap: str = Field("", pattern=r"^(a+)+$")


class Tree(BaseModel):
    """What may be as deep as it likes."""

    a: Tree | None = None
    b: Tree | None = None


CONTRACTS: dict[str, OutputContract[Any]] = {
    "strict": OutputContract(Item),
    "list": OutputContract(list[Item], extract=True, repair="safe"),
    "anything": OutputContract[Any](Any, extract=True, repair="safe"),
    "numbers": OutputContract(list[float], repair="safe"),
    "tree": OutputContract(Tree, extract=True),
    "union": OutputContract(int | list[int] | dict[str, int] | Item, extract=True),
    "text": OutputContract(str),
    "schema": OutputContract(JsonSchema({"type": "array", "items": {}, "uniqueItems": True})),
}


def judged(name: str, text: str) -> tuple[str, float]:
    """Return the kind that `text` ends in, or `ok`, and the seconds of CPU that this took."""
    judge: Judge[Any] = Judge.of(CONTRACTS[name])
    began = process_time()
    try:
        judge.judge(text)
    except Breach as caught:
        breach = caught
    else:
        return "ok", process_time() - began
    seconds = process_time() - began
    assert breach.kind in INVALID_OUTPUTS
    assert len(breach.message) < MESSAGE
    assert breach.exception is None or len(str(breach.exception)) < 50 * MESSAGE
    return breach.kind.value, seconds


@pytest.mark.parametrize("name", CONTRACTS)
def test_anything_ends_in_a_kind(name: str) -> None:
    """Or is an answer, where the contract allows anything."""
    slow = {}
    kinds: Counter[str] = Counter()
    for what, text in answers(SIZE).items():
        kind, seconds = judged(name, text)
        kinds[kind] += 1
        if seconds > SLOWEST:
            slow[what] = seconds
    assert not slow
    assert kinds.keys() - {"ok"}


@pytest.mark.parametrize(
    "what",
    [
        "'[' again and again",
        "'{}' again and again",
        "[ and '{}'",
        "[\" and '\\\\\"'",
        "[ and '\"\"'",
        "a fence with a slip",
    ],
)
def test_a_megabyte_takes_no_longer_than_it_should(what: str) -> None:
    """A quarter of a second on a machine with nothing else to do; going back would take hours."""
    text = answers(MEGABYTE)[what]
    began = process_time()
    extraction.candidates(text, "{[")
    assert process_time() - began < 2.0


def test_the_limit_comes_first() -> None:
    """Ten megabytes of a number are refused unread."""
    for text in ("1" * 10_000_000, "[" * 10_000_000):
        kind, seconds = judged("anything", text)
        assert kind == "output_too_large"
        assert seconds < 0.1


MEASURED = """
import resource, sys
from tests.contract.test_hostile import judged
from tests.contract.hostile import answers

text = answers(1_000_000)[sys.argv[1]]
judged("list", "[]")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
judged("list", text)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such measure there")
@pytest.mark.parametrize("what", ["bad items", "bad objects", "'[' again and again", "commas at the end of each"])
def test_a_megabyte_takes_so_much_memory_at_most(what: str) -> None:
    """A million errors too: they are counted, and not kept."""
    run = subprocess.run([sys.executable, "-c", MEASURED, what], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(run.stdout) * unit < 600 * MEGABYTE


def test_many_errors_are_not_kept() -> None:
    """Five are named, a hundred are kept for who looks, and no more."""
    judge = Judge.of(OutputContract(list[str]))
    for count, kept in ((100, True), (101, False)):
        with pytest.raises(Breach, match=f"^{count} errors") as caught:
            judge.judge([1] * count)
        assert (caught.value.exception is not None) is kept
