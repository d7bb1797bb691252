"""docs/backends.md: it shows what a run of `make telemetry-e2e` has shown, and lists what there is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.deploy.grafana import FILES
from tests.telemetry_e2e.prometheus import RULES

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "backends.md").read_text(encoding="utf-8")
LARGEST = 200_000


def test_it_shows_every_picture_and_none_is_large() -> None:
    """No picture is left over from an earlier run, and a reader need not wait for one."""
    pictures = sorted((DOCS / "images" / "telemetry").iterdir())
    assert sorted(re.findall(r"\]\(images/telemetry/(.+?)\)", PAGE)) == [picture.name for picture in pictures]
    assert max(picture.stat().st_size for picture in pictures) <= LARGEST


def test_it_lists_every_alert() -> None:
    """Each alert stands there with its severity, in the order of the rules."""
    rules = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    alerts = [(rule["alert"], rule["labels"]["severity"]) for rule in rules if "alert" in rule]
    assert re.findall(r"^\| `(Aiguard\w+)` \| (\w+) \|", PAGE, flags=re.MULTILINE) == alerts


def test_it_lists_every_dashboard() -> None:
    """Each dashboard stands there with whom it is for."""
    assert sorted(re.findall(r"^\| `([a-z-]+\.json)` \|", PAGE, flags=re.MULTILINE)) == [file.name for file in FILES]
