"""Whether what a model in the process answered is made of numbers: NaN and infinity pass every shape and type."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import isfinite
from typing import Any

from aiguard.contract import Breach
from aiguard.failure import FailureKind


def check_finite(answer: object) -> None:
    """
    Look for NaN and infinity in arrays, sparse matrices, data frames, and lists, tuples and mappings of such.

    Raises:
        Breach: There is one (`check_failed`).
    """
    pending: list[Any] = [answer]
    while pending:
        one = pending.pop()
        if isinstance(one, float):
            finite = isfinite(one)
        elif isinstance(one, list | tuple):
            pending.extend(one)
            continue
        elif isinstance(one, Mapping):
            pending.extend(one.values())
            continue
        else:
            finite = _is_finite_array(one)
        if not finite:
            raise Breach(FailureKind.CHECK_FAILED, "the output holds NaN or infinity")


def _is_finite_array(one: Any) -> bool:
    if hasattr(one, "to_numpy"):  # of pandas
        one = one.to_numpy()
    elif hasattr(one, "nnz"):  # a sparse matrix: what it leaves out is zero
        one = one.data
    kind = getattr(getattr(one, "dtype", None), "kind", None)
    if kind not in {"f", "c", "O"}:
        return True
    numpy = sys.modules["numpy"]  # an array of its own is here
    if kind == "O":
        return all(isfinite(item) for item in one.flat if isinstance(item, float))
    return bool(numpy.isfinite(one).all())
