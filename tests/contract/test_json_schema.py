"""JSON Schema as a contract: what is declared, what is refused, what leaves, and what is said of what does not."""

from __future__ import annotations

import copy
import gc
import json
import math
import pickle
import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import InvalidOutputError, PolicyError, guard
from aiguard.contract import Breach, JsonSchema, Judge, OutputContract
from aiguard.contract.json_schema_nodes import DEEPEST
from aiguard.contract.schema import compile_schema
from aiguard.failure import FailureKind as Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRIAGE: dict[str, Any] = {
    "title": "Triage",
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["billing", "bug"]},
        "summary": {"type": "string", "maxLength": 20},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["category", "summary", "confidence"],
}
GOOD = '{"summary": "it breaks", "confidence": 1, "category": "bug"}'
VALUE = {"summary": "it breaks", "confidence": 1, "category": "bug"}


def judge(schema: dict[str, Any], raw: object, **settings: Any) -> Any:
    """Judge one answer."""
    contract: Any = JsonSchema(schema)
    return Judge.of(OutputContract(contract, **settings)).judge(raw)


def breach(schema: dict[str, Any], raw: object, **settings: Any) -> Breach:
    """Judge one answer that breaks its contract."""
    with pytest.raises(Breach) as caught:
        judge(schema, raw, **settings)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


# the declaration


def test_it_keeps_a_copy_of_what_it_was_made_from() -> None:
    """Whoever changes the one, or the other, changes nothing else."""
    given = copy.deepcopy(TRIAGE)
    schema = JsonSchema(given)
    given["properties"].clear()
    assert schema.schema == TRIAGE
    schema.schema.clear()
    assert schema.schema == TRIAGE
    assert list(schema.schema) == list(TRIAGE)
    with pytest.raises(AttributeError):
        schema.schema = {}  # type: ignore[misc]


def test_equal_schemas_are_equal_and_share_what_is_compiled() -> None:
    """Whatever the order of their keys; and 1 is not `true`."""
    turned = JsonSchema(dict(reversed(TRIAGE.items())))
    assert JsonSchema(TRIAGE) == turned
    assert hash(JsonSchema(TRIAGE)) == hash(turned)
    assert compile_schema(JsonSchema(TRIAGE)) is compile_schema(turned)
    assert JsonSchema({"const": 1}) != JsonSchema({"const": True})
    assert JsonSchema({}) != {}


def test_it_can_be_copied_and_pickled() -> None:
    """A policy may be."""
    schema = JsonSchema(TRIAGE)
    for again in (copy.copy(schema), copy.deepcopy(schema), pickle.loads(pickle.dumps(schema))):
        assert again == schema
        assert compile_schema(again).validate_json(GOOD) == VALUE


def test_its_title_is_the_name_of_the_contract() -> None:
    """Without one it is what it is; a name given wins."""
    assert repr(JsonSchema(TRIAGE)) == "JsonSchema('Triage')"
    titled: Any = JsonSchema(TRIAGE)
    plain: Any = JsonSchema({"type": "null"})
    assert Judge.of(OutputContract(titled)).name == "Triage"
    assert Judge.of(OutputContract(titled, name="triage/1")).name == "triage/1"
    assert Judge.of(OutputContract(plain)).name == "JSON Schema"


def _bomb() -> dict[str, Any]:
    value: Any = []
    for _ in range(40):
        value = [value, value]
    return {"enum": value}


def _cycle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["not"] = value
    return value


def _nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"items": value}
    return value


