"""A validator that stops early where an answer does not fit, and what is wrong with it where that is soon told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import SchemaValidator

from aiguard.contract.collisions import counted, counting, may_collide
from aiguard.contract.recursion import ARRAYS, walk
from aiguard.contract.rewriting import may_be_read_first, read_first, stopping, terse

if TYPE_CHECKING:
    from collections.abc import Callable

    Validate = Callable[..., Any]

_MANY: Final = ARRAYS | {"dict"}

_SMALL: Final = 2048
"""Letters of an answer whose errors are all told; each may cost ten times what a letter does."""

LARGE: Final = 4096
"""Letters of an answer that is better read before it is looked at, where it is held to the same then."""

_SHALLOW: Final = 24
"""Levels of an answer whose errors are told one by one; each level hands on what those below it said."""

_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_BRACKET: Final = re.compile(r"[^\[\]{}]++")


class Stopping:
    """
    A core schema compiled to say no soon. It takes the same answers as it did, and makes the same of them.

    Args:
        quick: The core schema.
        core: One that takes the same, and whose errors tell more.
        validator: pydantic's own for it.
        refs: The definitions that hold themselves.
        may_read: Whether it may turn JSON into Python data before it looks at it, where it is held to the same then.
        settings: What the validator is called with.

    Attributes:
        validate_json: As pydantic has it; but an answer that does not fit may be found to be so by its first misfit.
        validate_large: The same, sooner where what does not fit is large.
    """

    __slots__ = (
        "_collides",
        "_core",
        "_first",
        "_is_recursive",
        "_is_terse",
        "_settings",
        "_stops",
        "_whole",
        "validate_json",
        "validate_large",
    )

    def __init__(
        self, quick: Any, core: Any, validator: Any, refs: frozenset[str], *, may_read: bool, **settings: Any
    ) -> None:
        self._settings = settings
        self._collides = may_collide(core)
        if self._collides:
            quick, core = counting(quick), counting(core)
        may_read = may_read and may_be_read_first(core)
        self._is_recursive = bool(refs)
        self._is_terse = self._is_recursive and may_read
        self._stops = self._is_recursive or any(node["type"] in _MANY for node in walk(core))
        self._core = read_first(core) if self._is_terse else core
        self._first: Validate | None = None
        self._whole: Validate | None = None
        quick = stopping(read_first(terse(quick, refs)) if self._is_terse else quick)
        self.validate_json = self._compiled(quick) if self._stops else validator.validate_json
        reads = may_read and not self._is_terse
        self.validate_large = self._compiled(read_first(quick)) if reads else self.validate_json

    def told(self, text: str | bytes, error: ValidationError) -> tuple[ValidationError, bool]:
        """
        Return more of what is wrong with `text` than `error` tells, and whether that is all; as much as is soon found.

        Args:
            text: An answer that `validate_json` refused.
            error: What it raised.
        """
        if not self._stops:
            return error, True
        is_shallow = not self._is_recursive or _is_shallow(text)
        is_small = is_shallow and len(text) <= _SMALL
        if not is_small and not (is_shallow and self._is_terse):
            return error, False
        try:
            self._fuller(is_small=is_small)(text, **self._settings)
        except ValidationError as fuller:
            fuller.__context__ = None
            return fuller.with_traceback(None), is_small
        return error, False

    def _fuller(self, *, is_small: bool) -> Validate:
        # made when they are needed: most answers fit
        if is_small:
            self._whole = self._whole or self._compiled(self._core)
            return self._whole
        self._first = self._first or self._compiled(stopping(self._core))
        return self._first

    def _compiled(self, core: Any) -> Validate:
        # without it pydantic takes the validator that each class keeps, which is not rewritten
        validate: Validate = SchemaValidator(core, _use_prebuilt=False).validate_json
        return counted(validate) if self._collides else validate


def _is_shallow(text: str | bytes) -> bool:
    """Return whether JSON has few levels, without looking at it letter by letter."""
    whole = text if isinstance(text, str) else text.decode(errors="replace")
    brackets = _NO_BRACKET.sub("", _STRING.sub("", whole))
    for _ in range(_SHALLOW):
        if not brackets:
            return True
        brackets = brackets.replace("[]", "").replace("{}", "")
    return not brackets
