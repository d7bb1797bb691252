"""From the text of a block to its settings: every setting in the form that a file gives it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

from aiguard.config.block import Block
from aiguard.config.budget_form import read_prices, read_reserve
from aiguard.config.contract_form import read_contract
from aiguard.config.input_form import read_input
from aiguard.config.ladder_form import read_ladder
from aiguard.config.reader import REFUSED, Reader
from aiguard.config.strategy_form import read_kinds, read_stop, read_wait
from aiguard.errors import PolicyError
from aiguard.policy import Policy
from aiguard.problem import Problem
from aiguard.settings import REQUIRED, SECONDS, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiguard.config.text import Node

FORMS: Final[Mapping[str, Callable[[Reader, Node, str], Any]]] = {
    "output": read_contract,
    "input": read_input,
    "fallback": read_ladder,
    "wait": read_wait,
    "stop": read_stop,
    "on": read_kinds,
    "key": Reader.function,
    "prices": read_prices,
    "reserve_tokens": read_reserve,
}
"""The settings whose form in a file is their own."""


class BlockReader(Reader):
    """Reads a whole block, or one setting of it."""

    def block(self, node: Node) -> Block:
        """Return the settings of a whole block."""
        self.positions[""] = self.at(node.key)
        if node.value is None:
            return Block({}, self.positions)
        settings = self._group(node, "", Policy)
        if settings is REFUSED:
            return Block({}, self.positions)
        self._check(settings)
        return Block(settings, self.positions)

    def setting(self, path: str, node: Node) -> Block:
        """Return the one setting at `path`, `deadline` or `retry.attempts`, as the environment gives it."""
        group, _, name = path.rpartition(".")
        value = self._read(node, path, name, (group and group_of(Policy, group)) or Policy)
        if value is REFUSED:
            return Block({}, self.positions)
        settings = {group: {name: value}} if group else {name: value}
        self._check(settings)
        return Block(settings, self.positions)

    def _read(self, node: Node, path: str, name: str, model: type[BaseModel]) -> Any:
        self.positions[path] = self.at(node.key)
        if node.value is None:
            return None
        form = FORMS.get(name)
        if form is not None:
            return form(self, node, path)
        inner = group_of(model, name)
        if inner is not None and (isinstance(node.value, dict) or not takes_text(model, name)):
            return self._group(node, path, inner)
        if isinstance(node.value, str) and is_time(model, name):
            return self.time(node, path)
        return node.plain()

    def _group(self, node: Node, path: str, model: type[BaseModel]) -> Any:
        if not isinstance(node.value, dict):
            return self.refuse(node, path, "must be a mapping of settings")
        settings: dict[str, Any] = {}
        for name, item in node.value.items():
            inner = f"{path}.{name}" if path else name
            if name not in model.model_fields:
                self.refuse(item, inner, unknown(name, model), key=True)
                continue
            value = self._read(item, inner, name, model)
            if value is not REFUSED:
                settings[name] = value
        return settings

    def _check(self, settings: dict[str, Any]) -> None:
        """Hold the settings to their ranges; what is missing may be said elsewhere."""
        try:
            Policy(**settings)
        except PolicyError as error:
            for problem in error.problems:
                if not problem.reason.startswith(REQUIRED):
                    position = Block({}, self.positions).position(problem.setting) or self.positions.get("")
                    placed = Problem(problem.reason, self.boundary, problem.setting, problem.value, position)
                    self.problems.append(placed)


@cache
def group_of(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Return the model of a setting that is a group of settings."""
    for one in get_args(model.model_fields[name].annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


@cache
def takes_text(model: type[BaseModel], name: str) -> bool:
    """Whether a setting that is a group may be a word as well."""
    return str in get_args(model.model_fields[name].annotation)


@cache
def is_time(model: type[BaseModel], name: str) -> bool:
    """Whether a setting is in seconds."""
    field = model.model_fields[name]
    parts = [field.annotation, *get_args(field.annotation)]
    return SECONDS in field.metadata or any(SECONDS in getattr(part, "__metadata__", ()) for part in parts)


def settings_of(model: type[BaseModel] = Policy, prefix: str = "") -> dict[str, str]:
    """Return the path of every setting, by the words that name it in the environment: `retry__attempts`."""
    paths: dict[str, str] = {}
    for name in model.model_fields:
        paths["__".join([*prefix.split("."), name]) if prefix else name] = f"{prefix}.{name}" if prefix else name
        inner = group_of(model, name)
        if inner is not None:
            paths |= settings_of(inner, name)
    return paths