DOUBLING = {
    f"a{i}": {"items": {"$ref": f"#/$defs/a{i + 1}"}, "prefixItems": [{"$ref": f"#/$defs/a{i + 1}"}]} for i in range(20)
}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        # no JSON
        ([], "JSON Schema: a list is no JSON object"),
        (True, "JSON Schema: a bool is no JSON object"),
        ({"enum": ("a",)}, "holds a tuple, which JSON does not have"),
        ({"properties": {1: {}}}, "holds a key that is no string"),
        ({"const": math.nan}, "cannot be written as JSON"),
        ({"minimum": math.inf}, "cannot be written as JSON"),
        ({"const": 10**5000}, "cannot be written as JSON"),
        ({"const": "\ud800"}, "cannot be written as JSON"),
        # malformed
        ({"type": "objekt"}, "#: `type` is 'objekt', not one of null, boolean, integer, number, string, array, object"),
        ({"type": []}, "`type` is []"),
        ({"type": ["string", 1]}, "`type` is ['string', 1]"),
        ({"minimum": "3"}, "#: `minimum` is '3', not a number in the range of a float"),
        ({"maximum": True}, "`maximum` is True, not a number"),
        ({"exclusiveMinimum": 10**400}, "not a number in the range of a float"),
        ({"multipleOf": 0}, "`multipleOf` is 0, not above zero"),
        ({"multipleOf": "2"}, "`multipleOf` is '2', not a number"),
        ({"minLength": -1}, "`minLength` is -1, not an integer from 0"),
        ({"maxItems": 1.5}, "`maxItems` is 1.5"),
        ({"maxProperties": 10**30}, "not an integer from 0"),
        ({"minProperties": None}, "`minProperties` is None"),
        ({"uniqueItems": 1}, "`uniqueItems` is 1, not true or false"),
        ({"pattern": 1}, "`pattern` is 1, not a string"),
        ({"pattern": "("}, "`pattern` is no regular expression for Rust's engine: unclosed group"),
        ({"pattern": "(?=a)"}, "look-around, including look-ahead and look-behind, is not supported"),
        ({"pattern": r"(a)\1"}, "backreferences are not supported"),
        ({"pattern": "((a{100}){100}){100}"}, "Compiled regex exceeds size limit"),
        ({"format": "iri"}, "`format` 'iri' is not checked by aiguard: leave it out; checked are date, date-time,"),
        ({"format": ["date"]}, "`format` ['date'] is not checked"),
        ({"enum": []}, "`enum` is [], not a list with something in it"),
        ({"enum": "a"}, "`enum` is 'a'"),
        ({"type": "string", "enum": [1, 2]}, "`enum` lists nothing of type 'string'"),
        ({"type": "integer", "const": 1.5}, "`const` lists nothing of type 'integer'"),
        ({"properties": []}, "`properties` is [], not an object of schemas"),
        ({"properties": {"a": 1}}, "JSON Schema #/properties/a: 1 is no schema"),
        ({"required": "a"}, "`required` is 'a', not a list of different strings"),
        ({"required": ["a", "a"]}, "not a list of different strings"),
        ({"additionalProperties": "yes"}, "#/additionalProperties: 'yes' is no schema"),
        ({"items": [{}]}, "`items` is a list: use `prefixItems`"),
        ({"prefixItems": {}}, "`prefixItems` is {}, not a list with something in it"),
        ({"anyOf": []}, "`anyOf` is []"),
        ({"oneOf": [1]}, "#/oneOf/0: 1 is no schema"),
        ({"allOf": {}}, "`allOf` is {}"),
        ({"$defs": []}, "`$defs` is []"),
        ({"title": 1}, "`title` is 1, not a string"),
        # keywords
        ({"if": {}, "then": {}}, "`if` is not checked by aiguard: use `anyOf`"),
        ({"items": {"contains": {}}}, "JSON Schema #/items: `contains` is not checked by aiguard: leave it out"),
        ({"nullable": True}, '`nullable` is not checked by aiguard: add "null" to `type`'),
        ({"requierd": []}, "`requierd` is not checked by aiguard: leave it out; did you mean `required`?"),
        ({"$defs": {"a": {"patternProperties": {}}}}, "#/$defs/a: `patternProperties` is not checked"),
        ({"properties": {"a/b": {"then": {}}}}, "#/properties/a~1b: `then`"),
        ({"type": "string", "anyOf": [{"properties": {"a": {"else": {}}}}]}, "#/anyOf/0/properties/a: `else`"),
        ({"items": {"$id": "urn:a"}}, "#/items: `$id` counts at the root only"),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#"},
            "`$schema` is 'http://json-schema.org/draft-04/schema#'",
        ),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [{}]}, "means nothing in draft-07"),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema",
                "$ref": "#/$defs/a",
                "$defs": {"a": {}},
                "minimum": 1,
            },
            "`minimum` counts for nothing beside `$ref` in draft-07",
        ),
        ({"type": "string", "minimum": 1}, "`minimum` says nothing about 'string': leave it out"),
        # references
        ({"$ref": "#/$defs/a"}, "`$ref` '#/$defs/a' points at nothing"),
        ({"$ref": 1}, "`$ref` 1 is none within this schema"),
        ({"$ref": "https://example.org/a.json"}, "is none within this schema: `#/$defs/…`"),
        ({"$ref": "#a"}, "is none within this schema"),
        ({"$ref": "#/enum/0", "enum": [1]}, "points at no schema"),
        ({"items": {"$ref": "#/anyOf/x"}, "anyOf": [{}]}, "points at no schema"),
        ({"items": {"$ref": "#/anyOf/1"}, "anyOf": [{}]}, "points at nothing"),
        ({"items": {"$ref": "#/$defs"}, "$defs": {}}, "points at nothing"),
        ({"items": {"$ref": "#/items/items"}}, "points at nothing"),
        ({"$ref": "#"}, "`$ref` '#' leads back to itself without looking at the answer"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "leads back to itself"),
        ({"items": {"not": {"$ref": "#/items"}}}, "leads back to itself"),
        # objects
        ({"type": "object"}, "`type` does not say which keys an object has: give `properties`, or `additionalProp"),
        ({"type": ["object", "null"], "required": ["a"]}, "does not say which keys an object has"),
        ({"properties": {"a": {}}, "required": ["b"]}, "`required` lists 'b', which `properties` does not"),
        ({"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}, "listed in several schemas"),
        (
            {"properties": {"a": {}}, "$ref": "#/$defs/a", "$defs": {"a": {"properties": {}}}},
            "listed in several schemas",
        ),
        (
            {"properties": {}, "additionalProperties": True, "oneOf": [{"anyOf": [{"properties": {}}]}]},
            "`oneOf` looks at an object whose properties are listed in several schemas",
        ),
        ({"not": {"properties": {}}}, "#/not: `properties` inside `not` needs `additionalProperties` beside it"),
        ({"not": {"items": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"properties": {}}}}, "`properties` inside `not`"),
        # hostile
        (_bomb(), "JSON Schema: more than 1000000 values"),
        (_cycle(), "JSON Schema: nested deeper than 200 levels"),
        (_nested(250), "JSON Schema: nested deeper than 200 levels"),
        (_nested(100), "more than 64 schemas deep, references followed"),
        ({"$ref": "#/$defs/a0", "$defs": {**DOUBLING, "a20": {}}}, "more than 10000 schemas, references unfolded"),
        (
            {"$ref": "#/$defs/0", "$defs": {str(i): {"$ref": f"#/$defs/{i + 1}"} for i in range(999)}},
            "more than 64 schemas deep",
        ),
        ({"properties": {str(i): {} for i in range(20_000)}}, "more than 10000 schemas"),
    ],
    ids=range(83),
)
def test_what_could_not_be_kept_is_refused(schema: Any, said: str) -> None:
    """At declaration; the message names place and keyword, and what to do."""
    with pytest.raises(PolicyError) as caught:
        JsonSchema(schema)
    assert said in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    """One problem each, and no more than anybody reads."""
    with pytest.raises(PolicyError) as caught:
        JsonSchema({"properties": {"a": {"minimum": "3", "if": {}}, "b": {"$ref": "#/$defs/c"}}, "required": ["d"]})
    assert len(caught.value.problems) == 4
    with pytest.raises(PolicyError) as caught:
        JsonSchema({"properties": {str(i): {"if": {}} for i in range(99)}})
    assert len(caught.value.problems) == 21
    assert str(caught.value).endswith("and 79 more")


