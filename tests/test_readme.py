"""What the README shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

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
