"""Types that hold themselves, and the unions among them that no answer could be held against in time."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from aiguard.contract.survey import NOT_SCHEMA, unwrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiguard.contract.survey import Node

ARRAYS = frozenset({"list", "tuple", "set", "frozenset"})
_INSIDE = {"lax-or-strict": "strict_schema", "json-or-python": "json_schema", "custom-error": "schema"}
_EVERY = "*"
_NO_NODE = (NOT_SCHEMA | {"function"}) - {"definitions"}


class _Branch(NamedTuple):
    """
    One thing that a value can be.

    Attributes:
        name: What messages call it.
        is_array: Whether it is an array, and no object.
        back: What of it leads back: keys of an object; of an array, whether its items are objects or arrays.
    """

    name: str
    is_array: bool
    back: frozenset[str]

    def meets(self, other: _Branch) -> bool:
        """Whether some part of a value would be held against both, and the parts of that part twice as often."""
        if self.is_array is not other.is_array:
            return False
        return not self.back.isdisjoint(other.back) or _EVERY in self.back | other.back


class Recursion:
    """
    What of a core schema holds itself.

    Attributes:
        refs: The references to it.
    """

    __slots__ = ("_definitions", "_reach", "refs")

    def __init__(self, definitions: dict[str, Node]) -> None:
        self._definitions = definitions
        self._reach = {ref: set(_references(node)) for ref, node in definitions.items()}
        for _ in definitions:
            for reached in self._reach.values():
                reached.update(*(self._reach[ref] for ref in reached))
        self.refs = frozenset(ref for ref, reached in self._reach.items() if ref in reached)

    def doubled(self) -> str | None:
        """
        Return a union of which two branches lead back to it, as a message names it; `None` where there is none.

        Every level of an answer is held against both branches, and every level below it by both of these: thirty levels
        would take hours. A discriminator tells which branch is meant; so do keys that only one of them has.
        """
        for ref in sorted(self.refs):
            for union in _unions(self._definitions[ref]):
                back = [one for choice in _choices(union) for one in self._branches(choice, ref) if one.back]
                for one, other in combinations(back, 2):
                    if one.meets(other):
                        return f"{one.name} | {other.name}"
        return None

    def _branches(self, node: Node, ref: str) -> Iterator[_Branch]:
        """Yield what a choice can be, and what of it leads back to `ref`."""
        node = unwrap(node, self._definitions)
        kind = node["type"]
        if kind == "union":
            for choice in _choices(node):
                yield from self._branches(choice, ref)
        elif kind == "tagged-union":
            tagged = [one for choice in _choices(node) for one in self._branches(choice, ref)]
            back: frozenset[str] = frozenset().union(*(one.back for one in tagged))
            yield _Branch(" | ".join(one.name for one in tagged), is_array=False, back=back)
        elif kind in _INSIDE:
            yield from self._branches(node[_INSIDE[kind]], ref)
        elif node.get("root_model"):
            yield from self._branches(node["schema"], ref)
        elif kind in ARRAYS:
            yield _Branch(kind, is_array=True, back=frozenset(self._kinds(node, ref)))
        elif kind == "dict":
            yield _Branch(kind, is_array=False, back=frozenset({_EVERY} if self._leads(node, ref) else ()))
        else:
            yield self._object(node, ref)

    def _kinds(self, array: Node, ref: str) -> Iterator[str]:
        """Yield what the items of an array can be, of those that lead back to `ref`."""
        seen: list[Node] = []
        pending = _items(array)
        while pending:
            node = unwrap(pending.pop(), self._definitions)
            kind = node["type"]
            if not self._leads(node, ref) or any(node is one for one in seen):
                continue
            seen.append(node)
            if kind in {"union", "tagged-union"}:
                pending += _choices(node)
            elif kind in _INSIDE or node.get("root_model"):
                pending.append(node[_INSIDE.get(kind, "schema")])
            else:
                yield "[" if kind in ARRAYS else "{"

    def _object(self, node: Node, ref: str) -> _Branch:
        shape = unwrap(node["schema"], self._definitions) if node["type"] in {"model", "dataclass"} else node
        back = {key for keys, schema in _fields(shape) if self._leads(schema, ref) for key in keys}
        extras = shape.get("extras_schema")
        if extras is not None and self._leads(extras, ref):
            back.add(_EVERY)
        return _Branch(str(getattr(node.get("cls"), "__name__", node["type"])), is_array=False, back=frozenset(back))

    def _leads(self, node: Node, ref: str) -> bool:
        return any(one == ref or ref in self._reach[one] for one in _references(node))


def walk(node: Any) -> Iterator[Node]:
    """Yield the nodes of a core schema, those of its definitions where they are defined."""
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            is_node = isinstance(one.get("type"), str)  # else names of fields, and `type` is a name too
            if is_node:
                yield one
            pending += [item for key, item in one.items() if not is_node or key not in _NO_NODE]
        elif isinstance(one, (list, tuple)):
            pending += one


def _references(node: Node) -> Iterator[str]:
    return (one["schema_ref"] for one in walk(node) if one["type"] == "definition-ref")


def _unions(node: Node) -> Iterator[Node]:
    return (one for one in walk(node) if one["type"] == "union")


def _choices(union: Node) -> list[Node]:
    choices: Any = union["choices"]
    listed = choices.values() if isinstance(choices, dict) else choices
    return [one[0] if isinstance(one, tuple) else one for one in listed]


def _items(array: Node) -> list[Node]:
    items: Any = array.get("items_schema", ())
    return list(items) if isinstance(items, (list, tuple)) else [items]


def _fields(shape: Node) -> Iterator[tuple[frozenset[str], Node]]:
    """Yield the fields of an object: the keys that each may stand under, and its schema."""
    fields: Any = shape.get("fields", ())
    named = fields.items() if isinstance(fields, dict) else [(field["name"], field) for field in fields]
    for name, field in named:
        yield frozenset({name, *_first_keys(field.get("validation_alias"))}), field["schema"]


def _first_keys(alias: Any) -> Iterable[str]:
    if isinstance(alias, str):
        return (alias,)
    paths = alias if alias and isinstance(alias[0], list) else [alias or []]
    return [path[0] for path in paths if path]