def test_a_schema_is_no_type() -> None:
    """Neither written as a dict, nor inside of one."""
    schema: Any
    for schema in (TRIAGE, list[JsonSchema(TRIAGE)], JsonSchema):  # type: ignore[misc]
        with pytest.raises(PolicyError):
            compile_schema(schema)
    with pytest.raises(PolicyError, match="JSON Schema is written JsonSchema"):
        compile_schema(TRIAGE)


# what leaves


@pytest.mark.parametrize("raw", [GOOD, GOOD.encode(), VALUE, {**VALUE}], ids=["str", "bytes", "dict", "copy"])
def test_a_valid_answer_leaves_as_it_came(raw: object) -> None:
    """A dict, its keys in the answer's order; an integer stays one where a number is asked for."""
    value = judge(TRIAGE, raw)
    assert value == VALUE
    assert value is not raw
    assert list(value) == list(VALUE)
    assert type(value["confidence"]) is int


def test_objects_of_one_tree_may_differ() -> None:
    """One open, one closed, one with schemas for what it does not list."""
    tree = {
        "type": "object",
        "properties": {
            "open": {"type": "object", "properties": {}, "additionalProperties": True},
            "closed": {"type": "object", "properties": {}},
            "typed": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }
    answer = {"open": {"a": [1, {"b": None}]}, "closed": {}, "typed": {"a": 1}}
    assert judge(tree, json.dumps(answer)) == answer
    assert breach(tree, '{"closed": {"a": 1}}').message == "1 error: extra_forbidden at closed.*"
    assert breach(tree, '{"typed": {"a": "x"}}').message == "1 error: int_type at typed.*"
    assert breach(tree, '{"other": 1}').message == "1 error: extra_forbidden at *"


def test_an_openai_strict_schema_is_a_contract_as_it_stands() -> None:
    """Definitions, recursion, options as unions with null, formats."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "type": {"type": "string", "description": "The kind", "enum": ["div", "button"]},
            "label": {"type": ["string", "null"]},
            "children": {"type": "array", "items": {"$ref": "#"}},
            "mail": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
            "style": {"$ref": "#/$defs/style"},
        },
        "required": ["type", "label", "children", "mail", "style"],
        "additionalProperties": False,
        "$defs": {
            "style": {
                "type": "object",
                "properties": {"width": {"type": "integer", "minimum": 0}},
                "required": ["width"],
                "additionalProperties": False,
            }
        },
    }
    leaf = {"type": "button", "label": "Go", "children": [], "mail": "a@b.org", "style": {"width": 1}}
    answer = {"type": "div", "label": None, "children": [leaf, leaf], "mail": None, "style": {"width": 0}}
    assert judge(schema, json.dumps(answer)) == answer
    answer["children"] = [leaf, {**leaf, "style": {"width": -1}}]
    assert breach(schema, json.dumps(answer)).message == ("1 error: greater_than_equal at children.1.style.width")


@pytest.mark.parametrize(
    ("schema", "raw", "value"),
    [
        ({"type": "string"}, "it is a bug", "it is a bug"),
        ({"type": "string"}, '"quoted"', '"quoted"'),
        ({"type": "string", "format": "date"}, b"2026-01-31", "2026-01-31"),
        ({"type": ["string", "null"]}, "null", "null"),
        ({"enum": ["a", "b"]}, "a", "a"),
        ({"type": "string", "enum": ["a", "b"], "maxLength": 1}, "b", "b"),
        ({"type": "string", "oneOf": [{"const": "a"}, {"const": "b"}]}, "b", "b"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": "x"}}}, "x", "x"),
        ({"enum": ["a", None]}, '"a"', "a"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, '"a"', "a"),
        ({"type": "integer"}, "3", 3),
        ({"type": "integer"}, 3, 3),
        ({"type": "null"}, None, None),
        ({}, "[1]", [1]),
    ],
    ids=range(14),
)
def test_text_is_the_answer_where_the_root_is_text(schema: dict[str, Any], raw: object, value: object) -> None:
    """As it is for `str` and for literals; anything else is read as JSON."""
    assert judge(schema, raw) == value
    assert judge({"type": "string"}, '"a"', format="json") == "a"


class Label(StrEnum):
    """A label."""

    BUG = "bug"


class Sly(dict[str, Any]):
    """Says one thing when it is looked at, and another later."""

    def __getitem__(self, key: str) -> Any:
        return "sly"


def test_python_values_leave_as_plain_json_data() -> None:
    """A class of somebody's own is copied into what it holds, or refused."""
    labels: Any = JsonSchema({"type": "string", "enum": ["bug"]})
    assert type(Judge.of(OutputContract(labels)).judge_value(Label.BUG)) is str
    assert type(judge(TRIAGE, Sly(VALUE))) is dict
    assert judge({"type": "array", "items": {"type": "string"}}, [Label.BUG]) == ["bug"]
    given = {"a": [1, {"b": None}]}
    value = judge({"additionalProperties": True}, given, format="python")
    assert value == given
    assert value["a"] is not given["a"]
    for bad in (Sly(VALUE), {1: 2}, (1,), object(), {"a": {1}}, b"x"):
        assert breach({}, bad, format="python").message == "1 error: not_json at the root"


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"items": {}},
        {"type": "array"},
        {"additionalProperties": True},
        {"required": ["a"]},
        {"not": {"type": "string"}},
        {"type": ["object", "array"], "additionalProperties": True},
        {"anyOf": [{"type": "array"}, {"required": ["a"]}]},
        {"prefixItems": [{}, {}]},
        {"uniqueItems": True},
    ],
    ids=json.dumps,
)
def test_numbers_are_finite_wherever_they_hide(schema: dict[str, Any]) -> None:
    """In what no keyword looks at, too."""
    for hidden in ("NaN", "-Infinity", "1e999"):
        for raw in (f"[1, {hidden}]", f'{{"a": {hidden}}}', f'{{"a": {{"b": [{hidden}]}}}}', f"[[[{hidden}]]]"):
            assert breach(schema, raw).kind == Kind.SCHEMA_VIOLATION
    assert breach({"type": "number"}, "NaN").message == "1 error: finite_number at the root"


