"""
Models of scikit-learn behind a boundary.

    fed = InputContract.of_model(model)
    score = guard("churn-score", deadline=0.5, input=fed, fallback=[prior])(component(model.predict_proba))
    score(rows)

What computes cannot be interrupted: at the deadline its caller is free, and the thread keeps its permit to its end.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from aiguard.integrations.arrays import check_finite

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def component(predict: Callable[P, R]) -> Callable[P, R]:
    """
    Return a model's method, to be guarded: what it answers is its own, and has no NaN or infinity.

    Args:
        predict: A bound method of a fitted estimator, such as `model.predict` or `model.predict_proba`.

    Raises:
        TypeError: It cannot be called: an estimator instead of its method.
    """
    if not callable(predict):
        msg = f"component() takes a method of an estimator: component(model.predict), not a {type(predict).__name__}"
        raise TypeError(msg)

    @functools.wraps(predict)
    def predicting(*args: P.args, **kwargs: P.kwargs) -> R:
        answer = predict(*args, **kwargs)
        check_finite(answer)
        return answer

    return predicting
