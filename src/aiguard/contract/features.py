"""What a model is fed: tables and rows of named features, and arrays. Neither numpy nor pandas is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.contract.rules import MISSING, Fault, Missing, Range, Rule, check_missing, is_missing
from aiguard.errors import PolicyError
from aiguard.problem import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Features(Rule):
    """
    A table or one row, with the columns of a model.

    A table is a data frame, a two-dimensional array or a list of rows; a row is a series, a one-dimensional array or
    a list of values. Names and their order are compared where the input has names, else the number of columns.

    Args:
        columns: The names in their order; or each name with the rule of its values, `None` for any; or only how many
            there are.
        missing: Whether values may be `None` or NaN, where `columns` gives no rules that say so themselves.
    """

    columns: Sequence[str] | Mapping[str, Rule | None] | int
    _: KW_ONLY
    missing: Missing = "reject"

    def __post_init__(self) -> None:
        check_missing(self)
        columns: Any = self.columns
        if type(columns) is int and columns > 0:
            return
        if isinstance(columns, str) or not isinstance(columns, Sequence | Mapping) or not columns:
            raise PolicyError(f"input: Features: columns={shown(columns)} must be names, rules by name, or a number")
        names = tuple(columns)
        if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
            raise PolicyError(f"input: Features: columns={shown(columns)} must be names, each of them once")
        if not isinstance(columns, Mapping):
            object.__setattr__(self, "columns", names)
            return
        object.__setattr__(self, "columns", dict(columns))
        for name, rule in columns.items():
            if rule is not None and (not isinstance(rule, Rule) or isinstance(rule, Features | Array)):
                raise PolicyError(f"input: Features: the rule of {name!r} must be Range, OneOf or Text, or None")

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with `value`."""
        try:
            self._check(value)
        except _Unfit as unfit:
            return unfit.fault
        return None

    def _check(self, value: Any) -> None:
        table = _read(value)
        columns: Any = self.columns
        counted = isinstance(columns, int)
        if not counted and table.names is not None and list(columns) != table.names:
            raise _Unfit(_misnamed(list(columns), table.names))
        wanted = columns if counted else len(columns)
        if table.width != wanted:
            raise _Unfit(Fault("shape", f"must have {wanted} columns"))
        rules = columns if isinstance(columns, Mapping) else dict.fromkeys(range(wanted) if counted else columns)
        for index, (name, rule) in enumerate(rules.items()):
            if rule is not None:
                fault = _column_fault(rule, table.column(index))
                if fault is not None:
                    raise _Unfit(Fault(fault.code, f"has a column {name!r} that {fault.message}"))
            elif self.missing == "reject" and _has_missing(table.column(index)):
                raise _Unfit(Fault("missing", f"has missing values in column {name!r}"))


@dataclass(frozen=True)
class Array(Rule):
    """
    An array with a shape, as ONNX sessions are fed.

    Args:
        shape: The size of each dimension; `None` where any will do.
        dtype: The name of its type, `"float32"`; `None` where any will do.
        missing: Whether it may hold NaN or `None`: `"allow"` or `"reject"`.
    """

    shape: Sequence[int | None]
    _: KW_ONLY
    dtype: str | None = None
    missing: Missing = "reject"

    def __post_init__(self) -> None:
        check_missing(self)
        sizes: Any = self.shape
        fine = isinstance(sizes, Sequence) and not isinstance(sizes, str)
        if not fine or not all(size is None or (type(size) is int and size >= 0) for size in sizes):
            raise PolicyError(f"input: Array: shape={shown(sizes)} must be sizes, None for any")
        object.__setattr__(self, "shape", tuple(sizes))
        if self.dtype is not None and not isinstance(self.dtype, str):
            raise PolicyError(f"input: Array: dtype={shown(self.dtype)} must be a name, such as 'float32'")

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with `value`."""
        if value is None or is_missing_scalar(value):
            return MISSING
        if not _is_array(value):
            return Fault("type", "must be an array")
        found = tuple(value.shape)
        if len(found) != len(self.shape) or any(
            size not in {None, given} for size, given in zip(self.shape, found, strict=True)
        ):
            said = ", ".join("any" if size is None else str(size) for size in self.shape)
            return Fault("shape", f"must have the shape ({said})")
        if self.dtype is not None and str(value.dtype).rpartition(".")[2] != self.dtype:  # torch says torch.float32
            return Fault("dtype", f"must be of type {self.dtype}")
        if self.missing == "reject" and _has_missing(_as_array(value)):
            return Fault("missing", "has missing values")
        return None


@dataclass(frozen=True)
class RangedArray(Rule):
    """
    An array all of whose values are in one range.

    Args:
        array: Its shape and type; whether values may be missing, the range says.
        values: The range.
    """

    array: Array
    values: Range

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with `value`."""
        fault = self.array.fault(value)
        if fault is None and (found := _column_fault(self.values, _as_array(value))) is not None:
            return Fault(found.code, f"has a value that {found.message}")
        return fault