def test_json_in_prose_is_found() -> None:
    """As for every contract: one valid value, or none."""
    assert judge(TRIAGE, f"Sure! ```json\n{GOOD}\n```", extract=True) == VALUE
    assert judge(TRIAGE, f"{{}} or {GOOD}", extract=True) == VALUE
    assert judge({"type": "array", "items": {"type": "integer"}}, "I say [1, 2]", extract=True) == [1, 2]
    assert judge({"prefixItems": [{}], "type": "array"}, 'not {"a": 1} but [1]', extract=True) == [1]
    other = GOOD.replace("bug", "billing")
    assert breach(TRIAGE, f"{GOOD} or {other}", extract=True).kind == Kind.AMBIGUOUS_OUTPUT
    assert breach(TRIAGE, "no idea", extract=True).kind == Kind.MALFORMED_OUTPUT


# behind a boundary


def test_a_rung_is_held_to_it_when_it_is_declared() -> None:
    """And is a fresh value at each use."""
    contract = JsonSchema(TRIAGE)

    @guard("json-schema-rung", deadline=1.0, isolation="inline", output=contract, fallback=[VALUE])
    def triage() -> str:
        return "no JSON"

    first, second = triage(), triage()
    assert first == second == VALUE
    assert first is not second
    for bad in ({**VALUE, "more": 1}, {**VALUE, "confidence": 2}, None):
        with pytest.raises(PolicyError, match="breaks the contract 'Triage'"):
            guard("json-schema-bad-rung", deadline=1.0, output=contract, fallback=[bad])(lambda: "")


