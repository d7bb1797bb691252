"""The responses that clients' exceptions carry: what was paid for is there, although nothing was returned."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from aiguard.contract.response import usage_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from aiguard.usage import Usage

_CARRIED: Final[dict[tuple[str, str], str]] = {
    ("openai", "LengthFinishReasonError"): "completion",
    ("openai", "ContentFilterFinishReasonError"): "completion",
    ("instructor", "IncompleteOutputException"): "last_completion",
    ("instructor", "InstructorRetryException"): "last_completion",
}
"""What exceptions call the response that they were raised about."""


def usage_of_error(error: BaseException) -> Usage | None:
    """Return the tokens of the response that a client's exception carries; `None` where it carries none."""
    name = _name_in(cast("Hashable", type(error)))
    return usage_of(vars(error).get(name)) if name is not None else None


@lru_cache(maxsize=256)
def _name_in(cls: type) -> str | None:
    """Return what exceptions of class `cls` call their response; `None` where they carry none."""
    keys = ((str(base.__module__).partition(".")[0], base.__name__) for base in cls.__mro__)
    return next((_CARRIED[key] for key in keys if key in _CARRIED), None)
