"""
What JSON Schema needs beside pydantic's own core schemas.

A value is only ever looked at: whatever a node makes of it, what leaves is the value itself. So `allOf` can look at
one value twice, an integer given for a number stays one, and keys keep their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from aiguard.contract.json_schema_equality import Keys
from aiguard.contract.json_schema_visits import VISITS, Visits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pydantic_core.core_schema import ValidationInfo

    Validate = Callable[[Any], Any]

Node = dict[str, Any]

DEEPEST: Final = 50
"""So many levels a definition may hold itself: a level takes up to 11 KB of a thread's stack."""

_CONTAINERS: Final = frozenset({list, dict})
_MOST_ERRORS: Final = 100  # no message lists as many
_REPEATED: Final = 5
_TWO: Final = 2

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


def _refuse(_value: object) -> Any:
    raise PydanticCustomError("false_schema", "Input should not be there")


NULL: Final[Node] = {"type": "none"}
NOTHING: Final[Node] = {"type": "function-plain", "function": {"type": "no-info", "function": _refuse}}
ANYTHING: Final[Node] = {"type": "any"}
"""NaN and infinity too: the whole answer is looked through for these, at once."""


FITS: Final = "aiguard_fits"
"""Where a node's metadata has a function that says whether a value fits, without an error."""

_AS_IT_IS: Final = frozenset({"none", "bool", "int", "str", "literal", "function-plain"})
"""Types of nodes that give back the value itself."""


def wrap(node: Node, function: Callable[[Any, Validate], Any]) -> Node:
    """Return `node` as `function` runs it."""
    return {"type": "function-wrap", "function": {"type": "no-info", "function": function}, "schema": node}


def after(node: Node, passes: Callable[[Any], bool], error: str, message: str) -> Node:
    """Return `node`, which gives a value as it is or a copy, for values that pass a check too."""

    def check(value: Any) -> Any:
        if passes(value):
            return value
        raise PydanticCustomError(error, message)

    return {"type": "function-after", "function": {"type": "no-info", "function": check}, "schema": node}


def before(node: Node, passes: Callable[[Any], bool], error: str, message: str) -> Node:
    """Return `node` for values that pass a check too, which comes first, whatever they are."""

    def check(value: Any) -> Any:
        if passes(value):
            return value
        raise PydanticCustomError(error, message)

    return {"type": "function-before", "function": {"type": "no-info", "function": check}, "schema": node}


def checked(node: Node, passes: Callable[[Any], bool], error: str, message: str) -> Node:
    """Return `node` for values that pass a check too: of themselves, whatever `node` makes of them."""

    def check(value: Any, validate: Validate) -> Any:
        look(value, validate)
        if passes(value):
            return value
        raise PydanticCustomError(error, message)

    return wrap(node, check)


def among(values: Iterable[Any], *, fractions: bool) -> Node:
    """Return the node of the values that equal one of `values`, 1 and 1.0 where `fractions` are allowed at all."""
    listed = list(values)
    if all(isinstance(one, str) for one in listed):
        return {"type": "literal", "expected": list(dict.fromkeys(listed))}  # takes True for 1, so for text alone
    numbers = frozenset(one for one in listed if type(one) in {int, float})
    scalars: dict[type, frozenset[Any]] = {int: numbers, float: numbers if fractions else frozenset()}
    scalars |= {kind: frozenset(one for one in listed if type(one) is kind) for kind in (str, bool, type(None))}
    keys = frozenset(Keys().of(one) for one in listed if type(one) in _CONTAINERS)

    def is_listed(value: Any) -> bool:
        known = scalars.get(type(value))
        return value in known if known is not None else bool(keys) and VISITS.get().keys.of(value) in keys

    def choose(value: Any) -> Any:
        if is_listed(value):
            return value
        raise PydanticCustomError("literal_error", "Input should be one of the listed values")

    function = {"type": "no-info", "function": choose}
    return {"type": "function-plain", "function": function, "metadata": {FITS: is_listed}}


def of_types(choices: dict[str, Node]) -> Node:
    """Return the node of the values that fit the one of `choices` that has their type for its name."""
    left = {name: node for name, node in choices.items() if name != "null"}
    if not left:
        return NULL if choices else NOTHING
    if len(left) == 1:
        (node,) = left.values()
    else:
        node = by_class(left, {cls: _type_of(kind, left) for cls, kind in KIND_OF.items()})
    return {"type": "nullable", "schema": node} if len(left) < len(choices) else node


def by_class(choices: dict[str, Node], names: dict[type, str | None]) -> Node:
    """Return the node of the values that fit the one of `choices` that is named for their class."""
    return {
        "type": "tagged-union",
        "choices": choices,
        "discriminator": lambda value: names.get(type(value)),
        "custom_error_type": "wrong_type",
        "custom_error_message": "Input should be of another type",
    }


