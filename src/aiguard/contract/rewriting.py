"""Core schemas of pydantic's, rewritten: to look at instances again, and to stop early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.contract.recursion import ARRAYS, walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core.core_schema import ValidatorFunctionWrapHandler

_KEPT = frozenset({"metadata", "serialization", "default", "expected", "members", "config"})
_MODELS = frozenset({"model", "dataclass"})
_SAME_IN_PYTHON = frozenset(
    {"any", "none", "bool", "int", "float", "str", "literal", "enum", "list", "nullable", "union", "tagged-union"}
    | {"model", "model-fields", "model-field", "typed-dict", "typed-dict-field", "dataclass", "dataclass-args"}
    | {"dataclass-field", "default", "definitions", "definition-ref"}
    | {"function-after", "function-before", "function-wrap", "function-plain"}
)
_KEYS = frozenset({"any", "str", "literal", "enum"})


def distrusting(core: Any) -> Any:
    """Return a core schema that validates instances again instead of passing them on."""

    def distrust(kind: str, node: dict[str, Any]) -> None:
        if kind in _MODELS:
            node["revalidate_instances"] = "always"

    return rewritten(core, distrust)


def stopping(core: Any) -> Any:
    """
    Return a core schema that looks no further into an array than to its first misfit.

    It takes the same values. Of a hundred thousand items that do not fit, pydantic would describe each.
    """

    def stop(kind: str, node: dict[str, Any]) -> None:
        if kind in ARRAYS:
            node["fail_fast"] = True

    return rewritten(core, stop)


def read_first(core: Any) -> Any:
    """
    Return a core schema that turns JSON into Python data before it looks at it.

    An error holds what it is about. Of JSON pydantic makes a copy for it, of Python data it does not: where each level
    of an answer has an error, all that lies below is copied for each.
    """
    definitions = core.get("definitions")
    inner = core if definitions is None else core["schema"]
    whole = {"type": "function-wrap", "function": {"type": "no-info", "function": _validate}, "schema": inner}
    return whole if definitions is None else {"type": "definitions", "schema": whole, "definitions": definitions}


def may_be_read_first(core: Any) -> bool:
    """Return whether JSON read first is held to the same: dates, decimals, sets and the like would not be."""
    return all(
        node["type"] in _SAME_IN_PYTHON
        or (node["type"] == "dict" and node.get("keys_schema", {"type": "any"})["type"] in _KEYS)
        for node in walk(core)
    )


def terse(core: Any, refs: frozenset[str]) -> Any:
    """
    Return a core schema with one error for all that is wrong in a value of `refs`.

    Each level of an answer would hand on the errors of all the levels below it.
    """

    def shorten(_kind: str, node: dict[str, Any]) -> None:
        if (ref := node.get("ref")) in refs:
            inner = {key: item for key, item in node.items() if key != "ref"}
            node.clear()
            node |= {"type": "custom-error", "schema": inner, "ref": ref}
            node |= {"custom_error_type": "misfit", "custom_error_message": "Input does not fit"}

    return rewritten(core, shorten)


def rewritten(node: Any, change: Callable[[str, dict[str, Any]], None]) -> Any:
    """Return a copy of a core schema, each of whose nodes was given to `change` with its type, the innermost first."""
    if isinstance(node, dict):
        kind = node.get("type")
        is_node = isinstance(kind, str)  # else names of fields, and `type` and `default` are names too
        copy = {key: item if is_node and key in _KEPT else rewritten(item, change) for key, item in node.items()}
        if isinstance(kind, str):
            change(kind, copy)
        return copy
    if isinstance(node, (list, tuple)):
        return type(node)(rewritten(item, change) for item in node)
    return node


def _validate(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    return validate(value)
