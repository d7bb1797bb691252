"""A dashboard as Grafana reads it, from a list of panels: what is the same in all of them is said here once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WIDTH: Final = 24
"""Columns of Grafana's grid."""

SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
SCHEMA: Final = 39

Kind = Literal["timeseries", "stat", "table", "state-timeline"]


@dataclass(frozen=True, slots=True)
class Query:
    """
    What is asked of Prometheus.

    Attributes:
        expr: In PromQL, with Grafana's variables.
        legend: What a line is called; labels in double braces.
    """

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """
    One picture of a dashboard.

    Attributes:
        title: What it answers; alerts name it.
        says: How to read it.
        queries: What it shows.
        unit: As Grafana names units.
        kind: How it is drawn.
        width: Columns of 24.
        height: Rows of the grid.
        stacked: Whether lines are areas on top of each other: parts of a whole.
        words: What stands for a number.
    """

    title: str
    says: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 12
    height: int = 8
    stacked: bool = False
    words: Mapping[int, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variable:
    """
    What a reader chooses at the top.

    Attributes:
        name: As queries name it.
        query: Where its values come from.
    """

    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """
    One reader's dashboard.

    Attributes:
        file: The name of its file.
        title: Its title.
        says: For whom it is, and what it answers.
        variables: What can be chosen.
        panels: In reading order.
        period: How far back it looks at first.
    """

    file: str
    title: str
    says: str
    variables: tuple[Variable, ...]
    panels: tuple[Panel, ...]
    period: str = "now-6h"

    def as_json(self) -> dict[str, Any]:
        """Return what Grafana imports."""
        return {
            "uid": f"aiguard-{self.file}",
            "title": self.title,
            "description": self.says,
            "tags": ["aiguard"],
            "schemaVersion": SCHEMA,
            "editable": True,
            "graphTooltip": 1,  # one cross-hair in all panels: what happened at the same time
            "refresh": "30s",
            "time": {"from": self.period, "to": "now"},
            "templating": {"list": [_source(), *map(_variable, self.variables)]},
            "panels": list(_laid_out(self.panels)),
        }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,  # whenever the time changes: boundaries come and go
        "includeAll": True,
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _laid_out(panels: Iterable[Panel]) -> Iterable[dict[str, Any]]:
    """Place panels beside each other as long as there is room, then below."""
    x = y = tallest = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        yield _panel(number, panel, x, y)
        x, tallest = x + panel.width, max(tallest, panel.height)


def _panel(number: int, panel: Panel, x: int, y: int) -> dict[str, Any]:
    now = panel.kind in {"stat", "table"}
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.kind == "timeseries":
        defaults["custom"] = {"fillOpacity": 25 if panel.stacked else 0, "showPoints": "never"}
        defaults["custom"]["stacking"] = {"mode": "normal" if panel.stacked else "none"}
    if panel.words:
        options = {str(value): {"text": text, "color": colour} for value, (text, colour) in panel.words.items()}
        defaults["mappings"] = [{"type": "value", "options": options}]
    drawn: dict[str, Any] = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [_target(letter, query, now=now) for letter, query in zip("ABCDEFGH", panel.queries, strict=False)],
    }
    if panel.kind == "table":
        drawn["transformations"] = [{"id": "merge"}, {"id": "organize", "options": {"excludeByName": {"Time": True}}}]
    return drawn


def _target(letter: str, query: Query, *, now: bool) -> dict[str, Any]:
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": now,
        "range": not now,
        "format": "table" if now and not query.legend else "time_series",
    }