def all_of(nodes: Sequence[Node]) -> Node:
    """Return the node of the values that fit every one of `nodes`, looked at in their order."""
    nodes = [node for node in nodes if node is not ANYTHING]
    if not nodes:
        return ANYTHING
    *before, last = nodes
    steps = [node if node["type"] in _AS_IT_IS else wrap(node, look) for node in before]
    return {"type": "chain", "steps": [*steps, last]} if before else last


def any_of(nodes: Sequence[tuple[Node, str]]) -> Node:
    """Return the node of the values that fit one of `nodes` or more; errors name them by their labels."""
    choices = [one for one in nodes if one[0] != NULL]
    if not choices:
        return NULL
    union = {"type": "union", "mode": "left_to_right", "choices": choices}
    node = union if len(choices) > 1 else choices[0][0]
    return {"type": "nullable", "schema": node} if len(choices) < len(nodes) else node


def root(node: Node, definitions: list[Node]) -> Node:
    """Return the whole schema: `node` for plain JSON data, which leaves as it came."""

    def judge(value: Any, validate: Validate, info: ValidationInfo) -> Any:
        data = value if info.mode == "json" else _plain(value)
        visits = Visits()
        token = VISITS.set(visits)
        try:
            validate(data)
            return data
        finally:
            VISITS.reset(token)
            visits.misfit.clear()  # errors hold frames, which hold the answer, and this

    whole = {"type": "function-wrap", "function": {"type": "with-info", "function": judge}, "schema": node}
    return {"type": "definitions", "schema": whole, "definitions": definitions} if definitions else whole


def definition(name: str, node: Node, *, once: bool) -> Node:
    """
    Return `node` as a definition that may hold itself.

    Args:
        name: What it is referred to by.
        node: What it looks at a value with.
        once: Whether it has to see to it that it looks at each value once: where two branches lead to it, every level
            of an answer would double the work.
    """
    return wrap(node, _visiting_once(name) if once else _visit) | {"ref": name}


def _visit(value: Any, validate: Validate) -> Any:
    visits = VISITS.get()
    if visits.depth > DEEPEST:
        raise _too_deep()
    visits.depth += 1
    try:
        return look(value, validate)
    finally:
        visits.depth -= 1


def _visiting_once(name: str) -> Callable[[Any, Validate], Any]:
    def visit_once(value: Any, validate: Validate) -> Any:
        if not value or type(value) not in _CONTAINERS:
            return _visit(value, validate)  # there is nothing below it
        visits = VISITS.get()
        key = (name, id(value))
        if key in visits.fit:
            return value
        if key in visits.misfit:
            raise visits.misfit[key]
        if visits.quiet and key in visits.unfit:
            raise PydanticCustomError("misfit", "Input was refused before")
        if visits.depth > DEEPEST:
            raise _too_deep()
        visits.depth += 1
        try:
            look(value, validate)
        except (ValidationError, PydanticCustomError) as error:
            if visits.quiet:
                visits.unfit.add(key)
            else:
                visits.misfit[key] = _repeated(error, len(visits.misfit))
            raise
        finally:
            visits.depth -= 1
        visits.fit.add(key)
        return value

    return visit_once


def _too_deep() -> RecursionError:
    return RecursionError(f"nested deeper than {DEEPEST} levels")  # no violation, which `not` would take for a yes


def is_unique(value: Any) -> bool:
    """Return whether no two items of a list are equal, as JSON understands it."""
    return type(value) is not list or len(value) < _TWO or VISITS.get().keys.are_distinct(value)


def _type_of(kind: str, choices: dict[str, Node]) -> str | None:
    name = "number" if kind in {"integer", "fraction"} and "number" in choices else kind
    return name if name in choices else None


def look(value: Any, validate: Validate) -> Any:
    """Return `value` if it fits."""
    try:
        validate(value)
    except ValidationError as error:
        if error.error_count() > _MOST_ERRORS:  # every level would copy them all
            raise PydanticCustomError("many_errors", "Input has more errors than are listed") from None
        raise
    return value


def count_of(error: ValidationError | PydanticCustomError) -> int:
    """Return how many errors `error` stands for."""
    return error.error_count() if isinstance(error, ValidationError) else _MOST_ERRORS


def _repeated(error: ValidationError | PydanticCustomError, before: int) -> Exception:
    """Return what is said where another branch leads to a value that was refused: the same, if that is cheap."""
    if before < _MOST_ERRORS and count_of(error) <= _REPEATED:
        return error
    return PydanticCustomError("misfit", "Input was refused before")


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
