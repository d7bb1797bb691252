"""How a file writes a ladder: a list of rungs, each of one kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.config.reader import REFUSED
from aiguard.errors import PolicyError
from aiguard.policy import check_name
from aiguard.problem import nearest
from aiguard.rung import BoundaryRung, Rung, last_good

if TYPE_CHECKING:
    from aiguard.config.reader import Reader
    from aiguard.config.text import Node

RUNGS: Final = ("value", "call", "last_good", "boundary")
"""The kinds of rungs that a file knows."""

_CALL: Final = ("call", "name", "ai", "inline")
_LAST_GOOD: Final = ("by", "ttl", "size")


def read_ladder(reader: Reader, node: Node, path: str) -> Any:
    """Return the rungs."""
    if not isinstance(node.value, list):
        return reader.refuse(node, path, "must be a list of rungs, even where there is only one")
    rungs = []
    for index, item in enumerate(node.value):
        reader.positions[f"{path}[{index}]"] = reader.at(item.mark)
        rungs.append(_rung(reader, item, f"{path}[{index}]"))
    return REFUSED if any(rung is REFUSED for rung in rungs) else rungs


def _rung(reader: Reader, node: Node, path: str) -> Any:
    kinds = [kind for kind in RUNGS if isinstance(node.value, dict) and kind in node.value]
    if len(kinds) != 1 or not isinstance(node.value, dict):
        return reader.refuse(node, path, f"must be a mapping with one of {', '.join(RUNGS)}{_meant(node)}")
    (kind,) = kinds
    given = reader.parts(node, path, _CALL if kind == "call" else (kind,), needed=kind)
    if given is REFUSED:
        return REFUSED
    rung = given[kind]
    if kind == "value":
        return rung.plain()
    if kind == "boundary":
        return _boundary_rung(reader, rung, path)
    if kind == "last_good":
        return _last_good(reader, rung, f"{path}.last_good")
    return _call(reader, given, path)


def _meant(node: Node) -> str:
    """Return a hint at what was perhaps meant."""
    if isinstance(node.value, str):
        return f"; did you mean `call: {node.value}`?" if ":" in node.value else "; did you mean `value`?"
    strays = [key for key in node.value if key not in RUNGS] if isinstance(node.value, dict) else []
    return nearest(strays[0], RUNGS) if strays else ""


def _boundary_rung(reader: Reader, node: Node, path: str) -> Any:
    try:
        check_name(node.value)
    except PolicyError as error:
        return reader.refuse(node, path, *(problem.reason for problem in error.problems))
    if node.value == reader.boundary:
        return reader.refuse(node, path, "a boundary cannot fall back to itself")
    return BoundaryRung(str(node.value))


def _call(reader: Reader, given: dict[str, Node], path: str) -> Any:
    fn = reader.function(given["call"], path)
    options = {name: item.plain() for name, item in given.items() if name != "call"}
    for name, kind in (("name", str), ("ai", bool), ("inline", bool)):
        if name in options and not isinstance(options[name], kind):
            word = "text" if kind is str else "true or false"
            fn = reader.refuse(given[name], f"{path}.{name}", f"must be {word}")
    if fn is REFUSED:
        return REFUSED
    return Rung(fn, **options) if options else fn


def _last_good(reader: Reader, node: Node, path: str) -> Any:
    given = reader.parts(node, path, _LAST_GOOD, needed="by")
    if given is REFUSED:
        return REFUSED
    if "ttl" not in given:
        return reader.refuse(node, path, "`ttl` is required: how old an answer may be")
    by = reader.function(given["by"], f"{path}.by")
    ttl = given["ttl"]
    age = reader.time(ttl, f"{path}.ttl") if isinstance(ttl.value, str) else ttl.plain()
    size = {"size": given["size"].plain()} if "size" in given else {}
    if by is REFUSED or age is REFUSED:
        return REFUSED
    try:
        return last_good(by=by, ttl=age, **size)
    except PolicyError as error:
        return reader.refuse(node, path, *(problem.reason for problem in error.problems))
