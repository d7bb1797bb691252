"""A type, compiled once: how it is validated, what it declares, and what nobody could keep is refused."""

from __future__ import annotations

import inspect
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from aiguard.contract import breach, finite
from aiguard.contract.instances import data_alone
from aiguard.contract.json_schema import JsonSchema
from aiguard.contract.recursion import Recursion, walk
from aiguard.contract.rewriting import distrusting
from aiguard.contract.stopping import LARGE, Stopping
from aiguard.contract.survey import Node, Setting, Survey, definitions_of, unwrap
from aiguard.contract.tagging import tagged
from aiguard.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.contract.breach import Breach

Extra = Literal["allow", "ignore", "forbid"]
Text = Literal["str", "bytes", "label"]

_OBJECTS = frozenset({"model", "dataclass", "typed-dict", "dict"})
_ARRAYS = frozenset({"list", "tuple", "set", "frozenset"})
_OPEN = frozenset({"any", "union", "tagged-union", "lax-or-strict", "json-or-python", "function-plain", "chain"})


_UNBOUNDED = frozenset({"any", "function-plain"})


class Schema:
    """
    A type compiled for judging.

    Attributes:
        validate_json: As pydantic has it, to be called with `strict` and `extra`: for what is no longer than `LARGE`,
            `json` is for all. It need not tell all that is wrong: `misfit` says more.
        validate_python: The same for Python values.
        strict: What pydantic is told about coercion, for the whole tree; `None` where the tree itself says.
        extra: What it is told about keys that no field declares; `None` likewise.
        is_finite: True for a value without NaN and infinity; `None` where nothing needs to be looked at.
        text: How text is an answer of this type as it stands; `None` where it is read as JSON.
        openers: The brackets that JSON of this type may begin with.
    """

    __slots__ = (
        "_again",
        "_cls",
        "_core",
        "_has_instances",
        "_names",
        "_numbers",
        "_stopping",
        "extra",
        "is_finite",
        "openers",
        "strict",
        "text",
        "validate_json",
        "validate_python",
        "validate_strings",
    )

    def __init__(self, core: Any, validator: Any, *, settled: bool = False) -> None:
        """`settled`: every node says itself how strict it is, and those of numbers refuse NaN and infinity."""
        survey = Survey(core)
        self.strict: bool | None = None
        self.extra: Extra | None = None
        self.is_finite: Callable[[Any], bool] | None = None
        may_read = False  # a JSON Schema turns JSON into Python data itself
        if settled:
            self.is_finite = finite.is_finite if any(node["type"] in _UNBOUNDED for node in walk(core)) else None
        else:
            self.strict, self.extra, lenient = _run_time(survey)
            may_read = not lenient  # an integer beyond all floats is infinity in JSON alone
            self.is_finite = None if lenient else _finite_check(core, survey, self.extra)
        quick = core if settled else tagged(core)
        recursion = Recursion(definitions_of(quick))
        if not settled and (doubled := recursion.doubled()) is not None:
            raise PolicyError(_DOUBLED.format(doubled))
        if recursion.refs and quick != core:
            core, validator = quick, SchemaValidator(quick, _use_prebuilt=False)
        self._core = core
        self._stopping = Stopping(
            quick, core, validator, recursion.refs, may_read=may_read, strict=self.strict, extra=self.extra
        )
        self.validate_json = self._stopping.validate_json
        self.validate_python: Callable[..., Any] = validator.validate_python
        self.validate_strings: Callable[..., Any] = validator.validate_strings
        shape = survey.root
        while settled and shape["type"] == "chain":  # the first step says what it is
            shape = unwrap(shape["steps"][0], survey.definitions)
        self.text = _text_of(shape)
        self.openers = _openers_of(shape, survey.definitions)
        self._cls: object = survey.root.get("cls")
        self._has_instances = survey.has_instances
        self._names = survey.names | Survey(quick).names
        self._numbers = survey.numbers
        self._again: SchemaValidator | None = None

    def json(self, text: str | bytes) -> Any:
        """Return what JSON says, validated. Raises as `validate_json`."""
        validate = self.validate_json if len(text) <= LARGE else self._stopping.validate_large
        return validate(text, strict=self.strict, extra=self.extra)

    def python(self, value: object) -> Any:
        """Return `value`, a Python object, validated; models and dataclasses again, from what they hold now."""
        if not self._has_instances:
            return self.validate_python(value, strict=self.strict, extra=self.extra)
        if self._again is None:
            # without it pydantic takes the validator each class keeps, which trusts its instances
            self._again = SchemaValidator(distrusting(self._core), _use_prebuilt=False)
        by_alias = isinstance(value, (dict, list, tuple))  # data may use aliases, what an instance holds does not
        value = data_alone(value)
        return self._again.validate_python(value, strict=self.strict, extra=self.extra, by_alias=by_alias, by_name=True)

    def is_instance(self, value: object) -> bool:
        """Return whether the type itself is a class and `value` one of its instances."""
        return isinstance(self._cls, type) and isinstance(value, self._cls)

    def misfit(self, text: str | bytes, error: ValidationError) -> Breach:
        """Return the breach for `error`, which `validate_json` raised for `text`, with as much as can be said soon."""
        said, whole = self._stopping.told(text, error)
        return breach.violation(said, self._names, numbers=self._numbers, whole=whole)

    def violation(self, error: Exception) -> Breach:
        """Return the breach for what validating raised."""
        if isinstance(error, ValidationError):
            return breach.violation(error, self._names, numbers=self._numbers)
        return breach.raised(error)


