"""When JSON Schema calls two values equal: by a key of each, made once however many schemas ask for it."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

_EXACT: Final = 2**53  # whole numbers below it are the same as floats and as integers
_NOTHING: Final = {list: "[]", dict: "{}"}
_LONGEST: Final = 64  # letters of a key that is passed on as it is


class Keys:
    """
    The keys of the values of one answer, which is alive all the while: equal where JSON's values are.

    A key is text, since that is hashed with a secret: of numbers, an answer could choose thousands that all collide. It
    is kept for each list and object, or every level of an answer would make the keys of all levels below it again.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(self, value: Any) -> str:
        """Return the key of `value`."""
        kind = type(value)
        if kind is str:
            return repr(value)
        if kind is int and -_EXACT < value < _EXACT:
            return str(value)
        if kind is not list and kind is not dict:
            return _key_of_number(value) if kind is int or kind is float else str(value)
        if not value:
            return _NOTHING[kind]
        known = self._known.get(id(value))
        if known is not None:
            return known
        if kind is list and len(value) > 1:
            key = f"[{','.join([self.of(one) for one in value])}]"
        elif kind is list:
            key = self._of_nested(value)
        else:
            key = f"{{{','.join([f'{name!r}:{self.of(value[name])}' for name in sorted(value)])}}}"
        if len(key) > _LONGEST:
            key = f"#{blake2b(key.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"
        self._known[id(value)] = key
        return key

    def _of_nested(self, value: Any) -> str:
        """Return the key of a list of one, which may be as deep as an answer gets."""
        depth = 0
        while type(value) is list and len(value) == 1:
            value = value[0]
            depth += 1
        return f"{'[' * depth}{self.of(value)}{']' * depth}"

    def are_distinct(self, values: list[Any]) -> bool:
        """Return whether no two of `values` are equal."""
        kinds = set(map(type, values))
        if kinds == {str}:
            keys = set(values)
        elif kinds == {int}:
            keys = set(map(str, values))
        else:
            keys = set(map(self.of, values))
        return len(keys) == len(values)


def _key_of_number(value: float) -> str:
    """Return one key for every way to write a number: 1, 1.0 and 1e0, and -0.0 for 0."""
    if -_EXACT < value < _EXACT:
        whole = int(value)
        return str(whole) if whole == value else repr(value)
    try:
        near = float(value)
    except OverflowError:  # an integer beyond the range of a float
        return str(value)
    return repr(near) if near == value else str(value)
