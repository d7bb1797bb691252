"""Real estimators of scikit-learn behind a boundary."""

from __future__ import annotations

import inspect
import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import FailureKind, InputContract, guard
from aiguard.integrations.sklearn import component
from aiguard.testing import fresh_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("sklearn")

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression

ROWS: Any = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Boundaries of a test are unknown outside it."""
    with fresh_registry():
        yield


@pytest.fixture
def classifier() -> Any:
    """A model that answers with labels and with probabilities."""
    return LogisticRegression().fit(ROWS, ["no", "no", "yes", "yes"])


@pytest.fixture
def overflowing() -> Any:
    """A model that answers numbers beyond what a float can hold: nothing in scikit-learn says so."""
    model = LinearRegression().fit(ROWS, [0.0, 1.0, 2.0, 3.0])
    model.coef_ = np.array([1e308, 1e308])
    return model


def test_a_model_answers_as_it_is(classifier: Any) -> None:
    """Labels and probabilities, as arrays of its own."""
    labels = guard("labels", deadline=5.0)(component(classifier.predict))
    chances = guard("chances", deadline=5.0)(component(classifier.predict_proba))
    assert labels(ROWS).tolist() == classifier.predict(ROWS).tolist()
    assert (chances(ROWS) == classifier.predict_proba(ROWS)).all()


def test_the_signature_is_the_methods(classifier: Any) -> None:
    """Arguments that do not fit are a programmer's error."""
    predict = component(classifier.predict)
    assert inspect.signature(predict) == inspect.signature(classifier.predict)
    with pytest.raises(TypeError):
        guard("labels", deadline=5.0)(predict)(ROWS, ROWS)


def test_what_is_no_number_goes_to_the_ladder(overflowing: Any) -> None:
    """Infinity is an answer to scikit-learn."""
    with np.errstate(over="ignore"):
        assert math.isinf(overflowing.predict(np.array([[9.0, 9.0]]))[0])
    score = guard("score", deadline=5.0, fallback=[0.0])(component(overflowing.predict))

    with np.errstate(over="ignore"):
        outcome = score.outcome(np.array([[9.0, 9.0]]))
    assert outcome.failure is not None
    assert (outcome.value, outcome.failure.kind) == (0.0, FailureKind.CHECK_FAILED)
    assert outcome.failure.message == "the output holds NaN or infinity"


def test_what_a_model_refuses_is_the_callers_fault(classifier: Any) -> None:
    """Rows of another width, or with gaps."""
    score = guard("score", deadline=5.0)(component(classifier.predict))
    for rows in (np.ones((1, 3)), np.array([[math.nan, 1.0]])):
        outcome = score.outcome(rows)
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.BAD_REQUEST


def test_a_caller_is_free_at_the_deadline_and_the_thread_keeps_its_permit() -> None:
    """What computes cannot be interrupted."""
    go = threading.Event()

    class Slow(LinearRegression):  # type: ignore[misc] # scikit-learn is not there when types are checked
        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            go.wait(10.0)
            return super().predict(X)

    score: Any = guard("score", deadline=0.05, fallback=[0.0])(component(Slow().fit(ROWS, [0, 1, 2, 3]).predict))
    outcome = score.outcome(ROWS)
    assert (outcome.value, outcome.failure.kind, score.boundary.abandoned) == (0.0, FailureKind.TIMEOUT, 1)
    go.set()


def test_an_estimator_in_place_of_its_method_is_refused(classifier: Any) -> None:
    """With what to pass."""
    with pytest.raises(TypeError, match=r"component\(model.predict\), not a LogisticRegression"):
        component(classifier)


def test_what_a_model_is_fed_is_held_to_its_fit() -> None:
    """Columns in another order are an answer to nobody's question, which scikit-learn says only of data frames."""
    pandas: Any = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, columns=["age", "sum"])
    model = LinearRegression().fit(frame, [0.0, 1.0, 2.0, 3.0])
    score = guard("score", deadline=5.0, input=InputContract.of_model(model))(component(model.predict))
    assert score(frame).tolist() == model.predict(frame).tolist()
    outcome = score.outcome(frame[["sum", "age"]])
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.INPUT_REJECTED
