"""Attributes of objects that are not ours: their properties may raise anything."""

from __future__ import annotations

from typing import Any


def attribute(holder: object, name: str) -> Any:
    """Return an attribute, or `None` where there is none to be read."""
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 - as above
        return None
