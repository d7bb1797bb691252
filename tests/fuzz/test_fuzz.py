"""A second of fuzzing for each target, and every text of the corpus; the rest is for `make soak`."""

from __future__ import annotations

import time
from typing import Any

import pytest

from aiguard import OutputContract
from aiguard.contract import Judge
from tests.fuzz.running import fuzzed
from tests.fuzz.targets import (
    CORPUS,
    SLOW,
    SLOWEST,
    SLOWEST_JUDGEMENT,
    TARGETS,
    SlowInputError,
    Target,
    breach_of,
    hurried,
    judge_answer,
    judge_elements,
)


@pytest.mark.parametrize("name", TARGETS)
def test_a_second_of_inputs_is_read(name: str) -> None:
    """Each ends in a value or in a kind, soon."""
    if name == "events":
        pytest.importorskip("openai")
    first = time.time_ns() % 10**9
    print(f"seeds from {first}")  # noqa: T201 - what is needed to do it again
    assert fuzzed(TARGETS[name], 1.0, first) > 0


@pytest.mark.parametrize("data", CORPUS, ids=range(len(CORPUS)))
def test_the_corpus_is_read(data: bytes) -> None:
    """Whole, and cut after every seventh byte."""
    text = data.decode("latin-1")
    judge_answer(text)
    judge_elements((text, [7]))


@pytest.mark.parametrize("name", SLOW)
def test_what_was_slow_once_is_not_slow_any_more(name: str) -> None:
    """Under no contract."""
    judge_answer(SLOW[name])


def test_a_slow_judgement_is_found() -> None:
    """However soon the others are made."""

    def burn(_value: Any) -> None:
        until = time.process_time() + SLOWEST_JUDGEMENT * 10
        while time.process_time() < until:
            pass

    assert breach_of(Judge.of(OutputContract[Any](Any)), "[1]") is None
    with pytest.raises(SlowInputError):
        breach_of(Judge.of(OutputContract[Any](Any, checks=[burn])), "[1]")


def test_a_fault_is_found() -> None:
    """A target that fails for one word in thirty is told of, and so is a slow one."""

    def picky(given: str) -> None:
        assert "NaN" not in given

    def slow(_given: str) -> None:
        until = time.process_time() + SLOWEST * 1.1
        while time.process_time() < until:
            pass

    with pytest.raises(AssertionError):
        fuzzed(Target(TARGETS["answers"].inputs, picky), 20.0, 1)
    with pytest.raises(SlowInputError):
        hurried(slow)("")
