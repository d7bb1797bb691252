"""How a gate says no: a kind and a sentence that is safe to log."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError

_SHOWN = 5
_LISTABLE = 100  # beyond it the list of errors alone would cost more than the answer did
_LONGEST_WORD = 64
_TYPE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
_CODE_LETTERS = _TYPE_LETTERS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ.:-")


class Fault(NamedTuple):
    """
    What one check held against an answer, or that it could not tell.

    Attributes:
        check: Its name.
        code: The reason code that it gave, or the class of what it raised; empty where it only said no.
        is_error: Whether it gave no verdict at all.
    """

    check: str
    code: str = ""
    is_error: bool = False


class Breach(Exception):  # noqa: N818 - internal: the engine turns it into a failure, nobody catches it by name
    """
    An answer breaks its contract.

    Attributes:
        kind: Which gate said no, as a failure kind.
        message: What is wrong and where, in the schema's own words. Never content.
        exception: What a validator or a check raised, if anything was. It may hold content.
        fault: The check that said no, where it was one.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        exception: BaseException | None = None,
        fault: Fault | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.exception = exception
        self.fault = fault
        self.__suppress_context__ = True  # whatever is being handled meanwhile may print an answer


def class_name(exception: BaseException) -> str:
    """Return the class of an exception, or `Exception` where the name was made up from content."""
    name = type(exception).__name__
    return name if name.isidentifier() and len(name) <= _LONGEST_WORD else "Exception"


def code(word: str) -> str:
    """Return the reason code that a check gave, or `*` where it does not look like one."""
    return word if _is_word(word, _CODE_LETTERS) else "*"


def violation(error: ValidationError, names: frozenset[str], *, numbers: bool, whole: bool = True) -> Breach:
    """
    Return the breach that pydantic's `error` amounts to.

    Args:
        error: What pydantic raised.
        names: The names that the schema declares: other parts of a location are keys of the answer.
        numbers: Whether a number in a location can only be an index, never a key of the answer.
        whole: Whether all errors are there, and not only the first that were found.
    """
    kept = error if error.error_count() <= _LISTABLE else None  # a million errors are a hundred times their answer
    return Breach(FailureKind.SCHEMA_VIOLATION, _summary(error, names, numbers=numbers, whole=whole), kept)


def raised(error: Exception) -> Breach:
    """Return the breach for anything else that was raised while an answer was judged."""
    return Breach(FailureKind.SCHEMA_VIOLATION, f"validating the answer raised {class_name(error)}", error)


def _summary(error: ValidationError, names: frozenset[str], *, numbers: bool, whole: bool) -> str:
    count = error.error_count()
    noun = ("1 error" if count == 1 else f"{count} errors") + ("" if whole else " or more")
    if count > _LISTABLE:
        return noun
    try:
        lines = error.errors(include_input=False, include_url=False, include_context=False)
    except Exception:  # noqa: BLE001 - the text of a validator's own exception is built here, and may fail
        return noun
    shown = ", ".join(
        f"{_error_type(line['type'])} at {_location(line['loc'], names, numbers=numbers)}" for line in lines[:_SHOWN]
    )
    return f"{noun}: {shown}" + (", …" if count > _SHOWN else "")


def _location(parts: Iterable[int | str], names: frozenset[str], *, numbers: bool) -> str:
    shown = [str(part) if (numbers if isinstance(part, int) else part in names) else "*" for part in parts]
    return ".".join(shown) or "the root"


def _error_type(name: str) -> str:
    return name if _is_word(name, _TYPE_LETTERS) else "*"


def _is_word(text: str, letters: frozenset[str]) -> bool:
    return 0 < len(text) <= _LONGEST_WORD and letters.issuperset(text)
