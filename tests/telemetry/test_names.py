"""The names that leave the process are a promise to dashboards and alerts."""

from __future__ import annotations

from pathlib import Path

from aiguard.telemetry import names

GOLDEN = Path(__file__).with_name("names.txt")


def test_names_are_those_of_the_golden_file() -> None:
    """A name that changes breaks somebody's dashboard: change it here, in the file, and in the changelog."""
    found = "".join(f"{name} = {value}\n" for name, value in sorted(vars(names).items()) if name.isupper())
    assert found == GOLDEN.read_text(encoding="utf-8")


def test_names_are_all_ours_but_for_the_standard_ones() -> None:
    """Every attribute, event and instrument is `aiguard.…`, save what the conventions name."""
    texts = [value for name, value in vars(names).items() if name.isupper() and isinstance(value, str) and "." in value]
    assert {text for text in texts if not text.startswith(("aiguard.", "gen_ai."))} == {"error.type", "server.address"}
    twice = {text for text in texts if texts.count(text) > 1}
    both = {names.DEGRADED_EVENT, names.BREAKER_STATES, names.STREAM_FIRST_ITEM, names.STREAM_MAX_GAP}
    assert twice <= both  # what is an attribute of spans, and an event or an instrument as well
