"""
What JSON Schema needs beside pydantic's own core schemas.

A value is only ever looked at: whatever a node makes of it, what leaves is the value itself. So `allOf` can look at
one value twice, an integer given for a number stays one, and keys keep their order.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from aiguard.contract.finite import is_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pydantic_core.core_schema import ValidationInfo

    Validate = Callable[[Any], Any]

Node = dict[str, Any]

DEEPEST: Final = 50
"""So many levels a definition may hold itself: a level takes up to 11 KB of a thread's stack."""

_MOST_ERRORS: Final = 100  # no message lists as many
_REPEATED: Final = 5

KIND_OF: Final[dict[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "fraction",
    str: "string",
    list: "array",
    dict: "object",
}
"""What JSON calls a value, by its class; its numbers are integers and fractions."""


def _finite(value: Any) -> Any:
    if is_finite(value):
        return value
    raise PydanticCustomError("finite_number", "Input should hold finite numbers only")


def _refuse(_value: object) -> Any:
    raise PydanticCustomError("false_schema", "Input should not be there")


NULL: Final[Node] = {"type": "none"}
NOTHING: Final[Node] = {"type": "function-plain", "function": {"type": "no-info", "function": _refuse}}
ANYTHING: Final[Node] = {
    "type": "function-after",
    "function": {"type": "no-info", "function": _finite},
    "schema": {"type": "any"},
}


def wrap(node: Node, function: Callable[[Any, Validate], Any]) -> Node:
    """Return `node` as `function` runs it."""
    return {"type": "function-wrap", "function": {"type": "no-info", "function": function}, "schema": node}


def checked(node: Node, passes: Callable[[Any], bool], error: str, message: str) -> Node:
    """Return `node` for values that pass a check too."""

    def check(value: Any, validate: Validate) -> Any:
        _look(value, validate)
        if passes(value):
            return value
        raise PydanticCustomError(error, message)

    return wrap(node, check)


def among(values: Iterable[Any], *, fractions: bool) -> Node:
    """Return the node of the values that equal one of `values`, 1 and 1.0 where `fractions` are allowed at all."""
    listed = list(values)
    if all(isinstance(one, str) for one in listed):
        return {"type": "literal", "expected": list(dict.fromkeys(listed))}  # takes True for 1, so for text alone
    keys = frozenset(map(_key, listed))

    def choose(value: Any) -> Any:
        if _key(value) in keys and (fractions or type(value) is not float):
            return value
        raise PydanticCustomError("literal_error", "Input should be one of the listed values")

    return {"type": "function-plain", "function": {"type": "no-info", "function": choose}}


def of_types(choices: dict[str, Node]) -> Node:
    """Return the node of the values that fit the one of `choices` that has their type for its name."""
    left = {name: node for name, node in choices.items() if name != "null"}
    if not left:
        return NULL if choices else NOTHING
    if len(left) == 1:
        (node,) = left.values()
    else:
        names = {cls: _type_of(kind, left) for cls, kind in KIND_OF.items()}
        node = {
            "type": "tagged-union",
            "choices": left,
            "discriminator": lambda value: names.get(type(value)),
            "custom_error_type": "wrong_type",
            "custom_error_message": "Input should be of another type",
        }
    return {"type": "nullable", "schema": node} if len(left) < len(choices) else node


def all_of(nodes: Sequence[Node]) -> Node:
    """Return the node of the values that fit every one of `nodes`, looked at in their order."""
    if not nodes:
        return ANYTHING
    *before, last = nodes
    return {"type": "chain", "steps": [*(wrap(node, _look) for node in before), last]} if before else last


def any_of(nodes: Sequence[tuple[Node, str]]) -> Node:
    """Return the node of the values that fit one of `nodes` or more; errors name them by their labels."""
    choices = [one for one in nodes if one[0] != NULL]
    if not choices:
        return NULL
    union = {"type": "union", "mode": "left_to_right", "choices": choices}
    node = union if len(choices) > 1 else choices[0][0]
    return {"type": "nullable", "schema": node} if len(choices) < len(nodes) else node


def one_of(nodes: Sequence[tuple[Node, str]]) -> Node:
    """Return the node of the values that fit exactly one of `nodes`."""
    # a union of one keeps its label only if it is not collapsed
    choices: list[Node] = [{"type": "union", "auto_collapse": False, "choices": [one]} for one in nodes]
    steps = [wrap(choice, _Tally.count) for choice in choices]
    ends: list[Node] = [
        {"type": "function-plain", "function": {"type": "no-info", "function": end}} for end in (_Tally, _Tally.verdict)
    ]
    return {"type": "chain", "steps": [ends[0], *steps, ends[1]]}


def none_of(node: Node) -> Node:
    """Return the node of the values that do not fit `node`."""

    def exclude(value: Any, validate: Validate) -> Any:
        try:
            validate(value)
        except ValidationError:
            return value
        raise PydanticCustomError("excluded", "Input should not fit what is excluded")

    return wrap(node, exclude)


def root(node: Node, definitions: list[Node]) -> Node:
    """Return the whole schema: `node` for plain JSON data, which leaves as it came."""

    def judge(value: Any, validate: Validate, info: ValidationInfo) -> Any:
        data = value if info.mode == "json" else _plain(value)
        if not definitions:
            validate(data)
            return data
        visits = _Visits()
        token = _VISITS.set(visits)
        try:
            validate(data)
            return data
        finally:
            _VISITS.reset(token)
            visits.misfit.clear()  # errors hold frames, which hold the answer, and this

    whole = {"type": "function-wrap", "function": {"type": "with-info", "function": judge}, "schema": node}
    return {"type": "definitions", "schema": whole, "definitions": definitions} if definitions else whole


def definition(name: str, node: Node) -> Node:
    """
    Return `node` as a definition that may hold itself.

    It looks at each value once: where two branches lead to it, every level of an answer would double the work.
    """

    def visit(value: Any, validate: Validate) -> Any:
        visits = _VISITS.get()
        key = (name, id(value))
        if key in visits.fit:
            return value
        if key in visits.misfit:
            raise visits.misfit[key]
        if visits.depth > DEEPEST:
            msg = f"nested deeper than {DEEPEST} levels"
            raise RecursionError(msg)  # and no violation, which `not` would take for a yes
        visits.depth += 1
        try:
            _look(value, validate)
        except (ValidationError, PydanticCustomError) as error:
            visits.misfit[key] = _repeated(error, len(visits.misfit))
            raise
        finally:
            visits.depth -= 1
        visits.fit.add(key)
        return value

    return wrap(node, visit) | {"ref": name}


def is_unique(values: list[Any]) -> bool:
    """Return whether no two of `values` are equal, as JSON understands it."""
    # text is hashed with a secret; of numbers, an answer could choose some that all collide
    keys = values if all(type(one) is str for one in values) else map(_key, values)
    return len(set(keys)) == len(values)


def _type_of(kind: str, choices: dict[str, Node]) -> str | None:
    name = "number" if kind in {"integer", "fraction"} and "number" in choices else kind
    return name if name in choices else None


def _look(value: Any, validate: Validate) -> Any:
    try:
        validate(value)
    except ValidationError as error:
        if error.error_count() > _MOST_ERRORS:  # every level would copy them all
            raise PydanticCustomError("many_errors", "Input has more errors than are listed") from None
        raise
    return value


def _count(error: ValidationError | PydanticCustomError) -> int:
    return error.error_count() if isinstance(error, ValidationError) else _MOST_ERRORS


def _repeated(error: ValidationError | PydanticCustomError, before: int) -> Exception:
    """Return what is said where another branch leads to a value that was refused: the same, if that is cheap."""
    if before < _MOST_ERRORS and _count(error) <= _REPEATED:
        return error
    return PydanticCustomError("misfit", "Input was refused before")


def _key(value: Any) -> str:
    return json.dumps(_same(value), sort_keys=True)


def _same(value: Any) -> Any:
    """Return `value` with every 1.0 as 1, so that what JSON calls equal is written the same."""
    kind = type(value)
    if kind is float and value.is_integer():
        return int(value)
    if kind is list:
        return list(map(_same, value))
    if kind is dict:
        return {key: _same(item) for key, item in value.items()}
    return value


def _plain(value: Any) -> Any:
    """Return a copy of `value` if it is JSON data; a class of somebody's own may say one thing now, another later."""
    kind = type(value)
    if kind is list:
        return list(map(_plain, value))
    if kind is dict and all(type(key) is str for key in value):
        return {key: _plain(item) for key, item in value.items()}
    if kind in KIND_OF and kind is not dict:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    raise PydanticCustomError("not_json", "Input should be plain JSON data")


class _Tally:
    """How many branches of a `oneOf` one value fits."""

    __slots__ = ("closest", "fit", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.fit = 0
        self.closest: ValidationError | PydanticCustomError | None = None

    def count(self, validate: Validate) -> _Tally:
        if self.fit > 1:
            return self
        try:
            _look(self.value, validate)
        except (ValidationError, PydanticCustomError) as error:
            if self.closest is None or _count(error) < _count(self.closest):
                self.closest = error.with_traceback(None)  # which would hold this frame, and the answer with it
        else:
            self.fit += 1
        return self

    def verdict(self) -> Any:
        closest, self.closest = self.closest, None
        if self.fit > 1:
            raise PydanticCustomError("several_fit", "Input should fit one branch only")
        if self.fit == 1 or closest is None:
            return self.value
        try:
            raise closest  # the branch that was meant, as far as anybody can tell
        finally:
            del closest  # or it would hold this frame, and the answer in it, in a cycle


class _Visits:
    """What definitions said of the values of one answer, by identity: it is alive all the while."""

    __slots__ = ("depth", "fit", "misfit")

    def __init__(self) -> None:
        self.depth = 0
        self.fit: set[tuple[str, int]] = set()
        self.misfit: dict[tuple[str, int], Exception] = {}


_VISITS: ContextVar[_Visits] = ContextVar("_VISITS")
