"""A real process, scraped by a real Prometheus with our rules: every rule is evaluated, every panel shows something."""

from __future__ import annotations

import math
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from examples.ticket_triage.model_process import free_port
from tests.deploy.grafana import queries, variables
from tests.telemetry_e2e.http import HOST, get
from tests.telemetry_e2e.processes import Process
from tests.telemetry_e2e.prometheus import INSTALLED, Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not INSTALLED, reason="Prometheus is not installed")

JOB = "shop"
WITHIN = 40.0
"""Seconds for every series to be there, on a busy machine."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Let Prometheus scrape a process whose boundaries go through everything."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    port = free_port(None)
    command = (sys.executable, "-m", "tests.deploy.exporting", str(port))
    ready = partial(get, f"http://{HOST}:{port}/metrics")
    with (
        Process("exporting", command, folder, ours=True, ready=ready),
        Prometheus(folder, {JOB: port}) as prometheus,
    ):
        yield prometheus


def eventually(missing: Callable[[], list[str]]) -> list[str]:
    """Ask for what is missing until nothing is, or time is up; return it."""
    until = time.monotonic() + WITHIN
    while (wanted := missing()) and time.monotonic() < until:
        time.sleep(0.5)
    return wanted


def test_every_panel_and_every_variable_shows_real_series(prometheus: Prometheus) -> None:
    """Each query finds a number, with the labels that its line is named after; each variable has values."""

    def missing() -> list[str]:
        empty = [
            f"{asked.where}: {asked.expr}"
            for asked in queries()
            if not any(
                math.isfinite(value) and asked.labels <= found.keys() for found, value in prometheus.ask(asked.expr)
            )
        ]
        empty += [
            where for where, metric, label in variables() if not any(label in s for s, _ in prometheus.ask(metric))
        ]
        return empty

    assert eventually(missing) == []


def test_every_rule_is_evaluated(prometheus: Prometheus) -> None:
    """No rule fails on real series, each that records has recorded, and the incident alerts whose owner is known."""

    def missing() -> list[str]:
        rules = prometheus.rules()
        wrong = [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] != "ok"]
        wrong += [rule["name"] for rule in rules if rule["type"] == "recording" and not prometheus.ask(rule["name"])]
        alerts = {
            (
                alert["labels"]["alertname"],
                alert["labels"].get("aiguard_boundary"),
                alert["labels"].get("aiguard_owner"),
            )
            for alert in prometheus.alerts()
        }
        wanted = {
            ("AiguardDegradedFast", "mood", "shop-ml"),
            ("AiguardDegradedSlow", "title", None),
            ("AiguardBreakerOpen", "letter", "shop-ml"),
            ("AiguardBreakerOpen", "summary", "search"),
            ("AiguardLadderFailing", "title", None),
            ("AiguardBulkheadSaturated", "search", "search"),
        }
        return wrong + [f"{alert} is not there" for alert in wanted - alerts]

    assert eventually(missing) == []
