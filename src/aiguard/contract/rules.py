"""What one value of an input must satisfy: a number in a range, one of some values, a text of some length."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from aiguard.contract.breach import class_name
from aiguard.errors import PolicyError
from aiguard.problem import shown

if TYPE_CHECKING:
    from collections.abc import Callable

Missing = Literal["reject", "allow"]

ABSENT: Final = object()
"""Stands for a value that is not there at all."""


class Fault(NamedTuple):
    """
    What is wrong with one value.

    Attributes:
        code: Which rule said no, as one word of a closed list; see `docs/input-contracts.md`.
        message: What is wrong, in the rule's own words, behind the name of the field. Never the value.
    """

    code: str
    message: str


MISSING: Final = Fault("missing", "is missing")


class Rule(ABC):
    """What one value must satisfy."""

    @abstractmethod
    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with `value`, or `None`. What `value` itself raises is raised."""


@dataclass(frozen=True)
class Range(Rule):
    """
    A finite number between two bounds, which belong to it. `True` and `False` are no numbers, text is none either.

    Args:
        low: The least that passes; `None` for no bound.
        high: The most that passes; `None` for no bound.
        missing: Whether `None`, NaN and a field that is not there pass: `"allow"` or `"reject"`.
    """

    low: float | None = None
    high: float | None = None
    _: KW_ONLY
    missing: Missing = "reject"
    bounds: tuple[float, float] = field(init=False, repr=False, compare=False)
    outside: Fault = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_missing(self)
        for name, bound in (("low", self.low), ("high", self.high)):
            if bound is not None and type(bound) is not int and not (type(bound) is float and math.isfinite(bound)):
                raise PolicyError(f"input: {shown(self)}: {name} must be a finite number")
        low = -sys.float_info.max if self.low is None else self.low
        high = sys.float_info.max if self.high is None else self.high
        if low > high:
            raise PolicyError(f"input: {shown(self)}: low must not be over high")
        object.__setattr__(self, "bounds", (low, high))
        object.__setattr__(self, "outside", Fault("range", f"must be {self._said()}"))

    def _said(self) -> str:
        if self.low is None:
            return "finite" if self.high is None else f"{_number(self.high)} or less"
        if self.high is None:
            return f"{_number(self.low)} or more"
        return f"from {_number(self.low)} to {_number(self.high)}"

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with `value`."""
        kind = type(value)
        if kind is float or kind is int:
            low, high = self.bounds
            if low <= value <= high:
                return None
        elif value is None or value is ABSENT:
            return None if self.missing == "allow" else MISSING
        elif isinstance(value, bool) or not isinstance(value, Real | Decimal):
            return None if self.missing == "allow" and is_missing(value) else _NO_NUMBER
        elif self.bounds[0] <= value <= self.bounds[1]:  # type: ignore[operator] # both kinds compare with floats
            return None
        if value != value:  # noqa: PLR0124 - NaN
            return None if self.missing == "allow" else MISSING
        return self.outside


_NO_NUMBER: Final = Fault("type", "must be a number")


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:.15g}"


@dataclass(frozen=True, init=False)
class OneOf(Rule):
    """
    One of some values. `True` is not `1` here.

    Args:
        *values: What passes.
        missing: Whether `None`, NaN and a field that is not there pass: `"allow"` or `"reject"`.
    """

    values: tuple[Any, ...]
    missing: Missing

    def __init__(self, *values: Any, missing: Missing = "reject") -> None:
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "missing", missing)
        check_missing(self)
        try:
            known = frozenset(one for one in values if type(one) is not bool)
            flags = frozenset(one for one in values if type(one) is bool)
        except TypeError:
            raise PolicyError(f"input: {shown(self)}: values must be hashable") from None
        if not values or any(is_missing(one) for one in values):
            raise PolicyError(f"input: {shown(self)}: needs values; where none is given, missing='allow' says so")
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_flags", flags)
        object.__setattr__(self, "_other", Fault("category", f"must be one of {shown(values)[1:].rstrip('),')}"))

    _known: frozenset[Any] = field(init=False, repr=False, compare=False)
    _flags: frozenset[bool] = field(init=False, repr=False, compare=False)
    _other: Fault = field(init=False, repr=False, compare=False)

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with `value`."""
        try:
            if value in (self._flags if type(value) is bool else self._known):
                return None
        except TypeError:  # it has no hash
            return self._other
        if is_missing(value):
            return None if self.missing == "allow" else MISSING
        return self._other


@dataclass(frozen=True)
class Text(Rule):
    """
    A text that is not too long.

    Args:
        max_length: How many characters pass; required beside `max_tokens`, since counting takes time with the length.
        max_tokens: How many tokens pass.
        count: A quick function of the text that returns how many tokens it has: the tokenizer is yours. What it
            raises is a breach.
        missing: Whether `None` and a field that is not there pass: `"allow"` or `"reject"`.
    """

    max_length: int | None = None
    _: KW_ONLY
    max_tokens: int | None = None
    count: Callable[[str], int] | None = None
    missing: Missing = "reject"

    def __post_init__(self) -> None:
        check_missing(self)
        for name, most in (("max_length", self.max_length), ("max_tokens", self.max_tokens)):
            if most is not None and (type(most) is not int or most < 1):
                raise PolicyError(f"input: {shown(self)}: {name} must be a whole number above zero")
        if (self.max_tokens is None) != (self.count is None):
            raise PolicyError(f"input: {shown(self)}: max_tokens and count go together")
        if self.count is not None and not callable(self.count):
            raise PolicyError(f"input: {shown(self)}: count must be a function of the text")
        if self.max_tokens is not None and self.max_length is None:
            raise PolicyError(f"input: {shown(self)}: max_tokens needs max_length: a longer text is never counted")

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with `value`."""
        if not isinstance(value, str):
            if is_missing(value):
                return None if self.missing == "allow" else MISSING
            return _NO_TEXT
        if self.max_length is not None and str.__len__(value) > self.max_length:
            return Fault("length", f"is longer than {self.max_length} characters")
        if self.count is None or self.max_tokens is None:
            return None
        return _counted(self.count, value, self.max_tokens)


def _counted(count: Callable[[str], int], text: str, most: int) -> Fault | None:
    try:
        tokens: object = count(text)
    except Exception as error:  # noqa: BLE001 - what could not be counted has not passed
        return Fault("tokens", f"has tokens that could not be counted: `count` raised {class_name(error)}")
    if isinstance(tokens, bool) or not isinstance(tokens, int):
        return Fault("tokens", "has tokens that could not be counted: `count` gave no whole number")
    return Fault("tokens", f"has more than {most} tokens") if tokens > most else None


_NO_TEXT: Final = Fault("type", "must be text")


def is_missing(value: Any) -> bool:
    """Whether `value` stands for none: `None`, NaN, `NaT`, pandas' `NA`, or not there at all."""
    if value is None or value is ABSENT:
        return True
    if isinstance(value, str | bytes | int):
        return False
    try:
        return bool(value != value)  # noqa: PLR0124 - NaN and NaT
    except Exception:  # noqa: BLE001 - comparing runs code of the value's own
        # pandas' NA equals nothing, itself neither, and will not say so
        return type(value).__name__ == "NAType"


def check_missing(rule: Any) -> None:
    """Raises `PolicyError` unless a rule's `missing` is one of its words."""
    if rule.missing not in get_args(Missing):
        raise PolicyError(f"input: {type(rule).__name__}: missing={shown(rule.missing)} is none of reject, allow")
