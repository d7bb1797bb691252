"""How a file writes a wait or a stop of `retry`: tenacity's, by its name and its arguments, or an import path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.config import tenacity_names
from aiguard.config.reader import REFUSED
from aiguard.failure import FailureKind
from aiguard.problem import nearest

if TYPE_CHECKING:
    from aiguard.config.reader import Reader
    from aiguard.config.tenacity_names import Family
    from aiguard.config.text import Node

_KINDS: Final = tuple(kind.value for kind in FailureKind)


def read_wait(reader: Reader, node: Node, path: str) -> Any:
    """Return a function that says how long to wait."""
    return _strategy(reader, node, path, "wait")


def read_stop(reader: Reader, node: Node, path: str) -> Any:
    """Return a function that says when to stop."""
    return _strategy(reader, node, path, "stop")


def read_kinds(reader: Reader, node: Node, path: str) -> Any:
    """Return the kinds worth another attempt, or the tenacity object that decides."""
    if isinstance(node.value, str) and ":" in node.value:
        return reader.function(node, path)
    if not isinstance(node.value, list):
        return reader.refuse(node, path, "must be a list of failure kinds, or the import path of a tenacity object")
    kinds = [_kind(reader, item, f"{path}[{index}]") for index, item in enumerate(node.value)]
    return REFUSED if any(kind is REFUSED for kind in kinds) else kinds


def _kind(reader: Reader, node: Node, path: str) -> Any:
    if isinstance(node.value, str) and node.value in _KINDS:
        return node.value
    return reader.refuse(node, path, f"is no failure kind{nearest(str(node.value), _KINDS)}")


def _strategy(reader: Reader, node: Node, path: str, family: Family) -> Any:
    if isinstance(node.value, str) and ":" in node.value:
        return reader.function(node, path)
    name, given = _named(node)
    names = tenacity_names.names_of(family)
    if name not in names:
        near = nearest(name, names) if name else ""
        return reader.refuse(node, path, f"must name one of {', '.join(names)}, or be an import path{near}")
    if name in tenacity_names.MADE_OF:
        arguments = _parts(reader, node, given, f"{path}.{name}", family)
    else:
        arguments = _arguments(reader, given, f"{path}.{name}", name)
    if arguments is REFUSED:
        return REFUSED
    try:
        return tenacity_names.build(name, arguments)
    except (TypeError, ValueError) as error:
        return reader.refuse(node, path, str(error).replace(f"{name}.__init__() ", ""))


def _named(node: Node) -> tuple[str, Node | None]:
    """Return the name, and what stands behind it."""
    if isinstance(node.value, str):
        return node.value, None
    if isinstance(node.value, dict) and len(node.value) == 1:
        ((name, given),) = node.value.items()
        return name, given
    return "", None


def _parts(reader: Reader, node: Node, given: Node | None, path: str, family: Family) -> Any:
    if given is None or not isinstance(given.value, list) or not given.value:
        return reader.refuse(given or node, path, "is made of a list of others, one at least")
    parts = [_strategy(reader, item, f"{path}[{index}]", family) for index, item in enumerate(given.value)]
    return REFUSED if any(part is REFUSED for part in parts) else parts


def _arguments(reader: Reader, given: Node | None, path: str, name: str) -> Any:
    if given is None:
        return {}
    known = tuple(tenacity_names.ARGUMENTS.get(name, ()))
    if not known:
        return reader.refuse(given, path, f"takes no arguments: write `{name}` alone")
    parts = reader.parts(given, path, known)
    if parts is REFUSED:
        return REFUSED
    arguments = {argument: _number(reader, item, f"{path}.{argument}", argument) for argument, item in parts.items()}
    return REFUSED if any(value is REFUSED for value in arguments.values()) else arguments


def _number(reader: Reader, node: Node, path: str, argument: str) -> Any:
    value = node.value
    if isinstance(value, str) and argument not in tenacity_names.PURE_NUMBERS:
        return reader.time(node, path)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return reader.refuse(node, path, "must be a number, not below zero")
    return value