_NO_TABLE: Final = Fault("type", "must be a table, an array or a list of rows")
_NO_ROW: Final = Fault("shape", "has no row")
_TABLE: Final = 2
_NUMBERS: Final = "iuf"
_NEVER_MISSING: Final = "biuSUV"
_TIMES: Final = "mM"


def is_missing_scalar(value: Any) -> bool:
    """Whether `value` is no array at all, but stands for none."""
    return not hasattr(value, "__len__") and is_missing(value)


class _Unfit(Exception):  # noqa: N818 - a signal inside this file
    """What was given is not what was declared."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code)
        self.fault = fault


class _Table(NamedTuple):
    """
    What was given, by columns.

    Attributes:
        names: Their names, where it has any.
        width: How many there are.
        column: Gives one of them, as an array or a list.
    """

    names: list[Any] | None
    width: int
    column: Callable[[int], Any]


def _read(value: Any) -> _Table:
    """Return `value` by columns. Raises `_Unfit` where it has none."""
    if isinstance(value, list | tuple):
        return _read_rows(value)
    names = getattr(value, "columns", None)
    if names is not None and not callable(names):
        return _read_frame(value, list(names))
    if _is_array(value):
        return _read_array(value)
    raise _Unfit(MISSING if is_missing_scalar(value) else _NO_TABLE)


def _read_frame(value: Any, names: list[Any]) -> _Table:
    if not len(value):
        raise _Unfit(_NO_ROW)
    return _Table(names, len(names), lambda index: _as_array(value[names[index]]))


def _read_array(value: Any) -> _Table:
    shape = tuple(value.shape)
    if len(shape) == 1:
        labels = getattr(value, "index", None)  # a series is a row with names
        items = value.tolist()
        return _Table(
            list(labels) if labels is not None and not callable(labels) else None, shape[0], lambda at: [items[at]]
        )
    if len(shape) != _TABLE:
        raise _Unfit(Fault("shape", "must have one or two dimensions"))
    if not shape[0]:
        raise _Unfit(_NO_ROW)
    whole = _as_array(value)
    return _Table(None, shape[1], lambda index: whole[:, index])


def _read_rows(value: Sequence[Any]) -> _Table:
    if not value:
        raise _Unfit(_NO_ROW)
    first = value[0]
    if not isinstance(first, list | tuple):
        names = getattr(value, "_fields", None)  # a named tuple
        return _Table(list(names) if names else None, len(value), lambda index: [value[index]])
    width = len(first)
    if any(not isinstance(row, list | tuple) or len(row) != width for row in value):
        raise _Unfit(Fault("shape", "must have rows of one length"))
    return _Table(None, width, lambda index: [row[index] for row in value])


def _misnamed(wanted: list[str], found: list[Any]) -> Fault:
    lacking = [name for name in wanted if name not in found]
    if lacking:
        return Fault("names", f"lacks the columns {shown(lacking)[1:].rstrip(']')}")
    if len(found) > len(wanted):
        return Fault("names", f"has {len(found) - len(wanted)} columns more than the {len(wanted)} declared")
    return Fault("order", "has its columns in another order than declared")


def _column_fault(rule: Rule, column: Any) -> Fault | None:
    """Return what a rule holds against a column; all of it at once where it is of numbers."""
    if isinstance(column, list) or not isinstance(rule, Range) or column.dtype.kind not in _NUMBERS:
        return next((fault for fault in map(rule.fault, _items(column)) if fault is not None), None)
    if rule.missing == "reject" and _has_missing(column):
        return MISSING
    # infinity is over every bound, NaN under none
    low, high = rule.bounds
    return rule.outside if bool(((column < low) | (column > high)).any()) else None


def _has_missing(column: Any) -> bool:
    if isinstance(column, list):
        return any(map(is_missing, column))
    kind = column.dtype.kind
    if kind in _NEVER_MISSING:
        return False
    if kind == "O":
        return any(map(is_missing, _items(column)))
    numpy = sys.modules["numpy"]
    return bool((numpy.isnat(column) if kind in _TIMES else numpy.isnan(column)).any())


def _items(column: Any) -> Iterable[Any]:
    return column if isinstance(column, list) else column.ravel().tolist()


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__array__")


def _as_array(value: Any) -> Any:
    """Return `value` as numpy has it; whoever holds an array that numpy can read has imported it."""
    return sys.modules["numpy"].asarray(value)
