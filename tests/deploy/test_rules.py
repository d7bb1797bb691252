"""The rules for Prometheus: checked by its own tool, and tested for when they fire and when they do not."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from aiguard.telemetry import names
from tests.deploy.grafana import FILES, filled_in, queries, read
from tests.telemetry_e2e.prometheus import INSTALLED, RULES

needs_prometheus = pytest.mark.skipif(not INSTALLED, reason="Prometheus and promtool are not installed")

ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
TESTS: list[dict[str, Any]] = [
    case
    for test in yaml.safe_load(RULES.with_name("rules-test.yml").read_text(encoding="utf-8"))["tests"]
    for case in test.get("alert_rule_test", ())
]
DASHBOARD = {"on-call": "on-call", "the owner": "owner", "cost": "cost"}


@needs_prometheus
@pytest.mark.parametrize(
    "command",
    [("check", "rules", "rules.yml"), ("test", "rules", "rules-test.yml"), ("check", "config", "prometheus.yml")],
    ids=" ".join,
)
def test_promtool_agrees(command: tuple[str, ...]) -> None:
    """Rules and example are well-formed, and every alert does in its tests what they say."""
    done = subprocess.run(("promtool", *command), cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_for_firing_and_for_not_firing(alert: str) -> None:
    """An alert that is only ever seen to fire may always do so."""
    cases = [case for case in TESTS if case["alertname"] == alert]
    assert any(case["exp_alerts"] for case in cases)
    assert any(not case["exp_alerts"] for case in cases)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_to_do(alert: str) -> None:
    """It has a severity, a sentence about what is the matter, and one about what to look at, which there is."""
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "action"}
    for dashboard, panels in re.findall(
        r"dashboard for (on-call|the owner|cost), ([A-Z]\w+(?: \w+)*(?: and [A-Z]\w+(?: \w+)*)?)[.:]",
        rule["annotations"]["action"],
    ):
        [file] = [file for file in FILES if file.stem == DASHBOARD[dashboard]]
        assert set(panels.split(" and ")) <= {panel["title"] for panel in read(file)["panels"]}


def in_prometheus(name: str) -> str:
    """Return a name as Prometheus has it."""
    return re.sub(r"\W", "_", name)


def test_rules_and_dashboards_know_no_names_but_ours() -> None:
    """Each series and each label that is asked for is one of `aiguard.telemetry.names`, or made by a rule."""
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    made = {rule["record"] for group in rules for rule in group["rules"] if "record" in rule}
    asked = [filled_in(rule["expr"]) for group in rules for rule in group["rules"]]
    asked += [query.expr for query in queries()]
    ours = {in_prometheus(name) for name in vars(names).values() if isinstance(name, str)}
    for expr in asked:
        for recorded in re.findall(r"\baiguard:[a-z0-9_:]+", expr):
            assert recorded in made, expr
        for word in re.findall(r"\baiguard_\w+", expr):
            assert re.sub(r"(_seconds)?(_(bucket|count|sum|total))?$", "", word) in ours, expr
