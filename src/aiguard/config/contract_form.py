"""How a file writes a contract: the import path of a type, or a mapping with a JSON Schema or a path in it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from aiguard.config.reader import REFUSED
from aiguard.contract import JsonSchema, OutputContract
from aiguard.errors import PolicyError

if TYPE_CHECKING:
    from aiguard.config.reader import Reader
    from aiguard.config.text import Node

_KEYS: Final = tuple(field.name for field in fields(OutputContract))


def read_contract(reader: Reader, node: Node, path: str) -> Any:
    """Return a type, or an `OutputContract`."""
    if isinstance(node.value, str):
        return reader.imported(node, path)
    given = reader.parts(node, path, _KEYS, needed="schema")
    if given is REFUSED:
        return REFUSED
    for name, kind, word in (("name", str, "text"), ("extract", bool, "true or false")):
        if name in given and not isinstance(given[name].value, kind):
            return reader.refuse(given[name], f"{path}.{name}", f"must be {word}")
    arguments = {name: item.plain() for name, item in given.items() if name not in {"schema", "checks"}}
    schema = read_schema(reader, given["schema"], f"{path}.schema")
    if "checks" in given:
        arguments["checks"] = _checks(reader, given["checks"], f"{path}.checks")
    if schema is REFUSED or REFUSED in arguments.values():
        return REFUSED
    try:
        return OutputContract(schema, **arguments)
    except PolicyError as error:
        return reader.refuse(node, path, *(problem.reason for problem in error.problems))


def read_schema(reader: Reader, node: Node, path: str) -> Any:
    """Return the type that an import path leads to, or a `JsonSchema`."""
    if not isinstance(node.value, dict):
        return reader.imported(node, path)
    try:
        return JsonSchema(node.plain())
    except PolicyError as error:
        return reader.refuse(node, path, *(problem.reason for problem in error.problems))


def _checks(reader: Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, list):
        return reader.refuse(node, path, "must be a list of import paths")
    found = [reader.function(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
    return REFUSED if REFUSED in found else found