def test_a_stream_is_held_to_it_as_a_whole() -> None:
    """Buffered: text is joined and read as JSON."""

    @guard("json-schema-stream", deadline=1.0, isolation="inline", output=JsonSchema(TRIAGE), stream="buffer")
    def words(text: str) -> Iterator[str]:
        yield from (text[i : i + 7] for i in range(0, len(text), 7))

    assert list(words(GOOD)) == [GOOD[i : i + 7] for i in range(0, len(GOOD), 7)]
    with pytest.raises(InvalidOutputError, match="less_than_equal at confidence"):
        list(words(GOOD.replace("1", "2")))


# messages


SECRETIVE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": {"enum": ["a", 1]},
        "kind": {"const": {"a": 1}},
        "text": {"type": "string", "pattern": "^x", "maxLength": 3},
        "when": {"type": "string", "format": "date-time"},
        "size": {"type": ["integer", "string"], "multipleOf": 2},
        "price": {"type": "number", "multipleOf": 0.5},
        "tags": {"type": "array", "uniqueItems": True},
        "pair": {"type": "array", "prefixItems": [{"type": "integer"}], "items": False},
        "notes": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "maxProperties": 1,
            "minProperties": 1,
        },
        "gone": False,
        "shape": {"anyOf": [{"$ref": "#/$defs/Circle"}, {"type": "integer"}, {"type": "null"}]},
        "one": {"oneOf": [{"type": "string", "minLength": 20}, {"$ref": "#/$defs/Circle"}]},
        "two": {"oneOf": [{}, {"type": "string"}]},
        "no": {"not": {"type": "string"}},
        "all": {"allOf": [{"type": "string"}, {"minLength": 20}]},
    },
    "$defs": {"Circle": {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]}},
}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"secret": 1}, "extra_forbidden at *"),
        ({"label": "secret"}, "literal_error at label"),
        ({"kind": {"secret": 1}}, "literal_error at kind"),
        ({"text": "secret"}, "string_too_long at text"),
        ({"text": "abc"}, "string_pattern_mismatch at text"),
        ({"when": "secret"}, "date_time_format at when"),
        ({"size": ["secret"]}, "wrong_type at size"),
        ({"size": 3}, "multiple_of at size.integer"),
        ({"price": 0.3}, "multiple_of at price"),
        ({"tags": ["secret", "secret"]}, "not_unique at tags"),
        ({"pair": ["secret"]}, "int_type at pair.0"),
        ({"pair": [1, "secret"]}, "too_long at pair"),
        ({"notes": {"secret": "secret"}}, "int_type at notes.*"),
        ({"notes": {"secret": 1, "more": 2}}, "too_long at notes"),
        ({"notes": {}}, "too_short at notes"),
        ({"gone": "secret"}, "false_schema at gone"),
        ({"shape": {"secret": 1}}, "missing at shape.Circle.radius, extra_forbidden at shape.Circle.*, int_type at "),
        ({"one": {"radius": "secret"}}, "float_type at one.Circle.radius"),
        ({"one": "secret"}, "string_too_short at one.oneOf[0]"),
        ({"two": "secret"}, "several_fit at two"),
        ({"no": "secret"}, "excluded at no"),
        ({"all": "secret"}, "string_too_short at all"),
        (["secret"], "dict_type at the root"),
        ("secret", "dict_type at the root"),
    ],
    ids=json.dumps,
)
def test_a_message_says_where_and_what_but_never_the_answer(answer: object, said: str) -> None:
    """Only what the schema itself declares is shown."""
    for raw in (json.dumps(answer), answer):
        if not isinstance(raw, str) or raw != answer:
            message = breach(SECRETIVE, raw).message
            assert said in message
            assert "secret" not in message


