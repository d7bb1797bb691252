"""
The ticket service's model is killed under load; Phoenix, Prometheus, a relay and our own commands must show it.

    make telemetry-e2e
    make telemetry-e2e ARGS="--outage 330"      until AiguardBreakerOpen fires
    make telemetry-e2e ARGS=--pictures          write the pictures of docs/backends.md, too
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from examples.promises import Promises
from tests.telemetry_e2e import expectations, incident, screenshots, terminal
from tests.telemetry_e2e.phoenix import Phoenix
from tests.telemetry_e2e.prometheus import INSTALLED
from tests.telemetry_e2e.rotel import Rotel
from tests.telemetry_e2e.service import SERVICE

if TYPE_CHECKING:
    from tests.telemetry_e2e.prometheus import Prometheus

PICTURES: Final = Path(__file__).resolve().parents[2] / "docs" / "images" / "telemetry"
HEIGHTS: Final = {"outage": 760, "end": 840}
GRAPH: Final = {
    "g0.expr": "sum by (aiguard_outcome) (rate(aiguard_call_duration_seconds_count[20s]))\n"
    'or sum by (aiguard_breaker_state) (aiguard_breaker_state{aiguard_breaker_state="open"})',
    "g0.tab": "0",
    "g0.range_input": "4m",
}
"""What Prometheus is asked to draw: the calls a second, and the breaker: 1 where it is open."""

SETTLES: Final = 60.0
"""Seconds within which the last spans are in Phoenix's database."""


def main() -> int:
    """Run it; return 1 where a backend does not show what it must, 2 where something is not installed."""
    parser = argparse.ArgumentParser(prog="python -m tests.telemetry_e2e", description="An incident in real backends.")
    parser.add_argument("--outage", type=float, default=45.0, help="seconds for which the model is dead (%(default)s)")
    parser.add_argument("--pictures", action="store_true", help="write docs/images/telemetry/ anew")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and pictures there")
    chosen = parser.parse_args()
    lacking = [name for name, there in (("prometheus", INSTALLED), ("chromium", screenshots.CHROMIUM)) if not there]
    if lacking:
        say(f"Not installed: {', '.join(lacking)}. On Debian, as root: scripts/debian-backends")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exit like any other: what was started is ended
    with TemporaryDirectory(prefix="telemetry-e2e-") as temporary:
        folder = Path(temporary)
        try:
            return run(folder, chosen.outage, PICTURES if chosen.pictures else folder / "pictures")
        finally:
            if chosen.keep is not None:
                shutil.copytree(
                    folder, chosen.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", "phoenix")
                )


def run(folder: Path, outage: float, pictures: Path) -> int:
    """Start the backends, go through the incident, ask them; return the exit status."""
    promises = Promises()
    shown: list[terminal.Shown] = []
    began = time.monotonic()

    def tell(what: str) -> None:
        say(f"{time.monotonic() - began:5.0f} s  {what}")

    def show(moment: str, prometheus: Prometheus) -> None:
        if moment == "outage":
            page, to = "alerts", "prometheus-alerts.png"
        else:
            page, to = f"graph?{urlencode(GRAPH)}", "prometheus-incident.png"
        screenshots.take(f"{prometheus.url}/classic/{page}", pictures / to, width=1100, height=HEIGHTS[moment])
        if moment == "outage":
            shown.append(terminal.show(folder / incident.STATE, pictures))

    with Phoenix(folder, SERVICE) as phoenix, Rotel(folder, phoenix.url) as rotel:
        tell("Phoenix and the relay are up")
        told = incident.play(folder, rotel.endpoint, outage, tell, show)
        until = time.monotonic() + SETTLES
        while (spans := phoenix.spans()) and time.monotonic() < until:
            if sum(span["name"] == expectations.CALL for span in spans) >= sum(told.ended.values()):
                break
            time.sleep(1.0)
        expectations.of_traces(promises.check, phoenix, spans, told)
        expectations.of_metrics(promises.check, told)
        expectations.of_events(promises.check, rotel.said, told)
        expectations.of_terminal(promises.check, spans, shown[0])
        trace = expectations.telling(spans)["context"]["trace_id"]
        screenshots.take(phoenix.page_of(expectations.DEGRADED), pictures / "phoenix-degraded.png")
        screenshots.take(phoenix.page(trace), pictures / "phoenix-trace.png")
    for picture in sorted(pictures.iterdir()):
        tell(f"{picture.name}: {picture.stat().st_size:,} bytes")
    return 1 if promises.broken else 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