_DOUBLED = (
    "both branches of {} lead back to where they stand, and each level of an answer would take twice as long: "
    "name a discriminator, or give their fields names of their own"
)


def compile_schema(schema: Any) -> Schema:
    """
    Compile `schema`, a `JsonSchema` or anything that pydantic's `TypeAdapter` accepts; equal ones share what comes out.

    Raises:
        PolicyError: If pydantic cannot use it, or it contradicts itself, or it could not be enforced.
    """
    try:
        hash(schema)
    except TypeError:
        return _compile(schema)
    return _shared(schema, repr(schema))  # the text too: `int | str` equals `str | int`, and validates differently


def _compile(schema: Any) -> Schema:
    if inspect.isroutine(schema):  # pydantic would call it with the answer as its arguments
        raise PolicyError("a function is no type; one that judges a valid value goes into OutputContract(checks=[…])")
    if isinstance(schema, dict):
        raise PolicyError("a dict is no type; JSON Schema is written JsonSchema({…})")
    try:
        if isinstance(schema, JsonSchema):
            return Schema(schema.core_schema, SchemaValidator(schema.core_schema), settled=True)
        adapter: TypeAdapter[Any] = TypeAdapter(schema)
        if not adapter.pydantic_complete:
            adapter.rebuild(force=True)
        return Schema(adapter.core_schema, adapter.validator)
    except PolicyError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]  # what follows is advice on pydantic
        raise PolicyError(f"pydantic cannot make a validator of it: {reason}") from error


@lru_cache(maxsize=512)
def _shared(schema: Any, _text: str) -> Schema:
    return _compile(schema)


def _run_time(survey: Survey) -> tuple[bool, Extra, bool]:
    if survey.refused is not None:
        raise PolicyError(survey.refused)
    strict: bool = survey.chosen("strict", default=True)
    extra: Extra = survey.chosen("extra", default="forbid")
    lenient: bool = survey.chosen("allow_inf_nan", default=False)
    for setting, used in (("strict", strict), ("extra", extra), ("allow_inf_nan", lenient)):
        # a model that is stricter about numbers than its root keeps its word: nothing overrides it
        others = [one for one in survey.settings if one.name == setting and one.value != used]
        others = [one for one in others if setting != "allow_inf_nan" or one.value]
        if others:
            raise PolicyError(_disagreement(setting, used, others))
    return strict, extra, lenient


def _disagreement(setting: str, used: object, others: list[Setting]) -> str:
    said = ", ".join(sorted({f"{one.owner or 'the type'} sets {setting}={one.value!r}" for one in others}))
    return (
        f"{said}, but the whole tree is validated with {setting}={used!r}; "
        f"set {setting} explicitly on the outermost model, and to the same value everywhere"
    )


def _finite_check(core: Node, survey: Survey, extra: Extra) -> Callable[[Any], bool] | None:
    if extra == "allow" and survey.roots:  # undeclared keys may hold anything
        return finite.is_finite
    return finite.compile_check(core, survey.definitions)


def _text_of(root: Node) -> Text | None:
    kind = root["type"]
    if kind == "str":
        return "str"
    if kind == "bytes":
        return "bytes"
    if kind == "literal":
        return "label" if all(isinstance(one, str) and not isinstance(one, Enum) for one in root["expected"]) else None
    if kind == "enum":
        return "label" if all(isinstance(one, str) for one in root["members"]) else None
    return None


def _openers_of(root: Node, definitions: dict[str, Node]) -> str:
    while root.get("root_model"):
        root = unwrap(root["schema"], definitions)
    kind = root["type"]
    if kind in _OBJECTS:
        return "{"
    if kind in _ARRAYS:
        return "["
    return "{[" if kind in _OPEN else ""
