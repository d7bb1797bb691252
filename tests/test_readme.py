"""What the README shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from aiguard.config.configuration import Configuration
from aiguard.testing import VirtualClock  # noqa: TC001 - a fixture

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("answer", "source"),
    [('{"category": "technical", "priority": "urgent"}', "component"), ("I am a teapot", "fallback")],
)
def test_the_sample_answers(clock: VirtualClock, answer: str, source: str) -> None:
    """The sample gives a valid answer whether the model makes sense or not, and says who gave it."""

    async def ask_the_model(ticket: str) -> str:
        assert ticket == "my invoice is wrong"
        return answer

    names: dict[str, Any] = {"__name__": "readme", "ask_the_model": ask_the_model}
    exec(compile(SAMPLES[0], "README.md", "exec"), names)
    outcome = clock.run(names["triage"].outcome("my invoice is wrong"))
    assert outcome.source == source
    assert isinstance(outcome.value, names["Triage"])


def test_the_file_is_one_and_its_mistake_is_told_as_shown() -> None:
    """Only what it names by import path is not there; with a typo in it, the message is the one in the README."""
    [text] = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    problems = Configuration("aiguard.yaml", text.encode(), {}).problems
    assert {problem.reason for problem in problems} == {"there is no module 'myapp', on Python's path as it is here"}
    told = Configuration("aiguard.yaml", text.replace("deadline: 2s", "deadlin: 2s").encode(), {}).problems[0]
    assert str(told).replace(": boundary", ": error: boundary", 1) + " [invalid]\n" in README
