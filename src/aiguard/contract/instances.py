"""Instances of pydantic models: what they hold of an answer, and what is only kept on them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cached_property
from inspect import getattr_static
from operator import is_
from typing import Any
from uuid import UUID

from pydantic import BaseModel

_ATOMS = frozenset({str, int, float, bool, bytes, type(None), dt.datetime, dt.date, Decimal, UUID})


def held(model: BaseModel) -> dict[str, Any]:
    """
    Return what a model's instance holds, by name.

    What a program keeps on it is left out: the value of a `cached_property`, and private names, as those of the raw
    response that instructor leaves there. Any other name is a key of the answer, declared or not.
    """
    cls = type(model)
    fields = cls.__pydantic_fields__
    if model.__dict__.keys() <= fields.keys():
        return model.__dict__
    return {name: value for name, value in model.__dict__.items() if name in fields or not _is_kept(cls, name)}


def data_alone(value: Any) -> Any:
    """
    Return `value` with nothing on its models but what they hold; the very same where that is so already.

    pydantic takes all that is on an instance for keys of an answer. Only copies are changed.

    Args:
        value: A model, or lists, tuples and dicts of them, nested no deeper than Python's recursion goes.
    """
    # each question whether something is a model takes as long as all the others together
    if type(value) in _ATOMS:
        return value
    if isinstance(value, BaseModel):
        return _model_alone(value)
    if isinstance(value, list):
        items = [data_alone(one) for one in list.__iter__(value)]
        return value if all(map(is_, items, list.__iter__(value))) else items
    if type(value) is tuple:
        items = [data_alone(one) for one in value]
        return value if all(map(is_, items, value)) else tuple(items)
    if isinstance(value, dict):
        pairs = {key: data_alone(one) for key, one in dict.items(value)}
        return value if all(map(is_, pairs.values(), dict.values(value))) else pairs
    return value


def _model_alone(model: BaseModel) -> BaseModel:
    before = model.__dict__
    after = held(model)
    if after is before and _ATOMS.issuperset(map(type, before.values())):
        return model
    alone = {name: data_alone(one) for name, one in after.items()}
    if len(alone) == len(before) and all(one is before[name] for name, one in alone.items()):
        return model
    copied = BaseModel.__copy__(model)
    object.__setattr__(copied, "__dict__", alone)
    return copied


def _is_kept(cls: type[BaseModel], name: str) -> bool:
    return name.startswith("_") or isinstance(getattr_static(cls, name, None), cached_property)
