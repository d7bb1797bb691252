"""Random schemas and random answers: the verdict is that of the `jsonschema` package."""

from __future__ import annotations

import json
import sys
from typing import Any

from hypothesis import HealthCheck, event, given, reject, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker, validators

from aiguard.contract import Breach, JsonSchema, Judge, OutputContract
from aiguard.errors import PolicyError

KEYS = st.sampled_from("abc")
FORMATS = ("date", "uuid", "ipv4", "ipv6")
UUID = "2eb8aa08-aa98-11ea-b4aa-73b441d16380"
TEXTS = st.sampled_from(
    [
        "",
        "a",
        "b",
        "ab",
        "aab",
        "abc",
        "é😀",
        "2026-02-28",
        "2026-02-30",
        "10.0.0.1",
        "10.0.0.01",
        "::1",
        UUID,
        UUID[1:],
    ]
)
NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 4, 7, -0.0, 0.5, 1.0, 1.5, 2.0, 2.25, 3.0, 2**53 + 1, -(2**70), 1e22])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
COUNTS = st.integers(0, 3)
SMALL = st.sampled_from([-1, 0, 0.5, 1, 1.5, 2, 3, 3.0])


def some(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a schema with some of `keywords`."""
    return st.fixed_dictionaries({}, optional=keywords)


TEXT_KEYWORDS = {
    "minLength": COUNTS,
    "maxLength": COUNTS,
    "pattern": st.sampled_from(["^a", "b$", "a.", "^$", "[^a]"]),
    "format": st.sampled_from(FORMATS),
}
NUMBER_KEYWORDS = {
    "minimum": SMALL,
    "maximum": SMALL,
    "exclusiveMinimum": SMALL,
    "exclusiveMaximum": SMALL,
    "multipleOf": st.sampled_from([1, 2, 3, 0.5, 0.25]),  # of others the reference divides floats, and rounds
}


def closed(schema: Any) -> Any:
    """Return what is meant: an object with `properties` takes no others, unless it says so."""
    return _completed(schema, others=False)


def opened(schema: Any) -> Any:
    """Return a schema that says of every object with `properties` that it takes others too."""
    return _completed(schema, others=True)


def _completed(schema: Any, *, others: bool) -> Any:
    if isinstance(schema, list):
        return [_completed(one, others=others) for one in schema]
    if not isinstance(schema, dict):
        return schema
    meant: dict[str, Any] = {"additionalProperties": others} if "properties" in schema else {}
    for keyword, said in schema.items():
        if keyword in {"properties", "$defs"}:
            meant[keyword] = {name: _completed(one, others=others) for name, one in said.items()}
        elif keyword in {"items", "additionalProperties", "not", "prefixItems", "anyOf", "oneOf", "allOf"}:
            meant[keyword] = _completed(said, others=others)
        else:
            meant[keyword] = said
    return meant


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a schema that may hold some of `inner`."""
    array_keywords = {
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "minItems": COUNTS,
        "maxItems": COUNTS,
        "uniqueItems": st.booleans(),
    }
    object_keywords = {
        "properties": st.dictionaries(KEYS, inner, max_size=3),
        "required": st.lists(KEYS, unique=True, max_size=2),
        "additionalProperties": st.booleans() | inner,
        "minProperties": COUNTS,
        "maxProperties": COUNTS,
    }
    in_place = {
        "anyOf": st.lists(inner, min_size=1, max_size=3),
        "oneOf": st.lists(inner, min_size=1, max_size=3),
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "not": inner.map(opened),
    }
    by_type: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "string": TEXT_KEYWORDS,
        "integer": NUMBER_KEYWORDS,
        "number": NUMBER_KEYWORDS,
        "array": array_keywords,
        "object": object_keywords,
        "boolean": {},
        "null": {},
    }
    every = {**TEXT_KEYWORDS, **NUMBER_KEYWORDS, **array_keywords, **object_keywords}
    typed = [st.builds(dict.__or__, st.just({"type": name}), some(**keywords)) for name, keywords in by_type.items()]
    typed[4] = st.builds(dict.__or__, typed[4], st.fixed_dictionaries({"properties": object_keywords["properties"]}))
    values = some(enum=st.lists(JSON, min_size=1, max_size=3), const=JSON)
    types = st.builds(
        lambda names, other: {"type": names, **other},
        st.lists(st.sampled_from(list(by_type)), min_size=1, max_size=3, unique=True),
        some(**in_place) | values,
    )
    combined = [st.builds(dict.__or__, one, some(**in_place)) for one in (typed[0], typed[2], typed[3], typed[4])]
    refs = st.sampled_from("xy").map(lambda name: {"$ref": f"#/$defs/{name}"})
    return st.one_of(*typed, values, types, *combined, some(**every), some(**in_place), refs)


