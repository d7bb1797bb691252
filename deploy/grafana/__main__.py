"""
Write the dashboards.

    python -m deploy.grafana
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.grafana.dashboards import DASHBOARDS

if TYPE_CHECKING:
    from deploy.grafana.board import Dashboard

FOLDER = Path(__file__).parent


def text(dashboard: Dashboard) -> str:
    """Return what its file says."""
    return json.dumps(dashboard.as_json(), indent=2) + "\n"


def main() -> None:
    """Write one file for each."""
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.file}.json").write_text(text(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
