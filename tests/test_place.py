"""Where a boundary was declared."""

from __future__ import annotations

from aiguard.place import Place


def test_a_place_reads_well() -> None:
    """Where something was declared is shown as a reader looks for it."""
    place = Place("service", "triage", object(), 12)
    assert str(place) == "service:12 (triage)"
    assert not place.local
    assert Place("service", "make.<locals>.triage", object(), 12).local
