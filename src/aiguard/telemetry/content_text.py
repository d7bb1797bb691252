"""
The text of arguments and answers: JSON of their data alone.

It is made while the call waits: nothing that a program wrote runs for it, so that nothing is used up that the component
is to read, and nothing takes longer than the data is long.
"""

from __future__ import annotations

import datetime as dt
import json
import pathlib
from base64 import urlsafe_b64encode
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import GetSetDescriptorType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, RootModel, Secret, SecretBytes, SecretStr
from pydantic_core import TzInfo

from aiguard.telemetry.content import TooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

WHOLE: Final = 256 * 1024
"""Characters of data in a part: what is longer is dropped, as a redaction that saw less would not see the whole."""

VALUES: Final = 10_000
"""Values in a part, for the same: the call waits for its text."""

DEPTH: Final = 100
"""Values that lie in one another; what goes round in a circle has no end."""

LONG: Final = "it is too long"

MANY: Final = "it holds too many values"

DEEP: Final = "it lies too deep in itself, or goes round in a circle"

MASKED: Final = '"**********"'


def text_of(value: Any) -> str:
    """
    Return a string as it is, a stream's items as one where all are strings, else JSON; what is no data by its class.

    It is made of data alone: no iterator is asked for an item, no method or property of a program's class is called.
    """
    text = _Text()
    if _is(type(value), str):
        return text.measured(str.__str__(value))
    if _is(type(value), list):
        if list.__len__(value) > WHOLE:
            raise TooLongError(LONG)
        items: list[Any] = [*list.__iter__(value)]
        if items and all(_is(type(item), str) for item in items):
            return "".join([text.measured(str.__str__(item)) for item in items])
    return text.of(value, 0)


class _Text:
    """The text of one value, as JSON, and what room there is left for it."""

    __slots__ = ("_characters", "_values")

    def __init__(self) -> None:
        self._characters = WHOLE
        self._values = VALUES

    def room_for(self, characters: int) -> None:
        """Have it end here where it would be longer than may be."""
        self._characters -= characters
        if self._characters < 0:
            raise TooLongError(LONG)

    def values_for(self, values: int) -> None:
        """Have it end here where it would hold more than may be."""
        if values > self._values:
            raise TooLongError(MANY)

    def measured(self, text: str) -> str:
        """Return it, if there is room."""
        self.room_for(len(text))
        return text

    def of(self, value: Any, depth: int) -> str:
        """Return the text of a value that lies so deep."""
        if depth > DEPTH:
            raise TooLongError(DEEP)
        self._values -= 1
        if self._values < 0:
            raise TooLongError(MANY)
        if type(value) is str:
            return _quoted(self.measured(value))
        if value is None:
            return "null"
        return _way_of(cast("Hashable", type(value)))(self, value, depth)

    def constant(self, value: Any, _: int) -> str:
        return "true" if value else "false"

    def string(self, value: Any, _: int) -> str:
        return _quoted(self.measured(str.__str__(value)))

    def integer(self, value: Any, _: int) -> str:
        return self.measured(int.__repr__(value))

    def number(self, value: Any, _: int) -> str:
        text = float.__repr__(value)
        return self.measured(_UNEVEN.get(text, text))

    def binary(self, value: Any, _: int) -> str:
        self.room_for(bytes.__len__(value))
        return f'"{urlsafe_b64encode(bytes.__getitem__(value, slice(None))).decode()}"'

    def mapping(self, value: Any, depth: int) -> str:
        return self.object_of(self._some(dict, value, dict.items), depth)

    def enum(self, value: Any, depth: int) -> str:
        return self.of(_attributes(value).get("_value_"), depth + 1)

    def model(self, value: Any, depth: int) -> str:
        """Write the fields that its class does not exclude, and what else it was given; its serializers do not run."""
        held, fields = _attributes(value), _of_class(type(value), "__pydantic_fields__")
        if _is(type(value), RootModel):
            return self.of(held.get("root"), depth + 1)
        more = _of_slot(value, "__pydantic_extra__")
        given = [(name, held[name]) for name in fields if name in held and not _is_excluded(fields[name])]
        return self.object_of([*given, *(self._some(dict, more, dict.items) if type(more) is dict else ())], depth)

    def fields(self, value: Any, depth: int) -> str:
        """Write the fields of a data class, or of pydantic's."""
        held, kept = _attributes(value), _of_class(type(value), "__pydantic_fields__")
        kept = kept if type(kept) is dict else {}
        names_of = [name for name in _of_class(type(value), "__dataclass_fields__") if not _is_excluded(kept.get(name))]
        given = [(name, held[name] if name in held else _of_slot(value, name)) for name in names_of]
        return self.object_of([(name, one) for name, one in given if one is not _NOTHING], depth)

    def masked(self, *_: Any) -> str:
        return self.measured(MASKED)

    def moment(self, value: Any, depth: int) -> str:
        """Write it as ISO 8601, unless its zone is a program's own."""
        if type(value.tzinfo) not in _ZONES:
            return self.class_name(value, depth)
        return _quoted(self.measured(value.isoformat()))

    def plain(self, value: Any, _: int) -> str:
        return _quoted(self.measured(str(value)))

    def class_name(self, value: Any, _: int) -> str:
        return _quoted(self.measured(f"<{_NAME(type(value))}>"))

    def object_of(self, items: Iterable[tuple[Any, Any]], depth: int) -> str:
        texts: list[str] = []
        for key, one in items:
            name = _quoted(self.measured(key)) if type(key) is str else self._key(key, depth)
            texts.append(f"{name}:{self.of(one, depth + 1)}")
        return f"{{{','.join(texts)}}}"

    def _key(self, key: Any, depth: int) -> str:
        text = self.of(key, depth + 1)
        return text if text.startswith('"') else _quoted(text)

    def array_of(self, kind: Any, value: Any, depth: int) -> str:
        items = self._some(kind, value, kind.__iter__)
        return f"[{','.join([self.of(item, depth + 1) for item in items])}]"

    def _some(self, kind: Any, value: Any, read: Callable[[Any], Iterable[Any]]) -> Iterable[Any]:
        """Return what a container holds, at once: the program may change it meanwhile."""
        self.values_for(kind.__len__(value))
        return [*read(value)]


