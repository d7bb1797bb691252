"""JSON Schema, keyword by keyword, as a core schema of pydantic's; whatever is not checked is refused."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from aiguard.contract import json_schema_nodes as nodes
from aiguard.contract.json_schema_branches import Apart, none_of, one_of, overlap
from aiguard.contract.json_schema_formats import FORMATS
from aiguard.contract.json_schema_nodes import ANYTHING, KIND_OF, NOTHING, NULL, Node
from aiguard.contract.json_schema_reading import DEFINITIONS, IN_PLACE, TYPES, Place, Reading, draft_of, escaped
from aiguard.errors import PolicyError
from aiguard.problem import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DEEPEST: Final = 64  # schemas within schemas, references followed
_MOST: Final = 10_000  # schemas, references unfolded: a few lines can unfold to more than any machine holds
_LISTED: Final = 20

_SINGLE: Final = ("items", "additionalProperties", "not")
_LISTS: Final = ("prefixItems", "allOf", "anyOf", "oneOf")
_MAPS: Final = ("properties", *DEFINITIONS)


def translate(schema: dict[str, Any]) -> Node:
    """
    Return what pydantic validates with.

    Raises:
        PolicyError: With everything that is wrong with `schema`.
    """
    translation = _Translation(schema)
    node = translation.whole()
    problems = list(dict.fromkeys(translation.problems))
    if problems:
        more = [f"JSON Schema: and {len(problems) - _LISTED} more"] if len(problems) > _LISTED else []
        raise PolicyError(*problems[:_LISTED], *more)
    return node


class _Translation:
    def __init__(self, schema: dict[str, Any]) -> None:
        self.problems: list[str] = []
        self._root = schema
        self._draft = draft_of(schema, self.problems)
        self._looks_twice = False  # at some value: in several branches, or by several keywords that hold schemas
        self._definitions: list[tuple[str, Node]] = []
        self._apart: list[Apart] = []
        self._count = 0
        # by pointer, and whether it is negated
        self._open: dict[tuple[str, bool], int] = {}  # at which level of the answer
        self._done: dict[tuple[str, bool], tuple[Node, int]] = {}  # and of how many schemas it is made
        self._recursive: set[tuple[str, bool]] = set()

    def whole(self) -> Node:
        """Return the node of the root."""
        node = self._target("", self._root, Place())
        definitions = [nodes.definition(name, one, once=self._looks_twice) for name, one in self._definitions]
        if not self.problems:
            for one in self._apart:
                one.compile(definitions)
        return nodes.root(node, definitions)

    def _node(self, schema: Any, place: Place) -> Node:
        self._count += 1
        if self._count > _MOST:
            raise PolicyError(f"JSON Schema: more than {_MOST} schemas, references unfolded")
        if place.depth > _DEEPEST:
            raise PolicyError(f"JSON Schema #{place.pointer}: more than {_DEEPEST} schemas deep, references followed")
        if type(schema) is bool:
            return ANYTHING if schema else NOTHING
        if type(schema) is not dict:
            self.problems.append(f"JSON Schema #{place.pointer}: {shown(schema)} is no schema")
            return ANYTHING
        said = Reading(schema, place, self._draft, self.problems)
        parts = [*self._values(said), *self._shape(said), *self._in_place(said)]
        node = nodes.all_of(parts)
        self._looks_twice = self._looks_twice or len(parts) > 1 or "not" in schema
        if "not" in schema:
            inside = said.place.at("not")._replace(negated=True)
            node = nodes.all_of([node, none_of(self._node(schema["not"], inside), self._apart)])
        self._check_closing(said)
        self._check_definitions(said)
        return node

    def _values(self, said: Reading) -> Iterator[Node]:
        kinds = said.place.kinds
        for keyword, values in (("enum", said.several("enum")), ("const", [said.schema.get("const")])):
            if keyword in said.schema and values:
                fitting = [one for one in values if _is_of(one, kinds)]
                if not any(_is_of(one, said.own) for one in values):
                    said.refuse(keyword, f"lists nothing of type {shown(said.schema['type'])}")
                yield nodes.among(fitting, fractions="fraction" in kinds) if fitting else NOTHING

    def _shape(self, said: Reading) -> Iterator[Node]:
        kinds = said.place.kinds
        names = _types_of(kinds)
        for name in _types_of(said.own):
            if name not in names and said.says_about(name):
                self._typed(name, said)  # it has no say here, but what it says is read
        if any(map(said.says_about, names)) or (said.says("type") and not said.says("enum", "const")):
            yield nodes.of_types({name: self._typed(name, said) for name in names})

    def _typed(self, name: str, said: Reading) -> Node:
        makers = _SCALARS | {"array": self._array, "object": self._object}
        return makers[name](said)

    def _array(self, said: Reading) -> Node:
        place = said.place
        items = said.schema.get("items", True)
        if type(items) is list:
            said.refuse("items", "is a list: use `prefixItems`")
            items = True
        bounds = {"min_length": said.count("minItems"), "max_length": said.count("maxItems")}
        rest = self._node(items, place.below("items"))
        first = [self._node(one, place.below("prefixItems", i)) for i, one in enumerate(said.several("prefixItems"))]
        if first:  # a tuple's items have to be there, unless they have a default
            parts: Node = {
                "type": "tuple",
                "strict": False,
                "items_schema": [{"type": "default", "schema": one, "default": None} for one in first],
            }
            if items is not False:
                parts = parts | {"items_schema": [*parts["items_schema"], rest], "variadic_item_index": len(first)}
            node: Node = {"type": "chain", "steps": [_core("list", **bounds), parts]}
        else:
            node = _core("list", items_schema=rest, **bounds)
        if said.flag("uniqueItems"):
            return nodes.before(node, nodes.is_unique, "not_unique", "Input should hold no item twice")
        return node

    def _object(self, said: Reading) -> Node:
        place = said.place
        if said.says("type") and not said.says("properties", "additionalProperties", "enum", "const", *IN_PLACE):
            said.refuse("type", "does not say which keys an object has: give `properties`, or `additionalProperties`")
        if place.negated and said.is_closed_silently:
            said.refuse("properties", "inside `not` needs `additionalProperties` beside it: true, in most cases")
        extra = said.schema.get("additionalProperties", not said.is_closed_silently)
        rest = self._node(extra, place.below("additionalProperties"))
        required = said.texts("required")
        fields = {
            name: _field(self._node(one, place.below("properties", name)), required=name in required)
            for name, one in said.named("properties").items()
        }
        for name in required:
            if name not in fields:
                if said.is_closed_silently:
                    said.refuse("required", f"lists {shown(name)}, which `properties` does not")
                fields[name] = _field(rest, required=True)
        node: Node = {"type": "typed-dict", "fields": fields, "strict": True, "extra_behavior": "forbid"}
        if extra is not False:
            node |= {"extra_behavior": "allow", "extras_schema": rest}
        if (least := said.count("minProperties")) is not None:
            node = nodes.after(node, lambda value: len(value) >= least, "too_short", "Input should hold more keys")
        if (most := said.count("maxProperties")) is not None:
            node = nodes.after(node, lambda value: len(value) <= most, "too_long", "Input should hold fewer keys")
        return node

    def _in_place(self, said: Reading) -> Iterator[Node]:
        if "$ref" in said.schema:
            yield self._reference(said)
        for i, one in enumerate(said.several("allOf")):
            yield self._node(one, said.place.at("allOf", i))
        for keyword, combined in (("anyOf", nodes.any_of), ("oneOf", partial(one_of, apart=self._apart))):
            branches = [
                (self._node(one, said.place.at(keyword, i)), _label(one, f"{keyword}[{i}]"))
                for i, one in enumerate(said.several(keyword))
            ]
            if branches:
                self._looks_twice = self._looks_twice or overlap(branches)
                yield combined(branches)

    def _reference(self, said: Reading) -> Node:
        pointer, schema = self._find(said.schema["$ref"])
        if pointer is None:
            said.refuse("$ref", f"{shown(said.schema['$ref'])} {schema}")
            return ANYTHING
        if self._open.get((pointer, said.place.negated)) == said.place.level:
            said.refuse("$ref", f"{shown(said.schema['$ref'])} leads back to itself without looking at the answer")
            return ANYTHING
        return self._target(pointer, schema, said.place)

    def _target(self, pointer: str, schema: Any, place: Place) -> Node:
        """Return the node of a schema that is referred to, or could be."""
        key = (pointer, place.negated)
        name = f"#{pointer}{' (negated)' if place.negated else ''}"
        if key in self._open:
            self._recursive.add(key)
            return {"type": "definition-ref", "schema_ref": name}
        if key in self._done:
            node, size = self._done[key]
            self._count += size
            return node
        self._open[key] = place.level
        before = self._count
        node = self._node(schema, Place(pointer, place.depth + 1, place.level, place.negated))
        del self._open[key]
        if key in self._recursive:
            self._definitions.append((name, node))
            node = {"type": "definition-ref", "schema_ref": name}
        self._done[key] = node, self._count - before
        return node

    def _find(self, ref: Any) -> tuple[str, Any] | tuple[None, str]:
        """Return the pointer and the schema that `ref` means, or `None` and why there is none."""
        if type(ref) is not str or not (ref == "#" or ref.startswith("#/")):
            return None, "is none within this schema: `#/$defs/…`, `#/definitions/…`, or `#` for the whole"
        steps = [step.replace("~1", "/").replace("~0", "~") for step in unquote(ref).split("/")[1:]]
        schema: Any = self._root
        rest = iter(steps)
        try:
            for step in rest:
                if step in _SINGLE:
                    schema = schema[step]
                elif step in _MAPS:
                    schema = schema[step][next(rest)]
                elif step in _LISTS and (index := next(rest)).isdecimal():
                    schema = schema[step][int(index)]
                else:
                    return None, "points at no schema"
        except (KeyError, IndexError, TypeError, StopIteration):
            return None, "points at nothing"
        return "".join(map(escaped, steps)), schema

    def _check_closing(self, said: Reading) -> None:
        """Refuse what no object fits: properties listed in two schemas, each closed to those of the other."""
        schema = said.schema
        parts = [[{"$ref": schema.get("$ref")}], *([one] for one in said.several("allOf"))]
        parts += [said.several("anyOf"), said.several("oneOf")]
        own = [schema] if said.says("properties") else []
        groups = [group for group in (own, *map(self._listing, parts)) if group]
        if len(groups) > 1 and any("additionalProperties" not in one for group in groups for one in group):
            said.refuse(
                next(keyword for keyword in IN_PLACE if keyword in schema),
                "looks at an object whose properties are listed in several schemas, each of which refuses the keys of "
                "the others: list them in one, or say `additionalProperties` in each",
            )

    def _listing(self, schemas: list[Any]) -> list[dict[str, Any]]:
        """Return what lists properties of one value, among `schemas` and all that they lead to."""
        found: dict[int, dict[str, Any]] = {}
        seen: set[int] = set()
        pending = list(schemas)
        while pending:
            one = pending.pop()
            if type(one) is dict and id(one) not in seen:
                seen.add(id(one))
                if "properties" in one:
                    found[id(one)] = one
                pending.append(self._find(one.get("$ref"))[1])
                for several in (one.get("allOf"), one.get("anyOf"), one.get("oneOf")):
                    pending += several if type(several) is list else []
        return list(found.values())

    def _check_definitions(self, said: Reading) -> None:
        """Look at definitions that nothing refers to: one that cannot be kept is refused all the same."""
        for keyword in DEFINITIONS:
            for name, schema in said.named(keyword).items():
                place = said.place.below(keyword, name)._replace(negated=False)
                key = (place.pointer, False)
                if key not in self._done and key not in self._open:
                    self._target(place.pointer, schema, place)


def _types_of(kinds: frozenset[str]) -> list[str]:
    """Return the types that cover `kinds`."""
    number = "number" if "fraction" in kinds else "integer"
    return [name for name in ("null", "boolean", number, "string", "array", "object") if TYPES[name] <= kinds]


def _core(kind: str, **settings: Any) -> Node:
    return {"type": kind, "strict": True} | {name: value for name, value in settings.items() if value is not None}


def _field(node: Node, *, required: bool) -> Node:
    return {"type": "typed-dict-field", "schema": node, "required": required}


def _string(said: Reading) -> Node:
    bounds = {"min_length": said.count("minLength"), "max_length": said.count("maxLength")}
    node = _core("str", pattern=said.pattern(), **bounds)
    name = said.format()
    if name is None:
        return node
    return nodes.after(node, FORMATS[name], f"{name.replace('-', '_')}_format", f"Input should be a valid {name}")


def _integer(said: Reading) -> Node:
    def whole(keyword: str, rounded: Callable[[float], int]) -> int | None:
        bound = said.number(keyword)
        return None if bound is None else rounded(bound)

    step = said.step()
    return _core(
        "int",
        ge=whole("minimum", math.ceil),
        le=whole("maximum", math.floor),
        gt=whole("exclusiveMinimum", math.floor),
        lt=whole("exclusiveMaximum", math.ceil),
        multiple_of=None if step is None else step.numerator,  # of 3/2, the integers are those of 3
    )


def _number(said: Reading) -> Node:
    def near(keyword: str) -> float | None:
        bound = said.number(keyword)
        return None if bound is None else float(bound)

    node = _core(
        "float",
        allow_inf_nan=False,
        ge=near("minimum"),
        le=near("maximum"),
        gt=near("exclusiveMinimum"),
        lt=near("exclusiveMaximum"),
    )
    step = said.step()
    if step is None:
        return node
    # pydantic's own allows an error of a billionth of the value: at eight digits, that is more than a cent
    return nodes.checked(
        node, partial(_is_multiple, step.numerator, step.denominator), "multiple_of", "Input should be a multiple"
    )


_SCALARS: Final[dict[str, Callable[[Reading], Node]]] = {
    "null": lambda _said: NULL,
    "boolean": lambda _said: _core("bool"),
    "integer": _integer,
    "number": _number,
    "string": _string,
}


def _is_multiple(numerator: int, denominator: int, value: float) -> bool:
    if type(value) is int:
        return value * denominator % numerator == 0
    # by whole numbers: 1.25e-3 is 125 * 10**-5; a `Fraction` for each number would take ten times as long
    digits, _, power = repr(value).partition("e")
    whole, _, decimals = digits.partition(".")
    shift = int(power or 0) - len(decimals)
    scaled = int(whole + decimals) * denominator
    rest: int = scaled * pow(10, shift, numerator) % numerator if shift > 0 else scaled % (numerator * 10**-shift)
    return rest == 0


def _is_of(value: Any, kinds: frozenset[str]) -> bool:
    kind = KIND_OF[type(value)]
    return kind in kinds or (kind == "fraction" and "integer" in kinds and value.is_integer())


def _label(branch: Any, otherwise: str) -> str:
    ref = branch.get("$ref") if type(branch) is dict else None
    return ref.rpartition("/")[2] if type(ref) is str else otherwise
