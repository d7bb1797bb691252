"""What Grafana does to a query before Prometheus sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "grafana"
FILES = sorted(FOLDER.glob("*.json"))


class Asked(NamedTuple):
    """
    A query of a panel.

    Attributes:
        where: Dashboard, panel and letter.
        expr: What is asked, with every variable filled in.
        labels: What a line is called after.
    """

    where: str
    expr: str
    labels: frozenset[str]


def read(file: Path) -> dict[str, Any]:
    """Return a dashboard as its file has it."""
    dashboard: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return dashboard


def filled_in(expr: str) -> str:
    """Return a query for everything that can be chosen."""
    return re.sub(r"\$(job|owner|boundary)\b", ".*", expr.replace("$__rate_interval", "1m"))


def queries() -> list[Asked]:
    """Return every query of every panel."""
    return [
        Asked(
            f"{file.stem}, {panel['title']}, {target['refId']}",
            filled_in(target["expr"]),
            frozenset(re.findall(r"{{(\w+)}}", target["legendFormat"])),
        )
        for file in FILES
        for panel in read(file)["panels"]
        for target in panel["targets"]
    ]


def variables() -> list[tuple[str, str, str]]:
    """Return where the values of each variable come from: dashboard and variable, query, label."""
    found = []
    for file in FILES:
        for variable in read(file)["templating"]["list"]:
            if variable["type"] == "query":
                match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
                assert match, variable
                found.append((f"{file.stem}, ${variable['name']}", filled_in(match[1]), match[2]))
    return found
