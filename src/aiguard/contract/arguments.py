"""Where a function's arguments are found in a call, by their names."""

from __future__ import annotations

import inspect
from enum import Enum
from types import MethodType, NoneType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from aiguard.contract.rules import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = (str, bytes, int, float, Enum, NoneType)
_OWNERS = frozenset({"self", "cls"})


class Place(NamedTuple):
    """
    Where one argument is.

    Attributes:
        at: Its position; -1 where it is given by name only.
        default: What it is where it is not given.
    """

    at: int
    default: Any


class Arguments(NamedTuple):
    """
    Where a function's arguments are.

    Attributes:
        places: Each one's place, by its name.
        first: The name of the first one, the instance of a method aside; empty where it has none.
        start: The position of the first one.
        any_name: Whether it takes names that it does not declare.
        any_number: Whether it takes more by position than it declares.
    """

    places: dict[str, Place]
    first: str
    start: int
    any_name: bool
    any_number: bool

    @classmethod
    def of(cls, fn: Callable[..., Any]) -> Arguments:
        """Return where the arguments of `fn` are; of one without a signature all are taken for named."""
        if type(fn) is MethodType:  # made anew at each access: what is known of it is kept by its function
            return _without_first(cls.of(fn.__func__))
        try:
            known = _KNOWN.get(fn)
            if known is None:
                known = _read(fn)
                if all(place.default is ABSENT or isinstance(place.default, _PLAIN) for place in known.places.values()):
                    _KNOWN[fn] = known  # any other default may lead back to the function, and neither would ever go
        except Exception:  # noqa: BLE001 - it cannot be referred to weakly, or has no hash
            return _read(fn)
        return known


_KNOWN: WeakKeyDictionary[Any, Arguments] = WeakKeyDictionary()


def _read(fn: Callable[..., Any]) -> Arguments:
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        return Arguments({}, "", 0, any_name=True, any_number=True)
    kinds = {one.kind for one in parameters}
    places = {
        one.name: Place(
            -1 if one.kind is one.KEYWORD_ONLY else index, ABSENT if one.default is one.empty else one.default
        )
        for index, one in enumerate(parameters)
        if one.kind not in {one.VAR_KEYWORD, one.VAR_POSITIONAL}
    }
    start = int(bool(parameters) and parameters[0].name in _OWNERS)
    any_number = _ANY_NUMBER in kinds
    return Arguments(places, _first(places, start, any_number=any_number), start, _ANY_NAME in kinds, any_number)


def _without_first(known: Arguments) -> Arguments:
    if known.any_number and not known.places:
        return known
    places = {name: Place(max(at - 1, -1), default) for name, (at, default) in known.places.items() if at}
    first = _first(places, 0, any_number=known.any_number)
    return Arguments(places, first, 0, known.any_name, known.any_number)


def _first(places: dict[str, Place], start: int, *, any_number: bool) -> str:
    """Return the name of the argument at `start`, or of the first that is given by name where there is none."""
    by_position = next((name for name, place in places.items() if place.at == start), "")
    return by_position or ("" if any_number else next((name for name, place in places.items() if place.at < 0), ""))


_ANY_NAME = inspect.Parameter.VAR_KEYWORD
_ANY_NUMBER = inspect.Parameter.VAR_POSITIONAL
