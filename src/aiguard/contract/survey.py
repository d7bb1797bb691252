"""What a schema says about itself: who sets what, which names it declares, what it must not contain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = Mapping[str, Any]

_OBJECTS = frozenset({"model", "dataclass", "typed-dict"})
# elsewhere pydantic itself writes `strict` into the schemas of its own types
_STRICT_BY_USER = frozenset(
    {
        "int",
        "float",
        "str",
        "bool",
        "bytes",
        "decimal",
        "complex",
        "date",
        "datetime",
        "time",
        "timedelta",
        "uuid",
        "url",
    }
    | {"list", "tuple", "set", "frozenset", "enum", "lax-or-strict"}
)
NOT_SCHEMA = frozenset(
    {"metadata", "serialization", "default", "expected", "members", "config", "computed_fields", "definitions"}
)
"""Where in a node no schemas are, or none that belong to it."""
_WRAPPERS = frozenset({"definitions", "default", "function-after", "function-before", "function-wrap", "nullable"})


class Setting(NamedTuple):
    """One explicit setting somewhere in the tree."""

    owner: str
    name: str
    value: Any


class Survey:
    """What one walk over a core schema finds."""

    __slots__ = ("definitions", "has_instances", "names", "numbers", "refused", "root", "roots", "settings")

    def __init__(self, schema: Node) -> None:
        self.definitions = definitions_of(schema)
        self.root = unwrap(schema, self.definitions)
        self.settings: list[Setting] = []
        self.roots: list[Node] = []
        self.has_instances = False
        self.numbers = True
        self.refused: str | None = None
        names: set[str] = set()
        for node, owner, outermost, ours in _nodes(schema, self.definitions):
            self._take(node, owner, outermost=outermost, ours=ours)
            names.update(_names(node))
        self.names = frozenset(names)

    def chosen(self, name: str, default: object) -> Any:
        """Return what every outermost model sets explicitly, `default` where they do not agree or say nothing."""
        values = [root.get(name) for root in self.roots]
        return values[0] if values and values[0] is not None and values.count(values[0]) == len(values) else default

    def _take(self, node: Node, owner: str, *, outermost: bool, ours: bool) -> None:
        kind = node["type"]
        if kind in _OBJECTS:
            said = _said_by(node)
            self.settings.extend(Setting(owner, name, value) for name, value in said.items())
            if outermost:
                self.roots.append(said)
            self.has_instances |= kind != "typed-dict"
            if _config(node).get("regex_engine") == "python-re":
                self.refused = f"{owner} sets regex_engine='python-re', whose patterns can hang on a hostile answer"
            return
        if kind == "generator":
            self.refused = (
                f"{owner or 'it'} has an Iterable or Generator, which pydantic validates only while it is read"
            )
        elif kind == "dict":
            self.numbers &= node.get("keys_schema", {"type": "any"}).get("type") == "str"
        elif kind == "str" and (node.get("regex_engine") == "python-re" or isinstance(node.get("pattern"), re.Pattern)):
            self.refused = f"{owner or 'it'} has a pattern for Python's re, which can hang on a hostile answer"
        if ours and kind in _STRICT_BY_USER and isinstance(node.get("strict"), bool):
            self.settings.append(Setting(owner, "strict", node["strict"]))
        if isinstance(node.get("allow_inf_nan"), bool):
            self.settings.append(Setting(owner, "allow_inf_nan", node["allow_inf_nan"]))


def definitions_of(schema: Node) -> dict[str, Node]:
    """Return the definitions that references in `schema` point to."""
    return {one["ref"]: one for one in schema.get("definitions", ())}


def unwrap(node: Node, definitions: dict[str, Node]) -> Node:
    """Return the schema that gives a type its shape, under validators, defaults, `Optional` and references."""
    seen: set[str] = set()
    while True:
        if node["type"] == "definition-ref" and node["schema_ref"] not in seen:
            seen.add(node["schema_ref"])
            node = definitions[node["schema_ref"]]
        elif node["type"] in _WRAPPERS:
            node = node["schema"]
        else:
            return node


def _nodes(schema: Node, definitions: dict[str, Node]) -> Iterator[tuple[Node, str, bool, bool]]:
    # (node, the model or field it stands in, whether no model is around it, whether its flags are the user's)
    stack: list[tuple[Any, str, bool, bool]] = [(schema, "", True, True)]
    seen: set[tuple[str, bool]] = set()
    while stack:
        node, owner, outermost, ours = stack.pop()
        if isinstance(node, (list, tuple)):
            stack.extend((item, owner, outermost, ours) for item in node)
            continue
        if not isinstance(node, dict):
            continue
        kind = node.get("type")
        if not isinstance(kind, str):  # a plain mapping of names to schemas
            for name, item in node.items():
                is_field = isinstance(item, dict) and str(item.get("type")).endswith("-field")
                stack.append((item, f"{owner}.{name}" if is_field else owner, outermost, ours))
            continue
        if kind == "definition-ref":
            if (ref := (node["schema_ref"], outermost)) not in seen:
                seen.add(ref)
                stack.append((definitions[node["schema_ref"]], owner, outermost, ours))
            continue
        if kind in _OBJECTS:
            owner = _label(node) or owner
        elif kind == "dataclass-field":
            owner = f"{owner}.{node['name']}"
        yield node, owner, outermost, ours
        outermost = outermost and kind not in _OBJECTS
        ours = ours and kind != "lax-or-strict"
        stack.extend((item, owner, outermost, ours) for key, item in node.items() if key not in NOT_SCHEMA)


def _said_by(node: Node) -> dict[str, Any]:
    config = _config(node)
    said = {
        "strict": node.get("strict", config.get("strict")),
        "extra": node.get("extra_behavior", config.get("extra_fields_behavior")),
        "allow_inf_nan": config.get("allow_inf_nan"),
    }
    return {name: value for name, value in said.items() if value is not None}


def _config(node: Node) -> dict[str, Any]:
    config: dict[str, Any] = node.get("config") or {}
    return config


def _label(node: Node) -> str:
    cls = node.get("cls")
    return cls.__name__ if isinstance(cls, type) else ""


def _names(node: Node) -> Iterator[str]:
    kind = node["type"]
    if kind in {"model-fields", "typed-dict"}:
        yield from node["fields"]
    elif kind == "dataclass-field":
        yield node["name"]
    elif kind == "tagged-union":
        yield from (tag for tag in node["choices"] if isinstance(tag, str))
    elif kind == "union":
        yield from (choice[1] for choice in node["choices"] if isinstance(choice, tuple))
    if kind in _OBJECTS:
        yield _label(node)  # how a union names its choices in a location
    yield from _aliases(node.get("validation_alias"))


def _aliases(alias: object) -> Iterator[str]:
    if isinstance(alias, str):
        yield alias
    elif isinstance(alias, list):
        for part in alias:
            yield from _aliases(part)