# hostile answers

AMBIGUOUS: dict[str, Any] = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "BRANCHES": [
                {"type": "object", "properties": {"t": {"const": i}, "c": {"$ref": "#/$defs/node"}}, "required": ["t"]}
                for i in range(4)
            ]
        }
    },
}
RECURSIVE: dict[str, Any] = {
    "$ref": "#/$defs/any",
    "$defs": {
        "any": {
            "type": ["object", "array", "string"],
            "additionalProperties": {"$ref": "#/$defs/any"},
            "items": {"$ref": "#/$defs/any"},
            "uniqueItems": True,
        }
    },
}


@pytest.mark.parametrize("branches", ["anyOf", "oneOf"])
def test_branches_that_look_alike_do_not_double_the_work_of_each_level(branches: str) -> None:
    """Four to the power of forty would outlast the sun."""
    schema = json.loads(json.dumps(AMBIGUOUS).replace("BRANCHES", branches))
    nested = '{"t": 3, "c": ' * 40 + "%s" + "}" * 40
    assert judge(schema, nested % '{"t": 2}') == json.loads(nested % '{"t": 2}')
    assert breach(schema, nested % '{"t": 9}').kind == Kind.SCHEMA_VIOLATION
    assert breach(schema, nested % '"x"').kind == Kind.SCHEMA_VIOLATION


