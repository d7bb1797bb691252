"""Python data as JSON, within bounds: how large, how deep, and whether JSON can say it at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json

from aiguard.contract.breach import Breach
from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable

DEEPEST = 200
"""Levels of nesting; pydantic's own parser stops there too."""

_BIGGEST = 10**4300  # longer integers no JSON parser of ours reads, and to write them takes long
_CONTAINERS = frozenset({dict, list, tuple})
_CONTAINER_BASES: tuple[Any, ...] = (dict, list, tuple, set, frozenset)
_ATOMS = frozenset({float, bool, type(None), dt.datetime, dt.date, dt.time, dt.timedelta, Decimal, UUID})


def as_json(value: object, limit: int) -> bytes | None:
    """
    Return `value` as JSON, or `None` where it holds what JSON cannot say without loss.

    Raises:
        Breach: If it is larger than `limit` bytes, or nested too deeply; a cycle is one or the other.
    """
    if not measure(value, limit):
        return None
    dumped = to_json(value, inf_nan_mode="constants")
    if len(dumped) > limit:
        raise too_large(limit)
    return dumped


def measure(value: object, limit: int) -> bool:
    """
    Return whether JSON can say `value` without loss; look at no more of it than `limit` bytes would hold.

    Raises:
        Breach: If it is larger, or nested too deeply.
    """
    measuring = _Measuring(limit)
    level: Iterable[Any] = (value,)
    for _ in range(DEEPEST + 1):
        level = measuring.below(level)
        if not level:
            return measuring.is_plain
    raise Breach(FailureKind.SCHEMA_VIOLATION, f"nested deeper than {DEEPEST} levels")


def too_large(limit: int) -> Breach:
    """Return the breach for an answer of more than `limit` bytes."""
    return Breach(FailureKind.OUTPUT_TOO_LARGE, f"larger than {limit} bytes")


class _Measuring:
    def __init__(self, limit: int) -> None:
        self.is_plain = True
        self._limit = limit
        self._left = limit

    def below(self, values: Iterable[Any]) -> list[Any]:
        """Weigh `values`, and return the containers' contents that are to be weighed next."""
        contents: list[Any] = []
        left = self._left
        for value in values:
            kind = type(value)
            if kind is str or kind is bytes:
                left -= len(value)
                self.is_plain &= kind is str
            elif kind is int:
                if not -_BIGGEST < value < _BIGGEST:
                    raise Breach(FailureKind.SCHEMA_VIOLATION, "an integer of more than 4300 digits")
            elif kind in _CONTAINERS:
                left -= 2 * len(value)
                if left >= 0:
                    contents.extend(self._inside(value, kind))
            elif kind not in _ATOMS:
                inside = self._inside_other(value)
                left -= len(inside)
                contents.extend(inside)
            if left < 0:
                raise too_large(self._limit)
        self._left = left
        return contents

    def _inside(self, value: Any, kind: type) -> Iterable[Any]:
        if kind is not dict:
            return cast("Iterable[Any]", value)
        self.is_plain &= all(isinstance(key, str) for key in value)
        return [*value, *value.values()]

    def _inside_other(self, value: Any) -> list[Any]:
        if isinstance(value, (Enum, int, float)):
            return []
        if isinstance(value, str):
            return [str.__str__(value)]
        for base in _CONTAINER_BASES:  # by the base's own method: a subclass may iterate for ever
            if isinstance(value, base):
                if base.__len__(value) > self._left:
                    raise too_large(self._limit)
                return list(self._inside(dict(dict.items(value)), dict) if base is dict else base.__iter__(value))
        self.is_plain = False
        return _attributes(value)


def _attributes(value: Any) -> list[Any]:
    if isinstance(value, BaseModel):
        return [*value.__dict__.values(), *(value.__pydantic_extra__ or {}).values()]
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name, None) for field in fields(value)]
    return []
