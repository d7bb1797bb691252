"""Prometheus: it scrapes, keeps series, evaluates the rules, and says which alerts fire."""

from __future__ import annotations

import json
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from examples.ticket_triage.model_process import free_port
from tests.telemetry_e2e.http import HOST, get, get_json
from tests.telemetry_e2e.processes import Process

if TYPE_CHECKING:
    from collections.abc import Mapping

RULES: Final = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "rules.yml"
INSTALLED: Final = shutil.which("prometheus") is not None and shutil.which("promtool") is not None

Series = tuple[dict[str, str], float]


class Prometheus(Process):
    """
    A Prometheus that scrapes and evaluates every second, as a context manager.

    Args:
        folder: Where its data go.
        jobs: Of each job, the port on which its metrics are.
    """

    def __init__(self, folder: Path, jobs: Mapping[str, int]) -> None:
        self.url = f"http://{HOST}:{(port := free_port(None))}"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [RULES.name],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"{HOST}:{where}"]}]} for job, where in jobs.items()
            ],
        }
        shutil.copy(RULES, folder)  # its pages show where the rules are
        (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")  # YAML has JSON in it
        command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
        command += [f"--web.listen-address={HOST}:{port}", "--web.page-title=Prometheus"]
        super().__init__("prometheus", command, folder, ready=partial(get, f"{self.url}/-/ready"))

    def ask(self, expr: str) -> list[Series]:
        """Return the labels and the value of every series that a query finds now."""
        found = self._api("query", query=expr)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def over(self, expr: str, since: float) -> list[tuple[dict[str, str], list[float]]]:
        """Return every series that a query finds from a moment (Unix seconds) until now, a value a second."""
        found = self._api("query_range", query=expr, start=str(since), end=str(time.time()), step="1")["result"]
        return [(each["metric"], [float(value) for _, value in each["values"]]) for each in found]

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its health, as Prometheus sees it."""
        return [rule for group in self._api("rules")["groups"] for rule in group["rules"]]

    def alerts(self) -> list[dict[str, Any]]:
        """Return every alert that is pending or fires."""
        alerts: list[dict[str, Any]] = self._api("alerts")["alerts"]
        return alerts

    def _api(self, what: str, **arguments: str) -> Any:
        return get_json(f"{self.url}/api/v1/{what}", **arguments)["data"]
