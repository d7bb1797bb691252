"""Where a value may hide NaN or infinity: a check compiled once per type, absent where nothing needs it."""

from __future__ import annotations

import cmath
from collections import deque
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiguard.contract.survey import Node

    Check = Callable[[Any], bool]

_TRANSPARENT = frozenset(
    {"definitions", "default", "function-before", "model-field", "typed-dict-field", "dataclass-field"}
)
_WITHOUT_FLOATS = frozenset(
    {"none", "bool", "int", "str", "bytes", "date", "time", "datetime", "timedelta", "literal", "enum", "uuid", "url"}
    | {"multi-host-url", "missing-sentinel", "callable", "is-subclass"}
)
_ITEMS = (list, tuple, set, frozenset, deque)
_ANY: Node = {"type": "any"}
_LEAVES = frozenset({str, int, bool, bytes, type(None)})


def compile_check(schema: Node, definitions: dict[str, Node]) -> Check | None:
    """Return a check that is true for values without NaN and infinity, or `None` where no value can hold them."""
    compiler = _Compiler(definitions)
    check = compiler.check(schema, finite_floats=False)
    return is_finite if check is not None and compiler.is_recursive else check


def is_finite(value: object) -> bool:
    """Return whether nothing in `value` is NaN or infinite, however it is nested."""
    if type(value) in _LEAVES:
        return True
    level: list[Any] = [value]
    seen: dict[int, Any] = {}
    while level:
        kinds = set(map(type, level)) - _LEAVES
        if float in kinds and not all(map(isfinite, [one for one in level if type(one) is float])):
            return False
        kinds.discard(float)
        openers = {kind: _opener_of(kind) for kind in kinds}
        inner: list[Any] = []
        for one in level if kinds else ():
            kind = type(one)
            if kind not in kinds or id(one) in seen:
                continue
            seen[id(one)] = one
            if kind is list:
                inner += one
            elif kind is dict:
                inner += one
                inner += one.values()
            elif (parts := openers[kind]) is not None:
                inner += parts(one)
            elif not _is_finite_number(one):
                return False
        level = inner
    return True


def _is_finite_number(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, Decimal):
        return value.is_finite()
    return not isinstance(value, complex) or cmath.isfinite(value)


@lru_cache(maxsize=512)
def _opener_of(cls: type) -> Callable[[Any], Iterable[Any]] | None:
    """Return what gives the parts of a class's instances; `None` where they have none."""
    if issubclass(cls, BaseModel):
        return _of_model
    if issubclass(cls, dict):
        return _of_dict
    if issubclass(cls, _ITEMS):
        return iter
    return _of_dataclass if is_dataclass(cls) else None


def _of_model(value: Any) -> Iterable[Any]:
    extra = value.__pydantic_extra__
    held: Iterable[Any] = value.__dict__.values()
    return [*held, *extra.values()] if extra else held


def _of_dict(value: Any) -> Iterable[Any]:
    return [*value, *value.values()]


def _of_dataclass(value: Any) -> Iterable[Any]:
    return [getattr(value, field.name, None) for field in fields(value)]


