"""What each keyword takes and refuses."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from aiguard.contract import Breach, JsonSchema, Judge, OutputContract


def fits(schema: dict[str, Any], answer: object) -> bool:
    """Return whether an answer, as JSON, fits."""
    contract: Any = JsonSchema(schema)
    try:
        value = Judge.of(OutputContract(contract, format="json")).judge(json.dumps(answer))
    except Breach:
        return False
    assert json.dumps(value) == json.dumps(answer)  # the same types, the keys in the same order
    return True


OLD = "http://json-schema.org/draft-07/schema#"
DRAFTS = "https://json-schema.org/draft"
OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]}
OPEN = {**OBJECT, "additionalProperties": True}
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["value", "children"],
    "additionalProperties": False,
}
LEAF = {"value": 1, "children": []}
ARRAY_OF_X = {"type": "array", "items": {"$ref": "#/$defs/x"}}
LINKED = {
    "$defs": {"a/b~c %": {"type": ["object", "null"], "properties": {"next": {"$ref": "#/$defs/a~1b~0c%20%25"}}}},
    "$ref": "#/$defs/a~1b~0c%20%25",
}


@pytest.mark.parametrize(
    ("schema", "good", "bad"), [
        ({}, [None, True, 1, 1.5, "a", [1], {"a": 1}], []),
        ({"type": "null"}, [None], [0, False, "", [], {}]),
        ({"type": "boolean"}, [True, False], [0, 1, "true", None]),
        ({"type": "integer"}, [0, -3, 2**70], [3.0, 3.5, True, "3", None]),
        ({"type": "number"}, [0, 3.5, 2**70, 1e300], [True, "3", None, 10**400]),
        ({"type": "string"}, ["", "é"], [1, None, ["a"]]),
        ({"type": "array"}, [[], [1, "a", None]], [{}, "[]", None]),
        ({"type": ["string", "integer"]}, ["a", 1], [1.5, None, True, []]),
        ({"type": ["string", "null"]}, ["a", None], [1]),
        ({"type": ["number", "integer"]}, [1, 1.5], ["1"]),
        ({"type": ["null"]}, [None], [1]),
        ({"type": ["string", "integer"], "minLength": 2, "minimum": 2}, ["ab", 2], ["a", 1]),
        ({"enum": ["a", "b"]}, ["a"], ["c", 1, None]),
        ({"enum": [1, "a", None, False, [1, {"b": 2.0}]]}, [1, 1.0, "a", None, False, [1.0, {"b": 2}]],
         [True, 0, [True]]),
        ({"type": "integer", "enum": [1, 2.0]}, [1, 2], [1.0, 2.0, 3, True]),
        ({"type": "number", "enum": [0, 0.5, 1]}, [0, 0.0, 0.5, 1, 1.0], [True, False, 2]),
        ({"type": ["string", "null"], "enum": ["a", None]}, ["a", None], ["b", 1]),
        ({"type": "string", "enum": ["a", "abc"], "minLength": 2}, ["abc"], ["a", "abcd"]),
        ({"const": {"a": [1]}}, [{"a": [1]}, {"a": [1.0]}], [{"a": [True]}, {}, {"a": [1], "b": 1}]),
        ({"const": None}, [None], [0, False]),
        ({"const": True}, [True], [1, 1.0]),
        ({"type": "string", "enum": ["a", "b"], "const": "b"}, ["b"], ["a"]),
        ({"minLength": 2, "maxLength": 3}, ["ab", "abc", "é😀", 1, None, []], ["", "a", "abcd"]),
        ({"pattern": "b+$"}, ["ab", 1], ["ba", ""]),
        ({"pattern": r"^\p{Lu}\d{2}$"}, ["A12", "É12"], ["a12", "A12\n", "A1"]),
        ({"format": "ipv4", "maxLength": 8}, ["10.0.0.1", 1], ["10.0.0.300", "10.10.10.10"]),
        ({"minimum": 2, "maximum": 3}, [2, 2.5, 3, "a"], [1.9, 3.1, 1, 4]),
        ({"exclusiveMinimum": 2, "exclusiveMaximum": 3}, [2.5], [2, 3, 2.0]),
        ({"type": "integer", "minimum": 1.5, "maximum": 3.5}, [2, 3], [1, 4]),
        ({"type": "integer", "exclusiveMinimum": 1.5, "exclusiveMaximum": 3.5}, [2, 3], [1, 4]),
        ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 3}, [2], [1, 3]),
        ({"type": "integer", "minimum": 2**60 + 1}, [2**60 + 1], [2**60]),
        ({"multipleOf": 2}, [0, 4, 4.0, -2, 2**70, "a"], [3, 4.5, 2**70 + 1]),
        ({"multipleOf": 0.1}, [0.3, 1, 1.1, 1e20], [0.35, 0.30000000000000004]),
        ({"multipleOf": 0.01}, [12345678.9], [12345678.905, 1e-9]),
        ({"type": "integer", "multipleOf": 1.5}, [0, 3, -3], [1, 2]),
        ({"items": {"type": "integer"}}, [[], [1], {}, "a"], [["a"], [1, None]]),
        ({"items": False}, [[]], [[1]]),
        ({"minItems": 1, "maxItems": 2}, [[1], [1, 2], "a"], [[], [1, 2, 3]]),
        ({"prefixItems": [{"type": "integer"}, {"type": "string"}]}, [[], [1], [1, "a"], [1, "a", None], 1],
         [["a"], [1, 1]]),
        ({"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, [[], [1], [1, "a"]], [["a"], [1, 1]]),
        ({"prefixItems": [{"type": "integer"}], "items": False}, [[], [1]], [[1, 1]]),
        ({"prefixItems": [{}], "minItems": 1, "maxItems": 2}, [[1], [1, 2]], [[], [1, 2, 3]]),
        ({"uniqueItems": True}, [[], [1, True, "1", None, 0, False], [[1], [True]], "aa", ["a", "b"]],
         [[1, 1.0], ["a", "a"]]),
        ({"uniqueItems": True}, [[{"a": 1}, {"a": True}]], [[{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], [[1], [1.0]]]),
        ({"uniqueItems": False}, [[1, 1]], []),
        (OBJECT, [{"a": 1}, {"b": "x", "a": 1}], [{}, {"a": "x"}, {"a": 1, "b": 1}, {"a": 1, "c": 1}, [], None]),
        (OPEN, [{"a": 1}, {"c": [None], "a": 1}], [{}, {"a": 1, "b": 1}]),
        ({**OBJECT, "additionalProperties": {"type": "null"}}, [{"a": 1, "c": None}], [{"a": 1, "c": 1}]),
        ({**OBJECT, "additionalProperties": False}, [{"a": 1}], [{"a": 1, "c": 1}]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, [{}, {"a": 1}], [{"a": "x"}, []]),
        ({"type": "object", "additionalProperties": False}, [{}], [{"a": 1}]),
        ({"type": "object", "properties": {}}, [{}], [{"a": 1}]),
        ({"properties": {"a": {"type": "integer"}}}, [{}, {"a": 1}, 1, "a", []], [{"a": "x"}, {"b": 1}]),
        ({"properties": {"a": False}, "additionalProperties": True}, [{}, {"b": 1}], [{"a": None}]),
        ({"required": ["a"]}, [{"a": None}, {"a": 1, "b": 2}, 1, []], [{}, {"b": 1}]),
        ({"required": ["a"], "additionalProperties": {"type": "null"}}, [{"a": None}], [{}, {"a": 1}]),
        ({"required": ["a"], "additionalProperties": False}, [1], [{}, {"a": 1}]),
        ({"minProperties": 1, "maxProperties": 2}, [{"a": 1}, {"a": 1, "b": 2}, []], [{}, {"a": 1, "b": 2, "c": 3}]),
        ({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]}, ["a", 3], [2, None]),
        ({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "null"}]}, ["a", None], ["abc", 1]),
        ({"anyOf": [{"type": "null"}, {"type": "null"}]}, [None], [1]),
        ({"anyOf": [{"type": "number"}, {"multipleOf": 2}]}, [1, 2, "a"], []),
        ({**OBJECT, "anyOf": [{"required": ["b"]}, {"minProperties": 2}]}, [{"a": 1, "b": "x"}], [{"a": 1}]),
        ({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}, [2, 3, 4, 9], [1, 6, "a"]),
        ({"oneOf": [OBJECT, {**OBJECT, "required": ["b"]}]}, [{"a": 1}, {"b": "x"}], [{}, {"a": 1, "b": "x"}]),
        ({"oneOf": [{}, {}, {}]}, [], [1, None]),
        ({"oneOf": [{"type": "string"}]}, ["a"], [1]),
        ({"allOf": [{"minimum": 2}, {"maximum": 3, "type": "number"}]}, [2, 2.5, 3], [1, 4, "a"]),
        ({"allOf": [OPEN, {"required": ["c"]}]}, [{"a": 1, "c": 1}], [{"a": 1}, {"c": 1}]),
        ({"type": "object", "allOf": [OBJECT]}, [{"a": 1}], [{}, {"a": 1, "c": 1}]),
        ({"allOf": [{"type": "number"}, {"type": "integer"}]}, [2, 2**60 + 1], [2.0]),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, [], [1, "a"]),
        ({"type": "string", "allOf": [{"type": "integer"}]}, [], [1, "a"]),
        ({"type": "string", "anyOf": [{"enum": [1]}, {"const": "a"}]}, ["a"], [1, "b"]),
        ({"type": "array", "items": {"type": "integer"}, "allOf": [{"minItems": 1}]}, [[1]], [[], ["a"]]),
        ({"not": {"type": "integer"}}, ["a", 1.5, None], [1]),
        ({"not": {}}, [], [1, None]),
        ({"not": False}, [1, None], []),
        ({"type": "string", "not": {"minLength": 3}}, ["ab"], ["abc", 1]),
        ({"not": {"not": {"type": "string"}}}, ["a"], [1]),
        ({"not": {"properties": {"a": {"const": 1}}, "required": ["a"], "additionalProperties": True}},
         [{}, {"a": 2}], [{"a": 1}]),
        ({"$defs": {"n": {"type": "null"}}, "$ref": "#/$defs/n"}, [None], [1]),
        ({"definitions": {"n": {"type": "null"}}, "items": {"$ref": "#/definitions/n"}}, [[None]], [[1]]),
        ({"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n", "minimum": 2}, [2], [1, "a"]),
        ({"properties": {"a": {"type": "null"}, "b": {"$ref": "#/properties/a"}}}, [{"b": None}], [{"b": 1}]),
        ({"prefixItems": [{"type": "null"}, {"$ref": "#/prefixItems/0"}]}, [[None, None]], [[None, 1]]),
        ({"additionalProperties": {"$ref": "#/not"}, "not": {"type": "null"}}, [{"a": None}], [None, {"a": 1}]),
        (TREE, [LEAF, {"value": 1, "children": [LEAF, LEAF]}], [{"value": 1, "children": [{"value": 1}]}, {}]),
        (LINKED, [None, {}, {"next": {"next": None}}], [1, {"next": {"next": 1}}, {"last": 1}]),
        ({"$ref": "#/$defs/y", "$defs": {"x": {"$ref": "#/$defs/y"}, "y": {"items": {"$ref": "#/$defs/x"}}}},
         [1, [], [[1], [[]]]], []),
        ({"$ref": "#/$defs/y", "$defs": {"x": {"$ref": "#/$defs/y"}, "y": ARRAY_OF_X}}, [[], [[], [[]]]], [[1], [[1]]]),
        ({"not": {"$ref": "#/$defs/l"}, "$defs": {"l": {"type": "array", "items": {"$ref": "#/$defs/l"}}}},
         [1, [[1]]], [[], [[]]]),
        ({"title": "x", "description": "x", "default": 1, "examples": [1], "$comment": "x", "$id": "x:y"}, [1], []),
        ({"deprecated": True, "readOnly": True, "writeOnly": True, "$schema": f"{DRAFTS}/2020-12/schema#"}, [1], []),
        ({"$schema": OLD, "$ref": "#/definitions/a", "title": "x", "definitions": {"a": OBJECT}}, [{"a": 1}], [{}]),
        ({"$schema": f"{DRAFTS}/2019-09/schema", "items": {"type": "integer"}}, [[1]], [["a"]]),
    ], ids=count()
)  # fmt: skip
def test_each_keyword_says_what_the_standard_says(schema: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    """What is taken leaves unchanged: the same types, the keys in the same order."""
    assert [one for one in good if not fits(schema, one)] == []
    assert [one for one in bad if fits(schema, one)] == []
