"""Branches of a JSON Schema that a value must fit exactly one of, or must not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError, SchemaValidator

from aiguard.contract.json_schema_nodes import FITS, KIND_OF, Node, by_class, count_of, look, wrap
from aiguard.contract.json_schema_visits import VISITS
from aiguard.contract.recursion import walk
from aiguard.contract.rewriting import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiguard.contract.json_schema_nodes import Validate


def one_of(nodes: Sequence[tuple[Node, str]], apart: list[Apart]) -> Node:
    """Return the node of the values that fit exactly one of `nodes`; what is compiled apart for it joins `apart`."""
    if not overlap(nodes):
        labels = {cls: next(iter(_labels_of(kind, nodes)), None) for cls, kind in KIND_OF.items()}
        return by_class({label: node for node, label in nodes}, labels)
    branches = [Apart(node) for node, _ in nodes]
    apart += branches
    fitting = {cls: [one for one in branches if kind in one.kinds] for cls, kind in KIND_OF.items()}

    def choose(value: Any, validate: Validate) -> Any:
        visits = VISITS.get()
        visits.quiet += 1
        try:
            fit = [one for one in fitting[type(value)] if one.fits(value)]
        finally:
            visits.quiet -= 1
        if len(fit) == 1:
            return value
        if visits.quiet:
            raise PydanticCustomError("not_one_fits", "Input should fit one branch only")
        return validate(value)

    return wrap(_told(nodes), choose)


def overlap(nodes: Sequence[tuple[Node, str]]) -> bool:
    """Return whether some value may fit several of `nodes`, as far as is plain to see."""
    return any(len(_labels_of(kind, nodes)) > 1 for kind in KIND_OF.values())


def _labels_of(kind: str, nodes: Sequence[tuple[Node, str]]) -> list[str]:
    return [label for node, label in nodes if kind in _kinds_of(node)]


def _told(nodes: Sequence[tuple[Node, str]]) -> Node:
    """Return the node that says of a value why it does not fit exactly one of `nodes`."""
    # a union of one keeps its label only if it is not collapsed
    choices: list[Node] = [{"type": "union", "auto_collapse": False, "choices": [one]} for one in nodes]
    steps = [wrap(choice, _Tally.count) for choice in choices]
    ends: list[Node] = [
        {"type": "function-plain", "function": {"type": "no-info", "function": end}} for end in (_Tally, _Tally.verdict)
    ]
    return {"type": "chain", "steps": [ends[0], *steps, ends[1]]}


def none_of(node: Node, apart: list[Apart]) -> Node:
    """Return the node of the values that do not fit `node`, which joins `apart`."""
    excluded = Apart(node)
    apart.append(excluded)

    def exclude(value: Any) -> Any:
        visits = VISITS.get()
        visits.quiet += 1
        try:
            fits = excluded.fits(value)
        finally:
            visits.quiet -= 1
        if fits:
            raise PydanticCustomError("excluded", "Input should not fit what is excluded")
        return value

    return {"type": "function-plain", "function": {"type": "no-info", "function": exclude}}


class Apart:
    """
    A node that is compiled apart from the rest, to be asked whether a value fits it: an error costs ten times as much.

    Attributes:
        kinds: The kinds of value that may fit.
        fits: Whether a value fits, once it is compiled.
    """

    __slots__ = ("_node", "fits", "kinds")

    def __init__(self, node: Node) -> None:
        self._node = node
        self.kinds = _kinds_of(node)
        self.fits: Callable[[Any], bool]

    def compile(self, definitions: Sequence[Node]) -> None:
        """Make it ready, with all definitions of the schema."""
        known = self._node.get("metadata", {}).get(FITS)
        if known is not None:
            self.fits = known
            return
        needed = definitions if any(one["type"] == "definition-ref" for one in walk(self._node)) else ()
        whole = {"type": "definitions", "schema": self._node, "definitions": [*needed]} if needed else self._node
        self.fits = SchemaValidator(stopping(whole)).isinstance_python


def _kinds_of(node: Node) -> frozenset[str]:
    """Return the kinds of value that a node may take; all of them where that is not plain to see."""
    kind = node["type"]
    if kind in {"function-wrap", "function-after", "function-before"}:
        return _kinds_of(node["schema"])
    return _kinds_of(node["steps"][0]) if kind == "chain" else _KINDS.get(kind, _EVERY)


_EVERY: Final = frozenset(KIND_OF.values())
_KINDS: Final = {
    "none": frozenset({"null"}),
    "bool": frozenset({"boolean"}),
    "int": frozenset({"integer"}),
    "float": frozenset({"integer", "fraction"}),
    "str": frozenset({"string"}),
    "literal": frozenset({"string"}),
    "list": frozenset({"array"}),
    "typed-dict": frozenset({"object"}),
}


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
            look(self.value, validate)
        except (ValidationError, PydanticCustomError) as error:
            if self.closest is None or count_of(error) < count_of(self.closest):
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
