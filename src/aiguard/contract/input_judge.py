"""An input contract made ready: what it holds against the arguments of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.contract.arguments import Arguments
from aiguard.contract.breach import Breach, class_name
from aiguard.contract.input import InputContract
from aiguard.contract.judge import Judge
from aiguard.contract.output import OutputContract
from aiguard.contract.rules import ABSENT, MISSING, Fault, Rule
from aiguard.errors import PolicyError
from aiguard.problem import Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN: Final = 5
"""How many fields a message names."""

LARGEST: Final = 16 * 1_048_576
"""Bytes of an argument that is validated as a type; one that is larger breaks the contract."""


class Flaw(NamedTuple):
    """
    One field that breaks the contract.

    Attributes:
        field: Its path, `row.amount`; empty for the first argument.
        code: Which rule said no; see `Fault`.
        message: What is wrong with it.
    """

    field: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.field or 'the first argument'} {self.message}"


class InputJudge:
    """
    An input contract made ready: compiled once, cheap to ask, safe to share between threads.

    Args:
        contract: A type, or an `InputContract`.

    Attributes:
        contract: What it was made from.
        label: Its name and version.
    """

    __slots__ = ("_compiled", "_fields", "contract", "label")

    def __init__(self, contract: Any) -> None:
        """Raises `PolicyError` where a rule is none."""
        if isinstance(contract, Mapping):
            raise PolicyError(Problem("rules by name are written InputContract({…})", setting="input"))
        self.contract = contract if isinstance(contract, InputContract) else InputContract(contract)
        self.label = self.contract.label
        fields = self.contract.fields
        try:
            self._compiled = _compiled(fields, "")
        except PolicyError as error:
            refused = [Problem(problem.reason, setting="input", value=self.label) for problem in error.problems]
            raise PolicyError(*refused) from error.__cause__
        self._fields = self._compiled.fields if isinstance(self._compiled, _Record) else ()

    def check(self, fn: Callable[..., Any]) -> str | None:
        """Return what is wrong with the contract for calls of `fn`: names that it does not take."""
        known = Arguments.of(fn)
        if isinstance(self._compiled, _Record):
            for name, _ in self._fields:
                if name not in known.places and not known.any_name:
                    return f"there is no parameter {name!r}{nearest(name, known.places)}"
        elif not known.first and not known.any_number:
            return "the function has no first argument"
        return None

    def flaws(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Flaw]:
        """Return what is wrong with the arguments of a call of `fn`; empty where nothing is."""
        places, first, start, _, _ = Arguments.of(fn)
        given = len(args)
        flaws: list[Flaw] = []
        if not isinstance(self._compiled, _Record):
            place = places.get(first)
            index = start if place is None else place.at
            if first in kwargs:
                value = kwargs[first]
            elif 0 <= index < given:
                value = args[index]
            else:
                value = ABSENT if place is None else place.default
            self._compiled(value, "", flaws)
            return flaws
        for name, judge in self._fields:
            if name in kwargs:
                value = kwargs[name]
            else:
                place = places.get(name)
                if place is None:
                    value = ABSENT
                else:
                    index, value = place
                    if 0 <= index < given:
                        value = args[index]
            judge(value, name, flaws)
        return flaws


class _Single:
    """One rule."""

    __slots__ = ("fault",)

    def __init__(self, fault: Callable[[Any], Fault | None]) -> None:
        self.fault = fault

    def __call__(self, value: Any, path: str, flaws: list[Flaw]) -> None:
        """Add what is wrong with `value`."""
        try:
            fault = self.fault(value)
        except Exception as error:  # noqa: BLE001 - looking at a value runs code of its own
            fault = _unreadable(error)
        if fault is not None:
            flaws.append(Flaw(path, *fault))


class _Record:
    """The rules of what a mapping holds under its names, or an object in its attributes."""

    __slots__ = ("fields",)

    def __init__(self, fields: tuple[tuple[str, _Single | _Record], ...]) -> None:
        self.fields = fields

    def __call__(self, value: Any, path: str, flaws: list[Flaw]) -> None:
        """Add what is wrong with `value`."""
        if value is None or value is ABSENT:
            flaws.append(Flaw(path, *MISSING))
            return
        try:
            read = _reader_of(value)
        except Exception as error:  # noqa: BLE001 - as above
            flaws.append(Flaw(path, *_unreadable(error)))
            return
        if read is None:
            flaws.append(Flaw(path, *_NO_RECORD))
            return
        for name, judge in self.fields:
            inner = f"{path}.{name}" if path else name
            try:
                found = read(name, ABSENT)
            except Exception as error:  # noqa: BLE001 - as above
                flaws.append(Flaw(inner, *_unreadable(error)))
                continue
            judge(found, inner, flaws)


_NO_RECORD: Final = Fault("type", "must be a mapping or an object with fields")
_ATOMS: Final = (str, bytes, bytearray, int, float, list, set, frozenset)


def _reader_of(value: Any) -> Callable[[str, object], Any] | None:
    if isinstance(value, Mapping):
        return value.get
    cls = type(value)
    if isinstance(value, _ATOMS) or hasattr(cls, "__next__") or hasattr(cls, "__anext__"):
        return None
    if hasattr(cls, "keys") and hasattr(cls, "__getitem__"):  # a series, a database row
        return lambda name, default: _item(value, name, default)
    return lambda name, default: getattr(value, name, default)


def _item(value: Any, name: str, default: object) -> Any:
    try:
        return value[name]
    except (KeyError, IndexError):
        return default


def _unreadable(error: Exception) -> Fault:
    return Fault("unreadable", f"could not be read: it raised {class_name(error)}")


def _compiled(rule: Any, path: str) -> _Single | _Record:
    if isinstance(rule, Rule):
        return _Single(rule.fault)
    if not isinstance(rule, Mapping):
        return _Single(_typed(rule, path))
    if not rule or not all(isinstance(name, str) and name for name in rule):
        raise PolicyError(f"{path or 'fields'}: must be rules by their names, one at least")
    return _Record(tuple((name, _compiled(one, f"{path}.{name}" if path else name)) for name, one in rule.items()))


def _typed(schema: Any, path: str) -> Callable[[Any], Fault | None]:
    """Return what holds a value against a type, as an output is held against one."""
    if schema is None or isinstance(schema, str | int | float | bytes | list | set | OutputContract | InputContract):
        raise PolicyError(f"{path or 'fields'}: must be a rule, a type, or a mapping of names to rules")
    try:
        judge = Judge.of(OutputContract(schema, max_bytes=LARGEST))
    except PolicyError as error:
        said = f"{path}: " if path else ""
        raise PolicyError(*(f"{said}{problem.reason}" for problem in error.problems)) from error.__cause__

    def fault(value: Any) -> Fault | None:
        if value is ABSENT:
            return MISSING
        try:
            judge.judge_value(value)
        except Breach as breach:
            return Fault("schema", f"breaks its type: {breach.message}")
        return None

    return fault
