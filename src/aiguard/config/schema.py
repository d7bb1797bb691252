"""The JSON Schema of the file: what editors complete by."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any, Final, get_args

from pydantic import BaseModel, TypeAdapter

from aiguard.config import durations, imports, tenacity_names
from aiguard.config.document import VERSION
from aiguard.config.people import ACTIONS
from aiguard.config.reading import group_of, is_time, takes_text
from aiguard.contract import Array, Features, InputContract, OneOf, OutputContract, Range, Text
from aiguard.contract.checks import OnCheckError
from aiguard.contract.input import OnBreach
from aiguard.contract.output import Ambiguous, Format, Repair
from aiguard.contract.rules import Missing
from aiguard.failure import FailureKind
from aiguard.policy import MODEL_NAME_LIMIT, NAME_LIMIT, Policy
from aiguard.rung import LastGood, Rung
from aiguard.strategies import Price

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Fragment = dict[str, Any]

_IMPORT: Final[Fragment] = {
    "type": "string",
    "pattern": f"^{imports.PATTERN}$",
    "description": "An import path, package.module:name.",
}
_REF_IMPORT: Final[Fragment] = {"$ref": "#/$defs/ImportPath"}
_RULES_BY_NAME: Final[Fragment] = {
    "type": "object",
    "additionalProperties": {"$ref": "#/$defs/InputRule"},
    "minProperties": 1,
}
_PLAIN: Final[Fragment] = {"type": ["string", "number", "boolean"]}
_NAME: Final = f"^[A-Za-z0-9._-]{{1,{NAME_LIMIT}}}$"
_VERSION: Final[list[Fragment]] = [
    {"type": "integer", "minimum": 1},
    {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,32}$"},
]


def file_schema() -> Fragment:
    """Return the schema of a whole file, draft 2020-12."""
    definitions = {"Boundary": _group(Policy)}
    for name in Policy.model_fields:
        group = group_of(Policy, name)
        if group is not None:
            definitions[group.__name__] = _group(group)
    definitions |= {
        "Time": {
            "description": "Seconds as a number, or a time with its units h, m, s, ms.",
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": f"^{durations.PATTERN}$"}],
        },
        "ImportPath": _IMPORT,
        "OutputContract": _contract(),
        "InputContract": _input(),
        "Price": _price(),
        "InputRule": _input_rule(),
        "Rung": _rung(),
        "Wait": _strategy("wait"),
        "Stop": _strategy("stop"),
    }
    names = f"^[A-Za-z0-9._-]{{1,{NAME_LIMIT}}}$"
    block = {"anyOf": [{"$ref": "#/$defs/Boundary"}, {"type": "null"}]}
    return {
        "$schema": DIALECT,
        "title": "aiguard.yaml",
        "description": "Policies of boundaries.",
        "type": "object",
        "properties": {
            "version": {"const": VERSION, "description": "The version of this form."},
            "defaults": {**block, "description": "What neither a boundary's own block nor its code says."},
            "boundaries": {
                "type": ["object", "null"],
                "patternProperties": {names: block},
                "additionalProperties": False,
                "description": "Each boundary's settings, by its name.",
            },
            "directory": _directory(),
            "control": _control(),
        },
        "required": ["version"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _directory() -> Fragment:
    """Return the schema of who there is."""
    line: Fragment = {"type": "string", "minLength": 1}
    optional: Fragment = {"type": ["string", "null"], "minLength": 1}
    runbook = {**optional, "description": "Where it is written what to do with what they own: an address, as a rule."}
    person = _object(
        "name",
        name={**line, "description": "What people call them; no two are called alike."},
        contact={**optional, "description": "How they are reached."},
        runbook=runbook,
    )
    members = {"type": "array", "items": line, "minItems": 1, "uniqueItems": True}
    team = _object("members", members={**members, "description": "User names of its people."}, runbook=runbook)
    properties: Fragment = {
        "people": {
            "type": ["object", "null"],
            "additionalProperties": person,
            "description": "Each person, by the user name by which the operating system knows them.",
        },
        "teams": {"type": ["object", "null"], "additionalProperties": team, "description": "Each team, by its name."},
    }
    return {
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
        "description": "Who there is: whom boundaries name as their owners, and who acts.",
    }


def _control() -> Fragment:
    """Return the schema of who may do what."""
    names = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    meanings = {action: f"The teams and people of the directory that may {action} boundaries." for action in ACTIONS}
    return {
        "type": ["object", "null"],
        "properties": {action: {**names, "description": meaning} for action, meaning in meanings.items()},
        "additionalProperties": False,
        "description": "Who may halt boundaries, and let them run again.",
    }


def _group(model: type[BaseModel]) -> Fragment:
    properties = {name: _setting(model, name) for name in model.model_fields}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _setting(model: type[BaseModel], name: str) -> Fragment:
    field = model.model_fields[name]
    fragment = _said(model, name)
    if not field.is_required() and isinstance(field.default, str | int | float | None):
        fragment["default"] = field.default
    optional = {"type": "null"}  # "not there"
    group = group_of(model, name)
    if name in _SPECIAL:
        return {**fragment, "anyOf": [_SPECIAL[name], optional]}
    if group is not None:
        word: list[Fragment] = [{"type": "string"}] if takes_text(model, name) else []
        return {**fragment, "anyOf": [*word, {"$ref": f"#/$defs/{group.__name__}"}, optional]}
    if is_time(model, name):
        return {**fragment, "anyOf": [{"$ref": "#/$defs/Time"}, optional]}
    annotation: Any = field.annotation
    for one in field.metadata:
        annotation = Annotated[annotation, one]
    schema: Fragment = TypeAdapter(annotation).json_schema()
    parts = schema.pop("anyOf", None)
    return {**schema, **fragment, **({"anyOf": parts} if parts else {})}


def _object(required: str, **properties: Fragment) -> Fragment:
    return {"type": "object", "properties": properties, "required": [required], "additionalProperties": False}


def _said(model: Any, name: str, **fragment: Any) -> Fragment:
    return {"description": meanings_of(model).get(name, ""), **fragment}


def _contract() -> Fragment:
    checks = {"type": "array", "items": _REF_IMPORT}
    schema = {"anyOf": [_REF_IMPORT, {"type": "object"}], "description": "The import path of a type, or a JSON Schema."}
    inline = _object(
        "schema",
        schema=schema,
        name=_said(OutputContract, "name", type="string"),
        version=_said(OutputContract, "version", anyOf=[{"type": "integer", "minimum": 1}, {"type": "string"}]),
        format=_said(OutputContract, "format", enum=list(get_args(Format))),
        extract=_said(OutputContract, "extract", type="boolean"),
        ambiguous=_said(OutputContract, "ambiguous", enum=list(get_args(Ambiguous))),
        repair=_said(OutputContract, "repair", enum=list(get_args(Repair))),
        checks=_said(OutputContract, "checks", **checks),
        on_check_error=_said(OutputContract, "on_check_error", enum=list(get_args(OnCheckError))),
        max_bytes=_said(OutputContract, "max_bytes", type="integer", minimum=1),
    )
    return {"anyOf": [_REF_IMPORT, inline]}


def _input() -> Fragment:
    inline = _object(
        "fields",
        fields=_said(InputContract, "fields", anyOf=[_REF_IMPORT, _RULES_BY_NAME]),
        name=_said(InputContract, "name", type="string", pattern=_NAME),
        version=_said(InputContract, "version", anyOf=_VERSION),
        on_breach=_said(InputContract, "on_breach", enum=list(get_args(OnBreach))),
    )
    return {"anyOf": [_REF_IMPORT, inline]}


def _input_rule() -> Fragment:
    """Return the rules that a file knows, each with what it says."""
    texts = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "uniqueItems": True}
    columns = {"anyOf": [texts, _RULES_BY_NAME, {"type": "integer", "minimum": 1}]}
    shape = {"type": "array", "items": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}}
    said: dict[str, tuple[type, dict[str, Fragment]]] = {
        "range": (Range, {"low": {"type": ["number", "null"]}, "high": {"type": ["number", "null"]}}),
        "one_of": (OneOf, {"values": {"type": "array", "minItems": 1, "items": _PLAIN}}),
        "text": (
            Text,
            {
                "max_length": {"type": "integer", "minimum": 1},
                "max_tokens": {"type": "integer", "minimum": 1},
                "count": _REF_IMPORT,
            },
        ),
        "features": (Features, {"columns": columns}),
        "array": (Array, {"shape": shape, "dtype": {"type": "string"}}),
    }
    ways: list[Fragment] = [_REF_IMPORT]
    for kind, (rule, settings) in said.items():
        settings["missing"] = {"enum": list(get_args(Missing))}
        properties = {name: {**_said(rule, name), **one} for name, one in settings.items()}
        inner: Fragment = {"type": "object", "properties": properties, "additionalProperties": False}
        needed = [name for name in ("values", "columns", "shape") if name in settings]
        ways.append(_object(kind, **{kind: {**inner, "required": needed} if needed else inner}))
    schema = {"anyOf": [_REF_IMPORT, {"type": "object"}], "description": "The import path of a type, or a JSON Schema."}
    return {"anyOf": [*ways, _object("schema", schema=schema), _object("fields", fields=_RULES_BY_NAME)]}


def _price() -> Fragment:
    number: Fragment = {"type": "number", "minimum": 0}
    properties = {name: {**number, **_said(Price, name)} for name in Price.model_fields}
    properties["cached"] = {**_said(Price, "cached"), "anyOf": [number, {"type": "null"}]}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _rung() -> Fragment:
    call = _object(
        "call",
        call=_REF_IMPORT,
        name=_said(Rung, "name", type="string"),
        ai=_said(Rung, "ai", type="boolean"),
        inline=_said(Rung, "inline", type="boolean"),
    )
    last_good = _object(
        "by",
        by={**_REF_IMPORT, **_said(LastGood, "by")},
        ttl={"$ref": "#/$defs/Time", **_said(LastGood, "ttl")},
        size=_said(LastGood, "size", type="integer", minimum=1),
    )
    last_good["required"] = ["by", "ttl"]
    name = {"type": "string", "description": "Another boundary, whose guarded function answers."}
    return {
        "anyOf": [
            _object("value", value={"description": "The answer itself, as plain data."}),
            call,
            _object("last_good", last_good=last_good),
            _object("boundary", boundary=name),
        ]
    }


def _strategy(family: tenacity_names.Family) -> Fragment:
    """Return tenacity's names of one family, each with its arguments."""
    ways: list[Fragment] = [_REF_IMPORT]
    for name in tenacity_names.names_of(family):
        if name in tenacity_names.MADE_OF:
            parts = {"type": "array", "items": {"$ref": f"#/$defs/{family.capitalize()}"}}
            ways.append(_object(name, **{name: parts}))
            continue
        arguments = {
            argument: {"type": "number", "minimum": 0}
            if argument in tenacity_names.PURE_NUMBERS
            else {"$ref": "#/$defs/Time"}
            for argument in tenacity_names.ARGUMENTS.get(name, ())
        }
        ways.append({"const": name})
        if arguments:
            given = {"type": "object", "properties": arguments, "additionalProperties": False}
            ways.append(_object(name, **{name: given}))
    return {"anyOf": ways}


def meanings_of(model: Any) -> dict[str, str]:
    """Return what the docstring of `model` says of each setting."""
    parts = re.split(r"^(?:Attributes|Args):\n", inspect.getdoc(model) or "", maxsplit=1, flags=re.MULTILINE)
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", parts[-1], flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


_KINDS: Final[Fragment] = {"type": "array", "items": {"enum": [kind.value for kind in FailureKind]}}
_SPECIAL: Final[dict[str, Fragment]] = {
    "output": {"$ref": "#/$defs/OutputContract"},
    "input": {"$ref": "#/$defs/InputContract"},
    "fallback": {"type": "array", "items": {"$ref": "#/$defs/Rung"}},
    "wait": {"$ref": "#/$defs/Wait"},
    "stop": {"$ref": "#/$defs/Stop"},
    "on": {"anyOf": [_KINDS, _REF_IMPORT]},
    "key": _REF_IMPORT,
    "prices": {
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/Price"},
        "propertyNames": {"minLength": 1, "maxLength": MODEL_NAME_LIMIT, "pattern": r"^[^*]*\*?$"},
        "minProperties": 1,
    },
    "reserve_tokens": {"anyOf": [{"type": "integer", "minimum": 1}, _REF_IMPORT]},
}
