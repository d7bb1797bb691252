"""What a component is told of its invalid answer when it is asked again."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call
    from aiguard.failure import Failure

PARAMETER: Final = "feedback"

LONGEST: Final = 1024
"""Bytes of feedback, at most."""


def told(call: Call, failure: Failure) -> Call:
    """
    Return `call` with what was wrong with the answer, where the component has a keyword-only `feedback` for it.

    The kind and the failure's own message: at most five error types and where they are, in the schema's own words.
    """
    if not takes_feedback(call.fn):
        return call
    text = f"{failure.kind.value}: {failure.message}".encode()[:LONGEST].decode(errors="ignore")
    return call.answered_by(call.fn, call.args, call.kwargs | {PARAMETER: text}, call.run)


def takes_feedback(component: Callable[..., Any]) -> bool:
    """Return whether `component` has a keyword-only parameter `feedback`."""
    try:
        taken = inspect.signature(component).parameters.get(PARAMETER)
    except (TypeError, ValueError):
        return False
    return taken is not None and taken.kind is taken.KEYWORD_ONLY
