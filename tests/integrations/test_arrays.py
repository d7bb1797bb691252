"""Whether what a model in the process answered is made of numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard import FailureKind
from aiguard.contract import Breach
from aiguard.integrations.arrays import check_finite

NESTED = st.recursive(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


def is_finite(answer: Any) -> bool:
    """Return whether `answer` passes."""
    try:
        check_finite(answer)
    except Breach as breach:
        return breach.kind is not FailureKind.CHECK_FAILED
    return True


@given(NESTED)
def test_numbers_pass(answer: object) -> None:
    """However they are nested, and whatever stands beside them."""
    assert is_finite(answer)


@given(NESTED, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_no_number_is_found(answer: object, bad: float) -> None:
    """However deep."""
    assert not is_finite([answer, {"a": (answer, bad)}])


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "complex64", "object"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_arrays_are_looked_through(kind: str, bad: float) -> None:
    """Of any kind that can hold it, and of no elements too."""
    numpy: Any = pytest.importorskip("numpy")
    assert is_finite(numpy.ones((2, 2), kind))
    assert is_finite(numpy.ones((0, 2), kind))
    assert not is_finite([numpy.array([[1.0, bad]], kind)])


@pytest.mark.parametrize("values", [[1, 2], [True], ["a"], [b"a"]])
def test_arrays_of_what_is_always_finite_pass(values: list[Any]) -> None:
    """Integers, truth values, texts, bytes."""
    assert is_finite(pytest.importorskip("numpy").array(values))


def test_sparse_matrices_are_looked_through() -> None:
    """At what they hold."""
    scipy: Any = pytest.importorskip("scipy.sparse")
    assert is_finite(scipy.csr_matrix([[0.0, 1.0]]))
    assert not is_finite(scipy.csr_matrix([[0.0, math.nan]]))


def test_data_frames_are_looked_through() -> None:
    """Columns of texts beside columns of numbers too."""
    pandas: Any = pytest.importorskip("pandas")
    assert is_finite(pandas.DataFrame({"a": [1.0], "b": ["x"]}))
    assert not is_finite(pandas.DataFrame({"a": [math.inf], "b": ["x"]}))
    assert not is_finite(pandas.Series([math.nan]))