def test_the_branch_that_was_meant_is_the_one_that_is_named() -> None:
    """However deep it is: the one with the fewest errors."""
    schema = json.loads(json.dumps(AMBIGUOUS).replace("BRANCHES", "oneOf"))
    message = breach(schema, '{"t": 3, "c": {"t": 2, "c": {"t": 1, "c": {"t": "x"}}}}').message
    assert message == "1 error: literal_error at oneOf[3].c.oneOf[2].c.oneOf[1].c.oneOf[0].t"


def test_a_definition_holds_itself_so_deep_and_no_deeper() -> None:
    """Beyond it the answer is refused, inside `not` too, where a mere misfit would be a yes."""
    lists: dict[str, Any] = {"$defs": {"l": {"type": "array", "items": {"$ref": "#/$defs/l"}}}}

    def nested(levels: int) -> str:
        return "[" * (levels + 1) + "]" * (levels + 1)

    assert judge({**lists, "$ref": "#/$defs/l"}, nested(DEEPEST)) is not None
    for schema in ({**lists, "$ref": "#/$defs/l"}, {**lists, "not": {"$ref": "#/$defs/l"}}):
        assert breach(schema, nested(DEEPEST + 1)).kind == Kind.SCHEMA_VIOLATION
        assert breach(schema, nested(199)).message == "validating the answer raised RecursionError"


def test_a_small_stack_is_enough() -> None:
    """One megabyte, as threads have where the C library is musl."""
    schema = json.loads(json.dumps(AMBIGUOUS).replace("BRANCHES", "oneOf"))
    nested = '{"t": 3, "c": ' * DEEPEST + '{"t": 3}' + "}" * DEEPEST
    seen: list[Any] = []
    before = threading.stack_size(1 << 20)
    try:
        thread = threading.Thread(target=lambda: seen.append(judge(schema, nested)))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert seen == [json.loads(nested)]


