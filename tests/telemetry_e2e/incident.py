"""A model that answers, is killed while tickets keep coming, and comes back; and what the backends say meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from examples.ticket_triage.answer_time import answer_time
from examples.ticket_triage.model_process import ModelProcess, free_port
from tests.telemetry_e2e.http import HOST, get
from tests.telemetry_e2e.processes import Process
from tests.telemetry_e2e.prometheus import Prometheus
from tests.telemetry_e2e.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BOUNDARY: Final = "ticket-triage"
WELL: Final = 15
"""Answers of the model before it is killed, and half as many after it is back."""

STATE: Final = "state"
"""Of the run's folder, where the service can be looked into."""

RUSH: Final = 0.5
"""Seconds between tickets while the model is dead."""

PATIENCE: Final = 180.0


class IncidentError(Exception):
    """Something that was waited for did not happen."""


@dataclass(frozen=True, slots=True)
class Told:
    """
    What was seen of the incident from outside.

    Attributes:
        ended: How the calls ended, as the service itself counted them.
        counted: The same, as Prometheus has them.
        alerts: Alerts at the end of the outage: name, state and labels.
        breaker: The states that the breaker was seen in, with how many scrapes saw it so.
        last: The state that it was in at last.
    """

    ended: dict[str, int]
    counted: dict[str, int]
    alerts: list[dict[str, Any]]
    breaker: dict[str, int]
    last: str


def play(
    folder: Path, otlp: str, outage: float, say: Callable[[str], None], show: Callable[[str, Prometheus], None]
) -> Told:
    """
    Go through it.

    Args:
        folder: Where logs and data go.
        otlp: Where the service sends traces and log events.
        outage: Seconds for which the model is dead.
        say: Hears what happens.
        show: Called at the end of the outage, while it is one, and at the end of it all.
    """
    metrics = free_port(None)
    with ModelProcess(free_port(None)) as model:
        # for the service too, which inherits it; a proxy for the internet knows nothing of our loopback
        os.environ.update(
            OPENAI_BASE_URL=model.base_url, OPENAI_API_KEY="none-is-needed-here", NO_PROXY=HOST, no_proxy=HOST
        )
        asyncio.run(model.start())
        seconds = asyncio.run(answer_time(model.base_url))
        every = max(RUSH, 2.5 * seconds)
        say(f"the model answers in {seconds:.2f} s; a ticket comes every {every:.2f} s")
        policies = folder / "aiguard.yaml"
        policies.write_text(_policies(seconds), encoding="utf-8")
        command = (sys.executable, "-m", "tests.telemetry_e2e.service", str(metrics), otlp, str(policies))
        ready = partial(get, f"http://{HOST}:{metrics}/metrics")
        window = {"AIGUARD_STATE": str(folder / STATE)}
        with (
            Process("service", command, folder, environment=window, ours=True, ready=ready) as service,
            Prometheus(folder, {SERVICE: metrics}) as prometheus,
        ):
            began = time.time()
            service.tell(f"{every:.2f}")
            _wait("the model to answer", lambda: _calls(prometheus).get("success", 0) >= WELL)
            say(f"the model is killed, as a ticket comes every {RUSH:g} s")
            service.tell(f"{RUSH:g}")
            model.kill()
            time.sleep(outage)
            _wait("an alert that fires", lambda: any(alert["state"] == "firing" for alert in prometheus.alerts()))
            alerts = prometheus.alerts()
            show("outage", prometheus)
            say("the model is back")
            before = _calls(prometheus).get("success", 0)
            service.tell(f"{every:.2f}")
            asyncio.run(model.start())
            _wait("the model to answer again", lambda: _calls(prometheus).get("success", 0) >= before + WELL // 2)
            say("no more tickets come")
            status = service.finish(within=60.0)
            if status != 0:
                raise IncidentError(f"the service ended with status {status}:\n{service.said[-2000:]}")
            show("end", prometheus)
            ended: dict[str, int] = json.loads(service.said.strip().splitlines()[-1])
            return Told(ended, _calls(prometheus), alerts, *_breaker(prometheus, began))


def _policies(seconds: float) -> str:
    """Return what an operator writes for a machine on which an answer takes so long: a busy one is not down."""
    attempt = max(1.8, 4 * seconds)
    times = {"attempt_timeout": f"{attempt:.1f}s", "deadline": f"{2.2 * attempt:.1f}s"}
    return json.dumps({"version": 1, "boundaries": {BOUNDARY: times}})  # YAML has JSON in it


def _calls(prometheus: Prometheus) -> dict[str, int]:
    """Return how many calls ended how, also of a service that is not there any more."""
    counted = f'aiguard_call_duration_seconds_count{{aiguard_boundary="{BOUNDARY}"}}[1h]'
    found = prometheus.ask(f"sum by (aiguard_outcome) (last_over_time({counted}))")
    return {labels["aiguard_outcome"]: int(count) for labels, count in found}


def _breaker(prometheus: Prometheus, since: float) -> tuple[dict[str, int], str]:
    """Return how many scrapes saw the breaker in each state, and the last one."""
    series = f'aiguard_breaker_state{{aiguard_breaker_name="{BOUNDARY}"}}'
    seen = {labels["aiguard_breaker_state"]: round(sum(values)) for labels, values in prometheus.over(series, since)}
    [(last, _)] = prometheus.ask(f"last_over_time({series}[1h]) == 1")
    return seen, last["aiguard_breaker_state"]


def _wait(what: str, happened: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > until:
            raise IncidentError(f"waited {PATIENCE:g} s for {what}")
        time.sleep(0.5)