_Way: TypeAlias = "Callable[[_Text, Any, int], str]"


def _array(kind: type) -> _Way:
    return lambda text, value, depth: text.array_of(kind, value, depth)


_NOTHING: Final = object()

_UNEVEN: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

_ZONES: Final = frozenset({type(None), dt.timezone, ZoneInfo, TzInfo})

_EXACT: Final[dict[type, _Way]] = {
    bool: _Text.constant,
    dt.datetime: _Text.moment,
    dt.time: _Text.moment,
    **dict.fromkeys(
        (
            dt.date,
            dt.timedelta,
            Decimal,
            UUID,
            pathlib.PosixPath,
            pathlib.WindowsPath,
            pathlib.PurePosixPath,
            pathlib.PureWindowsPath,
        ),
        _Text.plain,
    ),
}
"""Of these none but the class itself: a class made of one may have methods of its own."""

_KINDS: Final[tuple[tuple[type, _Way], ...]] = (
    (Enum, _Text.enum),  # may be a string or a number too
    (str, _Text.string),
    (int, _Text.integer),
    (float, _Text.number),
    (bytes, _Text.binary),
    (dict, _Text.mapping),
    (list, _array(list)),
    (tuple, _array(tuple)),
    (set, _array(set)),
    (frozenset, _array(frozenset)),
    (SecretStr, _Text.masked),
    (SecretBytes, _Text.masked),
    (Secret, _Text.masked),
    (BaseModel, _Text.model),
)

_quoted: Final = json.JSONEncoder(ensure_ascii=False).encode

# read past whatever a metaclass says
_NAME: Final[Callable[[type], str]] = type.__dict__["__qualname__"].__get__
_BASES: Final[Callable[[type], tuple[type, ...]]] = type.__dict__["__mro__"].__get__
_NAMES: Final[Callable[[type], Mapping[str, Any]]] = type.__dict__["__dict__"].__get__


def _is(cls: type, kind: type) -> bool:
    """Return whether the class is of that kind, whatever its metaclass says."""
    return type.__subclasscheck__(kind, cls)


@lru_cache(maxsize=256)
def _way_of(cls: type) -> _Way:
    exact = _EXACT.get(cls)
    if exact is not None:
        return exact
    for kind, way in _KINDS:
        if _is(cls, kind):
            return way
    return _Text.fields if type(_of_class(cls, "__dataclass_fields__")) is dict else _Text.class_name


def _of_class(cls: type, name: str) -> Any:
    """Return what a class or a base of it has by that name, as it stands there."""
    for base in _BASES(cls):
        own = _NAMES(base)
        if name in own:
            return own[name]
    return None


def _of_slot(value: object, name: str) -> Any:
    """Return what an object keeps in the slot of that name, nothing where that is a property or empty."""
    read = _reader_of(cast("Hashable", type(value)), name)
    try:
        return read(value)
    except AttributeError:
        return _NOTHING


@lru_cache(maxsize=1024)
def _reader_of(cls: type, name: str) -> Callable[[object], Any]:
    slot = _of_class(cls, name)
    if type(slot) in {MemberDescriptorType, GetSetDescriptorType}:
        return slot.__get__  # type: ignore[no-any-return]
    return lambda _: _NOTHING


def _attributes(value: object) -> dict[str, Any]:
    held = _of_slot(value, "__dict__")
    return held if type(held) is dict else {}


def _is_excluded(field: Any) -> bool:
    """Return whether a field of pydantic's may be left out where the object is written: then it is."""
    return field is not None and bool(field.exclude or getattr(field, "exclude_if", None))
