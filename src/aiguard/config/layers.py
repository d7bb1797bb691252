"""Settings laid over each other: environment over a boundary's block, that over code, that over the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

Settings = Mapping[str, Any]

ALTERNATIVES: Final = {"attempts": "stop", "stop": "attempts"}
"""Settings of `retry` that contradict each other: the upper layer's choice takes the place of the lower one's."""


def explicit(settings: BaseModel) -> Settings:
    """Return what a policy, or a group of its settings, sets, without what it leaves to the defaults."""
    return {name: getattr(settings, name) for name in settings.model_fields_set}


def laid(under: Settings, over: Settings) -> Settings:
    """Return the settings of `over`, and those of `under` that it does not speak of; groups setting by setting."""
    if not under or not over:
        return over or under
    both = dict(under)
    for name, value in over.items():
        both.pop(ALTERNATIVES.get(name, ""), None)
        below = both.get(name)
        both[name] = laid(_group(below), _group(value)) if _is_group(value) and _is_group(below) else value
    return both


def _is_group(value: object) -> bool:
    return isinstance(value, dict | BaseModel)


def _group(value: Any) -> Settings:
    return explicit(value) if isinstance(value, BaseModel) else value