class _Compiler:
    def __init__(self, definitions: dict[str, Node]) -> None:
        self._definitions = definitions
        self._open: set[str] = set()
        self.is_recursive = False  # then only the walker that does not recurse is safe

    def check(self, node: Node, *, finite_floats: bool) -> Check | None:
        """Return the check of `node`; `finite_floats` where the enclosing model already refuses what is not finite."""
        kind = node["type"]
        if kind in _WITHOUT_FLOATS:
            return None
        if kind in _TRANSPARENT:
            return self.check(node["schema"], finite_floats=finite_floats)
        compiled = _COMPILED.get(kind)
        # Any, validators of the user's own, and whatever pydantic adds later
        return is_finite if compiled is None else compiled(self, node, finite_floats)

    def number(self, node: Node, finite_floats: bool) -> Check | None:  # noqa: FBT001 - called by the table below
        return None if _bounded(node, finite_floats=finite_floats) else _is_finite_number

    def reference(self, node: Node, _finite_floats: bool) -> Check | None:  # noqa: FBT001
        ref = node["schema_ref"]
        if ref in self._open:
            self.is_recursive = True
            return None
        self._open.add(ref)
        try:
            return self.check(self._definitions[ref], finite_floats=False)
        finally:
            self._open.discard(ref)

    def nullable(self, node: Node, finite_floats: bool) -> Check | None:  # noqa: FBT001
        check = self.check(node["schema"], finite_floats=finite_floats)
        if check is None or check is is_finite:
            return check
        return lambda value: value is None or check(value)

    def sequence(self, node: Node, finite_floats: bool) -> Check | None:  # noqa: FBT001
        check = self.check(node.get("items_schema", _ANY), finite_floats=finite_floats)
        if check is None or check is is_finite:  # which looks at all of it at once
            return check
        return lambda value: all(map(check, value))

    def model(self, node: Node, _finite_floats: bool) -> Check | None:  # noqa: FBT001
        check = self.check(node["schema"], finite_floats=_refuses(node))
        if check is None or not node.get("root_model"):
            return check
        return lambda value: check(value.root)

    def typed_dict(self, node: Node, _finite_floats: bool) -> Check | None:  # noqa: FBT001
        needed = self._fields(node["fields"].items(), finite_floats=_refuses(node))
        return (
            (lambda value: all(name not in value or check(value[name]) for name, check in needed)) if needed else None
        )

    def attributes(self, node: Node, finite_floats: bool) -> Check | None:  # noqa: FBT001
        fields_: Any = node["fields"]
        named = fields_.items() if isinstance(fields_, dict) else [(field["name"], field) for field in fields_]
        needed = self._fields(named, finite_floats=finite_floats)
        return _fields_check(needed) if needed else None

    def union(self, node: Node, finite_floats: bool) -> Check | None:  # noqa: FBT001
        checks = [self.check(part, finite_floats=finite_floats) for part in _parts_of(node)]
        return is_finite if any(check is not None for check in checks) else None

    def _fields(self, named: Iterable[tuple[str, Node]], *, finite_floats: bool) -> tuple[tuple[str, Check], ...]:
        checks = [(name, self.check(field, finite_floats=finite_floats)) for name, field in named]
        return tuple((name, check) for name, check in checks if check is not None)


_COMPILED: dict[str, Callable[[_Compiler, Node, bool], Check | None]] = {
    "float": _Compiler.number,
    "decimal": _Compiler.number,
    "definition-ref": _Compiler.reference,
    "nullable": _Compiler.nullable,
    "list": _Compiler.sequence,
    "set": _Compiler.sequence,
    "frozenset": _Compiler.sequence,
    "model": _Compiler.model,
    "dataclass": _Compiler.model,
    "model-fields": _Compiler.attributes,
    "dataclass-args": _Compiler.attributes,
    "typed-dict": _Compiler.typed_dict,
    "union": _Compiler.union,
    "tagged-union": _Compiler.union,
    "dict": _Compiler.union,
    "tuple": _Compiler.union,
}


def _parts_of(node: Node) -> Iterable[Node]:
    kind = node["type"]
    if kind == "dict":
        return [node.get("keys_schema", _ANY), node.get("values_schema", _ANY)]
    if kind == "tuple":
        return cast("list[Node]", node["items_schema"])
    choices = node["choices"]
    listed = choices.values() if isinstance(choices, dict) else choices
    return [one[0] if isinstance(one, tuple) else one for one in listed]


def _fields_check(needed: tuple[tuple[str, Check], ...]) -> Check:
    def check_fields(value: Any) -> bool:
        for name, check in needed:  # noqa: SIM110 - a generator would double what this costs
            if not check(getattr(value, name, None)):
                return False
        return True

    if len(needed) == 1 or any(check is not _is_finite_number for _, check in needed):
        return check_fields
    numbers = attrgetter(*(name for name, _ in needed))

    def check_numbers(value: Any) -> bool:
        try:
            if all(map(isfinite, numbers(value))):
                return True
        except (AttributeError, TypeError, ValueError):  # some are no floats
            pass
        return check_fields(value)  # decimals beyond all floats are finite

    return check_numbers


def _refuses(node: Node) -> bool:
    return (node.get("config") or {}).get("allow_inf_nan") is False


def _bounded(node: Node, *, finite_floats: bool) -> bool:
    allowed = node.get("allow_inf_nan")
    if allowed is False or (allowed is None and (finite_floats or node["type"] == "decimal")):
        return True
    # pydantic refuses NaN wherever there is a bound, infinity only beyond one
    return _has_bound(node, "ge", "gt") and _has_bound(node, "le", "lt")


def _has_bound(node: Node, *keys: str) -> bool:
    return any(node.get(key) is not None and _is_finite_number(node[key]) for key in keys)
