"""Fixed figures in place of measured ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import report
from benchmarks.figures import Figure, Section, Verdict

COSTS = {"bare": 0.1, "floor": 5.0, "guard": 7.5, "composed": 36.2, "interlock": 1234.5}
FACTS = {"python": "CPython 3.11", "machine": "Linux x86_64", "packages": {"pydantic": "2.14"}, "quick": False}


def _section(group: str, scale: float) -> Section:
    return Section(
        f"{group} call, µs of CPU",
        tuple(Figure(group, name, f"<{name}> & co", "µs", cost * scale, cost * scale) for name, cost in COSTS.items()),
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
