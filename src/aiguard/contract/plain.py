"""Python data as JSON, within bounds: how large, how deep, and whether JSON can say it at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json

from aiguard.contract.breach import Breach
from aiguard.contract.instances import held
from aiguard.failure import FailureKind

DEEPEST = 200
"""Levels of nesting; pydantic's own parser stops there too."""

_BIGGEST = 10**4300  # longer integers no JSON parser of ours reads, and to write them takes long
_CONTAINER_BASES: tuple[Any, ...] = (dict, list, tuple, set, frozenset)
_ATOMS = frozenset({float, bool, type(None), dt.datetime, dt.date, dt.time, dt.timedelta, Decimal, UUID})
_TEXT = frozenset({str})


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
    left = limit
    is_plain = True
    level: list[Any] = [value]
    for _ in range(DEEPEST + 1):
        inside: list[Any] = []
        for one in level:
            kind = type(one)
            if kind is str:
                left -= len(one)
            elif kind is int:
                if not -_BIGGEST < one < _BIGGEST:
                    raise Breach(FailureKind.SCHEMA_VIOLATION, "an integer of more than 4300 digits")
            elif kind not in _ATOMS:
                weight, data = _opened(one, kind, left, inside)
                is_plain &= data
                left -= weight
                if left < 0:
                    raise too_large(limit)
        if left < 0:
            raise too_large(limit)
        if not inside:
            return is_plain
        level = inside
    raise Breach(FailureKind.SCHEMA_VIOLATION, f"nested deeper than {DEEPEST} levels")


def too_large(limit: int) -> Breach:
    """Return the breach for an answer of more than `limit` bytes."""
    return Breach(FailureKind.OUTPUT_TOO_LARGE, f"larger than {limit} bytes")


def _opened(value: Any, kind: type, left: int, inside: list[Any]) -> tuple[int, bool]:
    """Add to `inside` what `value` holds, unless it weighs more than `left`; return its weight, and if it is data."""
    if kind is dict:
        return _opened_dict(value, left, inside)
    if kind is list or kind is tuple:
        weight = 2 * len(value)
        if weight <= left:
            inside += value
        return weight, True
    if isinstance(value, BaseModel):
        parts = [*held(value).values(), *(value.__pydantic_extra__ or {}).values()]
        inside += parts
        return len(parts), False
    if isinstance(value, str):
        return str.__len__(value), True
    if isinstance(value, (Enum, int, float)):
        return 0, True
    return _opened_other(value, left, inside)


def _opened_dict(value: dict[Any, Any], left: int, inside: list[Any]) -> tuple[int, bool]:
    weight = 2 * len(value)
    if weight > left:
        return weight, True
    inside += value.values()
    if _TEXT.issuperset(map(type, value)):
        return weight + sum(map(len, value)), True
    inside += value
    return weight, all(isinstance(key, str) for key in value)


def _opened_other(value: Any, left: int, inside: list[Any]) -> tuple[int, bool]:
    if type(value) is bytes:
        return len(value), False
    for base in _CONTAINER_BASES:  # by the base's own method: a subclass may iterate for ever
        if isinstance(value, base):
            size: int = base.__len__(value)
            if size > left:
                return size, True
            if base is dict:
                weight, is_data = _opened_dict(dict(dict.items(value)), left, inside)
                return size + weight, is_data
            inside += base.__iter__(value)
            return size, True
    parts = []
    if is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name, None) for field in fields(value)]
    inside += parts
    return len(parts), False
