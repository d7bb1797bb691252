"""One schema of a JSON Schema and where it stands: its keywords, read and held to what they may say."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any, Final, NamedTuple

from pydantic_core import SchemaError, SchemaValidator

from aiguard.contract.json_schema_formats import FORMATS
from aiguard.problem import nearest, shown

TYPES: Final[dict[str, frozenset[str]]] = {
    "null": frozenset({"null"}),
    "boolean": frozenset({"boolean"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "fraction"}),
    "string": frozenset({"string"}),
    "array": frozenset({"array"}),
    "object": frozenset({"object"}),
}
"""Which kinds of value a type has."""

EVERY: Final[frozenset[str]] = frozenset().union(*TYPES.values())

_ABOUT: Final[dict[str, tuple[str, ...]]] = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
}
"""Which keywords say something about values of one type only."""

IN_PLACE: Final = ("$ref", "allOf", "anyOf", "oneOf", "not")
"""Which keywords hold schemas that look at the same value."""

DEFINITIONS: Final = ("$defs", "definitions")

_ANNOTATIONS: Final = ("title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly")
_KNOWN: Final = frozenset({"type", "enum", "const", *IN_PLACE, *DEFINITIONS, *_ANNOTATIONS}.union(*_ABOUT.values()))
_OF_ROOT: Final = frozenset({"$schema", "$id"})
NEWEST: Final = "2020-12"
"""The draft that is meant where nothing is said."""

_DRAFTS: Final = {
    "https://json-schema.org/draft/2020-12/schema": NEWEST,
    "https://json-schema.org/draft/2019-09/schema": "2019-09",
    "http://json-schema.org/draft-07/schema": "draft-07",
}
_INSTEAD: Final = {
    "nullable": 'add "null" to `type`',
    "patternProperties": "use `additionalProperties`",
    "unevaluatedProperties": "use `additionalProperties`",
    "unevaluatedItems": "use `items` beside `prefixItems`",
    "additionalItems": "use `items` beside `prefixItems`",
    "if": "use `anyOf`",
}
_UNCHECKED: Final = frozenset(
    {"then", "else", "contains", "minContains", "maxContains", "propertyNames", "dependentRequired", "dependentSchemas"}
    | {"dependencies", "contentEncoding", "contentMediaType", "contentSchema", "discriminator", *_INSTEAD}
)


class Place(NamedTuple):
    """
    Where a schema stands.

    Attributes:
        pointer: Its JSON pointer.
        depth: Schemas around it, those that refer to it included.
        level: Levels of the answer above the value that it looks at.
        negated: Whether it stands inside a `not`.
        kinds: What the value can be, after what the schemas around say.
    """

    pointer: str = ""
    depth: int = 0
    level: int = 0
    negated: bool = False
    kinds: frozenset[str] = EVERY

    def at(self, *parts: object) -> Place:
        """Return the place of a schema in this one, for the same value."""
        return self._replace(pointer=self.pointer + "".join(map(escaped, parts)), depth=self.depth + 1)

    def below(self, *parts: object) -> Place:
        """Return the place of a schema in this one, for a part of the value."""
        return self.at(*parts)._replace(level=self.level + 1, kinds=EVERY)


def escaped(part: object) -> str:
    """Return one step of a JSON pointer."""
    return "/" + str(part).replace("~", "~0").replace("/", "~1")


class Reading:
    """
    One schema at its place.

    Attributes:
        schema: Its keywords.
        own: What the value can be by its own `type`.
        place: Where it stands; its `kinds` are those that are left.
    """

    __slots__ = ("_problems", "own", "place", "schema")

    def __init__(self, schema: dict[str, Any], place: Place, draft: str, problems: list[str]) -> None:
        self.schema = schema
        self._problems = problems
        self.place = place
        self._check(draft)
        self.own = self._types()
        self._check_about()
        self.place = place._replace(kinds=place.kinds & self.own)

    def refuse(self, keyword: str, reason: str) -> None:
        """Note that what `keyword` says cannot be kept."""
        self._problems.append(f"JSON Schema #{self.place.pointer}: `{keyword}` {reason}")

    def wrong(self, keyword: str, wanted: str) -> None:
        """Note that `keyword` says something that it cannot say."""
        self.refuse(keyword, f"is {shown(self.schema[keyword])}, not {wanted}")

    @property
    def is_closed_silently(self) -> bool:
        """Whether keys that are not listed are refused because nothing is said of them."""
        return "properties" in self.schema and "additionalProperties" not in self.schema

    def says(self, *keywords: str) -> bool:
        """Return whether any of `keywords` is there."""
        return any(keyword in self.schema for keyword in keywords)

    def says_about(self, name: str) -> bool:
        """Return whether a keyword is there that says something about values of that type only."""
        return self.says(*_ABOUT.get("number" if name == "integer" else name, ()))

    def count(self, keyword: str) -> int | None:
        """Return a number of things."""
        if keyword not in self.schema:
            return None
        value = self.schema[keyword]
        if type(value) is int and 0 <= value <= sys.maxsize:
            return value
        self.wrong(keyword, "an integer from 0")
        return None

    def number(self, keyword: str) -> int | float | None:
        """Return a number that a float can be near to."""
        if keyword not in self.schema:
            return None
        value = self.schema[keyword]
        if type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max):
            return value
        self.wrong(keyword, "a number in the range of a float")
        return None

    def step(self) -> Fraction | None:
        """Return what numbers are multiples of, as written: 0.1 is a tenth."""
        value = self.number("multipleOf")
        if value is None or value > 0:
            return None if value is None else Fraction(repr(value))
        self.wrong("multipleOf", "above zero")
        return None

    def flag(self, keyword: str) -> bool:
        """Return a truth value; false where it is not there."""
        value = self.schema.get(keyword, False)
        if type(value) is not bool:
            self.wrong(keyword, "true or false")
        return value is True

    def texts(self, keyword: str) -> list[str]:
        """Return a list of different strings."""
        value = self.schema.get(keyword, [])
        if type(value) is list and all(type(one) is str for one in value) and len(set(value)) == len(value):
            return value
        self.wrong(keyword, "a list of different strings")
        return []

    def several(self, keyword: str) -> list[Any]:
        """Return a list of something."""
        value = self.schema.get(keyword)
        if type(value) is list and value:
            return value
        if keyword in self.schema:
            self.wrong(keyword, "a list with something in it")
        return []

    def named(self, keyword: str) -> dict[str, Any]:
        """Return schemas by name."""
        value = self.schema.get(keyword, {})
        if type(value) is dict:
            return value
        self.wrong(keyword, "an object of schemas")
        return {}

    def pattern(self) -> str | None:
        """Return a regular expression that Rust's engine understands."""
        if "pattern" not in self.schema:
            return None
        value = self.schema["pattern"]
        if type(value) is not str:
            self.wrong("pattern", "a string")
            return None
        try:
            SchemaValidator({"type": "str", "pattern": value})
        except SchemaError as error:
            reason = str(error).splitlines()[-1].strip().removeprefix("error: ").removeprefix("SchemaError: ")
            self.refuse("pattern", f"is no regular expression for Rust's engine: {reason}")
            return None
        return value

    def format(self) -> str | None:
        """Return the name of a format that is checked."""
        if "format" not in self.schema:
            return None
        value = self.schema["format"]
        if type(value) is str and value in FORMATS:
            return value
        checked = ", ".join(FORMATS)
        self.refuse("format", f"{shown(value)} is not checked by aiguard: leave it out; checked are {checked}")
        return None

    def _check(self, draft: str) -> None:
        for keyword in self.schema:
            if keyword in _OF_ROOT and self.place.pointer:
                self.refuse(keyword, "counts at the root only: leave it out")
            elif keyword not in _KNOWN and keyword not in _OF_ROOT:
                hint = "" if keyword in _UNCHECKED else nearest(keyword, _KNOWN)
                self.refuse(keyword, f"is not checked by aiguard: {_INSTEAD.get(keyword, 'leave it out')}{hint}")
        if not self.place.pointer and type(self.schema.get("title", "")) is not str:
            self.wrong("title", "a string")
        if draft != NEWEST and "prefixItems" in self.schema:
            self.refuse("prefixItems", f"means nothing in {draft}: say that `$schema` is {NEWEST}")
        if draft == "draft-07" and "$ref" in self.schema:
            for keyword in self.schema:
                if keyword not in {"$ref", *_OF_ROOT, *DEFINITIONS, *_ANNOTATIONS}:
                    self.refuse(keyword, f"counts for nothing beside `$ref` in {draft}: say that `$schema` is {NEWEST}")

    def _types(self) -> frozenset[str]:
        if "type" not in self.schema:
            return EVERY
        said = self.schema["type"]
        names = said if type(said) is list else [said]
        if names and all(type(name) is str and name in TYPES for name in names):
            return frozenset().union(*(TYPES[name] for name in names))
        self.wrong("type", f"one of {', '.join(TYPES)}, or a list of them")
        return EVERY

    def _check_about(self) -> None:
        for kind, keywords in _ABOUT.items():
            if self.own.isdisjoint(TYPES[kind]):
                for keyword in filter(self.schema.__contains__, keywords):
                    self.refuse(keyword, f"says nothing about {shown(self.schema['type'])}: leave it out")


def draft_of(schema: dict[str, Any], problems: list[str]) -> str:
    """Return the draft that a schema is written in."""
    said = schema.get("$schema", f"https://json-schema.org/draft/{NEWEST}/schema")
    draft = _DRAFTS.get(said.removesuffix("#")) if type(said) is str else None
    if draft is None:
        problems.append(f"JSON Schema #: `$schema` is {shown(said)}, not one of {', '.join(_DRAFTS)}")
    return draft or NEWEST
