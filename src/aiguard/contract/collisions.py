"""Sets and keys of numbers: an answer could choose thousands with one hash, each of them compared to all the others."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticCustomError

from aiguard.contract.recursion import walk
from aiguard.contract.rewriting import rewritten

if TYPE_CHECKING:
    from collections.abc import Callable

_HASHED: Final = {"set": "items_schema", "frozenset": "items_schema", "dict": "keys_schema"}
_WITH_A_SECRET: Final = frozenset({"str", "bytes", "date", "time", "datetime", "url", "multi-host-url"})
_FEW: Final = frozenset({"none", "bool", "literal", "enum", "float"})
_MOST: Final = 64
"""Different values with one hash; of those that nobody chose for it there are two, -1 and -2."""

_ANY: Final = {"type": "any"}
_SEEN: Final[ContextVar[dict[int, list[Any]]]] = ContextVar("_SEEN")


def may_collide(core: Any) -> bool:
    """Return whether answers to a core schema could choose the hashes of what it keeps in sets, or as keys."""
    return any(node["type"] in _HASHED and _is_open(node) for node in walk(core))


def counting(core: Any) -> Any:
    """Return a core schema that refuses more than a few different values with one hash."""

    def count(kind: str, node: dict[str, Any]) -> None:
        if kind in _HASHED and _is_open(node):
            function = {"type": "no-info", "function": _counted}
            inner = node.get(_HASHED[kind], _ANY)
            node[_HASHED[kind]] = {"type": "function-after", "function": function, "schema": inner}

    return rewritten(core, count)


def counted(validate: Callable[..., Any]) -> Callable[..., Any]:
    """Return `validate`, of a core schema that counts, for one answer at a time."""

    def validate_one(text: str | bytes, **settings: Any) -> Any:
        token = _SEEN.set({})
        try:
            return validate(text, **settings)
        finally:
            _SEEN.reset(token)

    return validate_one


def _is_open(node: Any) -> bool:
    kind = node.get(_HASHED[node["type"]], _ANY)["type"]
    # keys that nothing is said of are those of JSON: text
    return kind not in _WITH_A_SECRET | _FEW and not (node["type"] == "dict" and kind == "any")


def _counted(value: Any) -> Any:
    try:
        alike = _SEEN.get().setdefault(hash(value), [])
    except TypeError:  # it has no hash, which pydantic says better
        return value
    if value not in alike:
        if len(alike) == _MOST:
            raise PydanticCustomError("colliding_hashes", "Input should not hold so many values with one hash")
        alike.append(value)
    return value
