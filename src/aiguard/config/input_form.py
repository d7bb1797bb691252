"""How a file writes an input contract: an import path, or a mapping of fields with their rules in it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiguard.config.contract_form import read_schema
from aiguard.config.reader import REFUSED
from aiguard.contract import Array, Features, InputContract, OneOf, Range, Text
from aiguard.errors import PolicyError
from aiguard.problem import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.config.reader import Reader
    from aiguard.config.text import Node

KEYS: Final = ("fields", "name", "version", "on_breach")

RULES: Final[dict[str, tuple[str, ...]]] = {
    "range": ("low", "high", "missing"),
    "one_of": ("values", "missing"),
    "text": ("max_length", "max_tokens", "count", "missing"),
    "features": ("columns", "missing"),
    "array": ("shape", "dtype", "missing"),
}
"""The rules that a file knows, and what each of them says."""

KINDS: Final = (*RULES, "schema", "fields")


def read_input(reader: Reader, node: Node, path: str) -> Any:
    """Return a type, or an `InputContract`."""
    if isinstance(node.value, str):
        return reader.imported(node, path)
    given = reader.parts(node, path, KEYS, needed="fields")
    if given is REFUSED:
        return REFUSED
    read = reader.imported if isinstance(given["fields"].value, str) else partial(_fields, reader)
    fields = read(given["fields"], f"{path}.fields")
    said = {name: item.plain() for name, item in given.items() if name != "fields"}
    return REFUSED if fields is REFUSED else _made(reader, node, path, lambda: InputContract(fields, **said))


def _fields(reader: Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, dict) or not node.value:
        return reader.refuse(node, path, "must be a mapping of names to rules, one at least")
    rules = {name: _rule(reader, item, f"{path}.{name}") for name, item in node.value.items()}
    return REFUSED if REFUSED in rules.values() else rules


def _rule(reader: Reader, node: Node, path: str) -> Any:
    if isinstance(node.value, str):
        return reader.imported(node, path)
    given = list(node.value.items()) if isinstance(node.value, dict) else []
    if len(given) != 1 or given[0][0] not in KINDS:
        hint = nearest(given[0][0], KINDS) if len(given) == 1 else ""
        return reader.refuse(node, path, f"must be a mapping with one of {', '.join(KINDS)}, or an import path{hint}")
    kind, inner = given[0]
    if kind == "fields":
        return _fields(reader, inner, f"{path}.fields")
    if kind == "schema":
        return read_schema(reader, inner, f"{path}.schema")
    return _plain_rule(reader, inner, f"{path}.{kind}", kind=kind)


def _plain_rule(reader: Reader, node: Node, path: str, *, kind: str) -> Any:
    given = reader.parts(node, path, RULES[kind])
    if given is REFUSED:
        return REFUSED
    said = {name: item.plain() for name, item in given.items()}
    if "count" in given:
        said["count"] = reader.function(given["count"], f"{path}.count")
    if kind == "features" and isinstance(said.get("columns"), dict):
        said["columns"] = _fields(reader, given["columns"], f"{path}.columns")
    if any(one is REFUSED for one in said.values()):
        return REFUSED
    return _made(reader, node, path, lambda: _MAKERS[kind](said))


def _one_of(said: dict[str, Any]) -> OneOf:
    values = said.pop("values", ())
    if not isinstance(values, list):
        raise PolicyError("`values` must be a list")
    return OneOf(*values, **said)


_MAKERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "range": lambda said: Range(**said),
    "one_of": _one_of,
    "text": lambda said: Text(**said),
    "features": lambda said: Features(**{"columns": None, **said}),
    "array": lambda said: Array(**{"shape": None, **said}),
}


def _made(reader: Reader, node: Node, path: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except PolicyError as error:
        return reader.refuse(node, path, *(problem.reason for problem in error.problems))
