"""Fixed figures in place of measured ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import report
from benchmarks.figures import Figure, Section, Verdict

COSTS = {
    "bare": 0.1,
    "floor": 5.0,
    "stamina": 15.0,
    "guard": 7.5,
    "composed": 36.2,
    "interlock": 234.5,
    "langchain": 350.0,
    "litellm": 3000.0,
}
HAS = {"stamina": ("deadline", "retry"), "guard": ("deadline", "timeout", "retry", "breaker", "bulkhead")}
CONTROL = 1.1  # a guarded call in a framework's process
FACTS = {"python": "CPython 3.11", "machine": "Linux x86_64", "packages": {"pydantic": "2.14"}, "quick": False}


def _figure(group: str, name: str, cost: float) -> Figure:
    return Figure(group, name, f"<{name}> & co", "µs", cost, cost, cost / COSTS["guard"], HAS.get(name))


def _section(group: str, scale: float) -> Section:
    return Section(
        f"{group} call, µs of CPU",
        (
            *(_figure(group, name, cost * scale) for name, cost in COSTS.items()),
            Figure(group, "litellm/guard", "aiguard", "µs", 8.25 * scale, 8.25 * scale, CONTROL),
        ),
        (
            Verdict(group, "guard/composed", "guard / composed", "x", 0.25, 0.30),
            Verdict(group, "guard/interlock", "guard / interlock", "x", 0.1),
        ),
    )


@pytest.fixture
def costs() -> dict[str, float]:
    """What each subject costs."""
    return COSTS


@pytest.fixture
def facts() -> dict[str, Any]:
    """What was measured, on what."""
    return FACTS


@pytest.fixture
def sections() -> list[Section]:
    """A whole run, every budget met."""
    return [_section("async", 1.0), _section("sync", 0.5)]


@pytest.fixture
def over() -> Section:
    """A section that misses its budget."""
    return Section("slow", (), (Verdict("async", "guard/composed", "guard / composed", "x", 0.31, 0.30),))


@pytest.fixture
def document(sections: list[Section]) -> dict[str, Any]:
    """The run as it is read back from its file."""
    read: dict[str, Any] = json.loads(json.dumps(report.document(sections, FACTS)))
    return read