SCHEMAS = st.recursive(st.booleans() | schemas(st.booleans()), schemas, max_leaves=6)
WHOLE = st.builds(lambda schema, x, y: {**schema, "$defs": {"x": x, "y": y}}, schemas(SCHEMAS), SCHEMAS, SCHEMAS)


@st.composite
def near(draw: st.DrawFn, whole: dict[str, Any]) -> Any:
    """Draw a value that `whole` may well take, or that is one step away from such a value."""
    return draw(_near(whole, whole, 4))


def _near(schema: Any, whole: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    if not isinstance(schema, dict) or depth == 0:
        return JSON
    ways: list[st.SearchStrategy[Any]] = [SCALARS]
    if "$ref" in schema:
        ways += [_near(whole["$defs"][schema["$ref"][-1]], whole, depth - 1)] * 4
    for keyword in ("anyOf", "oneOf", "allOf"):
        ways += [_near(one, whole, depth - 1) for one in schema.get(keyword, [])] * 2
    ways += [st.just(one) for one in schema.get("enum", [])] * 3
    ways += [st.just(schema["const"])] * 3 if "const" in schema else []
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "array" in types or "items" in schema or "prefixItems" in schema:
        first = [_near(one, whole, depth - 1) for one in schema.get("prefixItems", [])]
        rest = st.lists(_near(schema.get("items", True), whole, depth - 1), max_size=3)
        ways += [st.builds(lambda head, tail: [*head, *tail], st.tuples(*first), rest)] * 4
    if "object" in types or "properties" in schema or "required" in schema:
        listed = {name: _near(one, whole, depth - 1) for name, one in schema.get("properties", {}).items()}
        more = _near(schema.get("additionalProperties", True), whole, depth - 1)
        listed |= {name: more for name in schema.get("required", []) if name not in listed}
        ways += [st.fixed_dictionaries(listed)] * 3
        ways += [
            st.builds(dict.__or__, st.dictionaries(KEYS, more, max_size=2), st.fixed_dictionaries({}, optional=listed))
        ]
    ways += [NUMBERS] * 2 if {"integer", "number"} & set(types) else []
    ways += [TEXTS] * 2 if "string" in types else []
    return st.one_of(*ways)


def _is_number(_checker: object, value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_integer(_checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # 3.0 is none: the one type that differs


Reference = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number}),
)

DELIBERATE = (
    "lists nothing of type",
    "leads back to itself",
    "does not say which keys",
    "inside `not`",
    "listed in several schemas",
    "which `properties` does not",
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(st.data(), WHOLE)
def test_the_verdict_is_that_of_the_reference(data: st.DataObject, schema: dict[str, Any]) -> None:
    """Of `jsonschema`, for the schema that is meant, and but for integers."""
    try:
        contract: Any = JsonSchema(schema)
    except PolicyError as refused:
        if not all(any(reason in str(one) for reason in DELIBERATE) for one in refused.problems):
            raise
        reject()
    judge = Judge.of(OutputContract(contract, format="json"))
    meant = Reference(closed(schema), format_checker=FormatChecker(FORMATS))
    for _ in range(4):
        answer = data.draw(near(schema))
        try:
            value = judge.judge(json.dumps(answer))
            fitting = True
        except Breach:
            value, fitting = answer, False
        event(f"fits: {fitting}")
        assert fitting == meant.is_valid(answer), json.dumps(answer)
        assert json.dumps(value) == json.dumps(answer)
