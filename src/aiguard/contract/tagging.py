"""Unions whose branches a field tells apart, though nobody has named it their discriminator."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from aiguard.contract.rewriting import rewritten
from aiguard.contract.survey import definitions_of

if TYPE_CHECKING:
    from aiguard.contract.survey import Node

_SHAPES = {"model": "model-fields", "dataclass": "dataclass-args"}


def tagged(core: Any) -> Any:
    """
    Return a core schema that holds a value against the one branch of a union that its field names.

    It takes the same values: of branches that each require another text of one field, no two can fit. pydantic would
    look at all that a value holds once for each branch.
    """
    definitions = definitions_of(core)

    def tag(kind: str, node: dict[str, Any]) -> None:
        if kind == "union":
            groups = _grouped([one if isinstance(one, tuple) else (one, None) for one in node["choices"]], definitions)
            if len(groups) == 1 and groups[0][0]["type"] == "tagged-union":
                kept = {key: item for key, item in node.items() if key == "ref"}
                node.clear()
                node.update(groups[0][0], **kept)
            else:
                node["choices"] = [one if label is None else (one, label) for one, label in groups]

    return rewritten(core, tag)


def _grouped(choices: list[tuple[Node, Any]], definitions: dict[str, Node]) -> list[tuple[Node, Any]]:
    """Return the choices of a union, neighbours that a field tells apart as one of them: the order decides a draw."""
    found: list[tuple[Node, Any]] = []
    told = [(choice, label, _tags_of(choice, definitions)) for choice, label in choices]
    for has_tags, run in groupby(told, key=lambda one: bool(one[2])):
        group = list(run)
        union = _tagged_union(group) if has_tags and len(group) > 1 else None
        found += [(choice, label) for choice, label, _ in group] if union is None else [(union, None)]
    return found


def _tagged_union(group: list[tuple[Node, Any, dict[str, list[str]]]]) -> dict[str, Any] | None:
    for name in group[0][2]:
        if all(name in tags for _, _, tags in group):
            choices = {tag: choice for choice, _, tags in group for tag in tags[name]}
            if len(choices) == sum(len(tags[name]) for _, _, tags in group):
                return {"type": "tagged-union", "choices": choices, "discriminator": name}
    return None


def _tags_of(choice: Node, definitions: dict[str, Node]) -> dict[str, list[str]]:
    """Return the fields of a model that have to be there, and have to be one of some texts."""
    if choice["type"] == "definition-ref":
        choice = definitions[choice["schema_ref"]]
    shape = choice["schema"] if choice["type"] in _SHAPES else choice
    if choice.get("custom_init"):  # which may add what is not there
        return {}
    if shape["type"] not in {"typed-dict", _SHAPES.get(choice["type"])}:
        return {}
    fields: Any = shape["fields"]
    named = fields.items() if isinstance(fields, dict) else [(field["name"], field) for field in fields]
    return {
        name: field["schema"]["expected"]
        for name, field in named
        if field["schema"]["type"] == "literal"
        and field.get("required", shape.get("total", True))
        and not field.get("validation_alias")
        and all(type(one) is str for one in field["schema"]["expected"])
    }
