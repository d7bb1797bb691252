"""From policies to the file that says the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from aiguard.config import tenacity_names
from aiguard.config.document import VERSION
from aiguard.config.imports import path_of
from aiguard.config.input_form import RULES
from aiguard.config.yaml_text import write_yaml
from aiguard.contract import Array, Features, InputContract, JsonSchema, OneOf, OutputContract, Range, Text
from aiguard.errors import PolicyError
from aiguard.problem import Problem, shown
from aiguard.rung import BoundaryRung, LastGood, Rung

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.policy import Policy


def write(policies: Mapping[str, Policy]) -> str:
    """
    Return the YAML file that says what `policies` say, by the names of their boundaries.

    Raises:
        PolicyError: With every setting that has no form in a file: a lambda, a function inside another, an object of
            one's own; what a file names has to be importable.
    """
    problems: list[Problem] = []
    blocks = {}
    for name, policy in policies.items():
        writer = _Writer(name, problems)
        blocks[name] = writer.group(policy, "")
    if problems:
        raise PolicyError(*problems)
    return write_yaml({"version": VERSION, "boundaries": blocks})


class _Writer:
    """Writes one policy; goes on after each problem."""

    def __init__(self, boundary: str, problems: list[Problem]) -> None:
        self._boundary = boundary
        self._problems = problems

    def group(self, settings: BaseModel, path: str) -> dict[str, Any]:
        """Return the settings that are set, in the order of the model."""
        given = [name for name in type(settings).model_fields if name in settings.model_fields_set]
        return {name: self._setting(getattr(settings, name), f"{path}.{name}".lstrip("."), name) for name in given}

    def _setting(self, value: Any, path: str, name: str) -> Any:
        if value is None:
            return None
        if isinstance(value, BaseModel):
            return self.group(value, path)
        form = _FORMS.get(name)
        return value if form is None else form(self, value, path)

    def _output(self, output: Any, path: str) -> Any:
        if isinstance(output, JsonSchema):
            return {"schema": output.schema}
        if not isinstance(output, OutputContract):
            return self._path(output, path)
        schema: Any = output.schema
        data: dict[str, Any] = {
            "schema": schema.schema if isinstance(schema, JsonSchema) else self._path(schema, f"{path}.schema")
        }
        usual = OutputContract(schema)
        for name in _CONTRACT:
            if getattr(output, name) != getattr(usual, name):
                data[name] = getattr(output, name)
        if output.checks:
            data["checks"] = [self._path(one, f"{path}.checks[{index}]") for index, one in enumerate(output.checks)]
        return data

    def _input(self, given: Any, path: str) -> Any:
        if not isinstance(given, InputContract):
            return self._path(given, path)
        usual = InputContract(given.fields)
        fields = given.fields
        data: dict[str, Any] = {
            "fields": self._rules(fields, f"{path}.fields")
            if isinstance(fields, dict)
            else self._path(fields, f"{path}.fields")
        }
        for name in ("name", "version", "on_breach"):
            if getattr(given, name) != getattr(usual, name):
                data[name] = getattr(given, name)
        return data

    def _rules(self, rules: dict[str, Any], path: str) -> Any:
        return {name: self._rule(rule, f"{path}.{name}") for name, rule in rules.items()}

    def _rule(self, rule: Any, path: str) -> Any:
        if isinstance(rule, Mapping):
            return {"fields": self._rules(dict(rule), path)}
        if isinstance(rule, JsonSchema):
            return {"schema": rule.schema}
        kind = _RULES.get(type(rule))
        if kind is None:
            return self._path(rule, path)
        said: dict[str, Any] = {}
        for name in RULES[kind]:
            value = getattr(rule, name)
            if name == "count" and value is not None:
                said[name] = self._path(value, f"{path}.{name}")
            elif isinstance(value, dict):
                said[name] = self._rules(value, f"{path}.{name}")
            elif (name, value) not in _USUAL:
                said[name] = self._value(list(value) if isinstance(value, tuple) else value, f"{path}.{name}")
        return {kind: said}

    def _ladder(self, rungs: Any, path: str) -> Any:
        return [self._rung(rung, f"{path}[{index}]") for index, rung in enumerate(rungs)]

    def _rung(self, rung: Any, path: str) -> Any:
        if isinstance(rung, BoundaryRung):
            return {"boundary": rung.boundary}
        if isinstance(rung, LastGood):
            return {"last_good": {"by": self._path(rung.by, f"{path}.by"), "ttl": rung.ttl, "size": rung.size}}
        if isinstance(rung, Rung):
            said = {"name": rung.name, "ai": rung.ai, "inline": rung.inline}
            return {"call": self._path(rung.fn, path)} | {key: one for key, one in said.items() if one}
        if hasattr(rung, "boundary"):
            return {"boundary": rung.boundary.name}
        if callable(rung):
            return {"call": self._path(rung, path)}
        return {"value": self._value(rung, path)}

    def _value(self, value: Any, path: str) -> Any:
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json", by_alias=True)
        if isinstance(value, list):
            return [self._value(item, path) for item in value]
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {key: self._value(item, path) for key, item in value.items()}
        if type(value) in {str, int, float, bool, type(None)}:
            return value
        return self._refuse(value, path, "is no plain data")

    def _strategy(self, value: Any, path: str) -> Any:
        try:
            return tenacity_names.written(value)
        except ValueError as error:
            return path_of(value) or self._refuse(value, path, f"{error}, and no import path leads to it")

    def _kinds(self, kinds: Any, path: str) -> Any:
        return self._path(kinds, path) if callable(kinds) else sorted(kind.value for kind in kinds)

    def _prices(self, prices: Any, path: str) -> Any:  # noqa: ARG002 - as every form
        return {model: price.model_dump(exclude_unset=True) for model, price in prices.items()}

    def _day(self, day: Any, path: str) -> Any:  # noqa: ARG002 - as every form
        return day.isoformat()

    def _reserve(self, tokens: Any, path: str) -> Any:
        return self._path(tokens, path) if callable(tokens) else tokens

    def _path(self, thing: Any, path: str) -> Any:
        return path_of(thing) or self._refuse(thing, path, "no import path leads to it")

    def _refuse(self, value: object, path: str, reason: str) -> Any:
        self._problems.append(Problem(f"has no form in a file: {reason}", self._boundary, path, shown(value)))


_CONTRACT: Final = tuple(one.name for one in dataclasses.fields(OutputContract) if one.name not in {"schema", "checks"})
_RULES: Final[Mapping[type, str]] = {
    Range: "range",
    OneOf: "one_of",
    Text: "text",
    Features: "features",
    Array: "array",
}
_USUAL: Final = (
    ("low", None),
    ("high", None),
    ("max_length", None),
    ("max_tokens", None),
    ("count", None),
    ("dtype", None),
    ("missing", "reject"),
)
"""What a rule says where nobody says anything."""

_FORMS: Final[Mapping[str, Callable[[_Writer, Any, str], Any]]] = {
    "output": _Writer._output,  # noqa: SLF001 - same file
    "input": _Writer._input,  # noqa: SLF001 - same file
    "fallback": _Writer._ladder,  # noqa: SLF001 - same file
    "wait": _Writer._strategy,  # noqa: SLF001 - same file
    "stop": _Writer._strategy,  # noqa: SLF001 - same file
    "on": _Writer._kinds,  # noqa: SLF001 - same file
    "key": _Writer._path,  # noqa: SLF001 - same file
    "review_by": _Writer._day,  # noqa: SLF001 - same file
    "prices": _Writer._prices,  # noqa: SLF001 - same file
    "reserve_tokens": _Writer._reserve,  # noqa: SLF001 - same file
}
"""The settings whose form in a file is their own."""