@pytest.mark.parametrize(
    ("schema", "raw"),
    [
        ({"uniqueItems": True}, json.dumps([i * (2**61 - 1) for i in range(40_000)])),
        ({"uniqueItems": True}, json.dumps([[{"a": i}] for i in range(40_000)])),
        ({"uniqueItems": True}, json.dumps([str(i) for i in range(80_000)])),
        ({"items": {"type": "string"}}, json.dumps([1] * 200_000)),
        ({"items": {"not": {}}}, json.dumps([1] * 100_000)),
        (RECURSIVE, json.dumps({"a": {"a": [[1] * 100_000]}})),
        (RECURSIVE, '{"a":' * 40 + json.dumps([1] * 100_000) + "}" * 40),
        (RECURSIVE, json.dumps([[[[i]]] for i in range(20_000)])),
        (RECURSIVE, json.dumps({str(i): i for i in range(50_000)})),
        (
            json.loads(json.dumps(AMBIGUOUS).replace("BRANCHES", "anyOf")),
            json.dumps({str(i): i for i in range(50_000)}),
        ),
    ],
    ids=range(10),
)
def test_a_megabyte_of_answer_takes_linear_time(schema: dict[str, Any], raw: str) -> None:
    """Numbers that collide as hashes, errors by the hundred thousand: this test ends."""
    try:
        judge(schema, raw)
    except Breach as caught:
        assert len(caught.message) < 500  # noqa: PT017 - some of these are valid


def _levels(count: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(count):
        value = [value]
    return value


def _self_holding() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


@pytest.mark.parametrize(
    "schema", [TRIAGE, RECURSIVE, SECRETIVE, {}, {"type": "string"}, {"oneOf": [{}, {"type": "array"}]}]
)
@pytest.mark.parametrize(
    "make",
    [
        lambda: _levels(100_000),
        lambda: _levels(201),
        _self_holding,
        lambda: {"a": "\ud800"},
        lambda: {"a": b"\xff"},
        lambda: {"a": 10**6000},
        lambda: {"a": math.nan},
        lambda: {Label: 1},
        lambda: {"a": iter("ab")},
        lambda: 10**6000,
        lambda: -math.inf,
        lambda: "[" * 200_000,
        lambda: '{"a":' * 200_000,
        lambda: "\ud800",
        lambda: b"\xff\xfe",
        lambda: "[1, NaN]",
        object,
    ],
    ids=range(17),
)
def test_nothing_but_a_breach_leaves(schema: dict[str, Any], make: Callable[[], object]) -> None:
    """Whatever a component returns."""
    contract: Any = JsonSchema(schema)
    for judged in (OutputContract(contract, extract=True), OutputContract(contract, format="python")):
        for gate in (Judge.of(judged).judge, Judge.of(judged).judge_value):
            try:
                gate(make())
            except Breach as caught:
                assert caught.__context__ is None  # noqa: PT017 - some of these values are valid
                assert len(caught.message) < 500  # noqa: PT017


def test_more_errors_than_are_listed_are_not_carried_up_every_level() -> None:
    """Each level would copy them all."""
    many = json.dumps(list(range(101)))
    assert breach(RECURSIVE, f'{{"a": {many}}}').message == "1 error: many_errors at object.*"
    assert breach(RECURSIVE, '{"a": [1, 2]}').message.startswith("2 errors: wrong_type at object.*.array.0")


@pytest.mark.parametrize("branches", ["anyOf", "oneOf"])
def test_no_cycle_keeps_an_answer_alive(branches: str) -> None:
    """What was refused is gone as soon as nobody holds it."""
    schema = json.loads(json.dumps(AMBIGUOUS).replace("BRANCHES", branches))
    schema["$defs"]["node"][branches].insert(0, {"type": "integer"})
    contract: Any = JsonSchema(schema)
    judged = Judge.of(OutputContract(contract))
    deep: dict[str, Any] = {"t": 3}
    for _ in range(DEEPEST + 1):
        deep = {"t": 3, "c": deep}
    refused = 0
    gc.collect()
    gc.disable()
    try:
        for answer in ({"t": 3, "c": {"t": 2, "c": {"t": "secret"}}}, "secret", {"t": 3}, deep):
            try:
                judged.judge_value(answer)
            except Breach:
                refused += 1
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert refused == 3
