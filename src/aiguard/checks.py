"""
Checks that many contracts need: each function here returns one, for `OutputContract(checks=[…])`.

    OutputContract(Reply, checks=[length(of="text", most=400), must_not_contain(["As an AI"], of="text")])

Each looks at the whole value or, with `of`, at one part of it: an attribute or a key, by its name, or whatever a
function of the value returns. A part that is not there, or is nothing that the check knows, is an error of the check.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sized
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from aiguard.contract.checks import Check, name_of, safety
from aiguard.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

__all__ = [
    "array",
    "length",
    "line_length",
    "must_contain",
    "must_not_contain",
    "no_control_characters",
    "number",
    "one_of",
    "printable",
    "safety",
]

Of = str | Callable[[Any], Any] | None

_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LAYOUT: Final = {ord(letter): None for letter in "\t\n\r"}
_ARRAY: Final = ("shape", "dtype", "min", "max")


def number(*, least: float | None = None, most: float | None = None, of: Of = None) -> Check:
    """
    Return a check of a number: `too_small`, `too_large`, or `not_finite`, which is neither.

    Args:
        least: The smallest that passes.
        most: The largest that passes.
        of: The part that is looked at.

    Raises:
        PolicyError: Where both bounds are missing, or no number lies between them.
    """
    _bounded("number", least, most)

    def verdict(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise TypeError(f"no number, but {type(value).__name__}")
        return _range(value, value, least, most)

    return _check("number", of, verdict)


def length(*, least: int = 0, most: int | None = None, of: Of = None) -> Check:
    """
    Return a check of how long a text, or anything else with a length, is: `too_short`, `too_long`.

    Args:
        least: The shortest that passes, in letters or items.
        most: The longest that passes.
        of: The part that is looked at.

    Raises:
        PolicyError: Where no length lies between them.
    """
    _bounded("length", least, most)

    def verdict(value: Sized) -> str | None:
        size = len(value)
        if size < least:
            return "too_short"
        return "too_long" if most is not None and size > most else None

    return _check("length", of, verdict)


def one_of(allowed: Container[Any], *, of: Of = None) -> Check:
    """
    Return a check that a value is one of `allowed`: else `not_allowed`.

    A `Literal` says the same of a closed set; this is for one that is read when the program starts.
    """
    return _check("one_of", of, lambda value: None if value in allowed else "not_allowed")


def no_control_characters(*, of: Of = None) -> Check:
    """Return a check that a text has no control character but tab and line ends: else `control_character`."""
    return _check("no_control_characters", of, lambda text: "control_character" if _CONTROLS.search(text) else None)


def printable(*, of: Of = None) -> Check:
    """
    Return a check that a text can be shown as it is: else `not_printable`.

    As `str.isprintable`, tab, line feed and carriage return allowed: so no zero-width and no text direction marks, and
    no no-break space either.
    """

    def verdict(text: str) -> str | None:
        return None if text.translate(_LAYOUT).isprintable() else "not_printable"

    return _check("printable", of, verdict)


def line_length(most: int, *, of: Of = None) -> Check:
    """Return a check that no line of a text has more than `most` letters: else `line_too_long`."""
    _bounded("line_length", 1, most)

    def verdict(text: str) -> str | None:
        return "line_too_long" if max(map(len, text.split("\n"))) > most else None

    return _check("line_length", of, verdict)


def must_contain(texts: Iterable[str], *, of: Of = None) -> Check:
    """Return a check that a text contains at least one of `texts`, in any case: else `missing`."""
    found = _finder("must_contain", texts)
    return _check("must_contain", of, lambda text: None if found(text) else "missing")


def must_not_contain(texts: Iterable[str], *, of: Of = None) -> Check:
    """
    Return a check that a text contains none of `texts`, in any case: else `forbidden`.

    They are literal, so a refusal worded otherwise passes: the last resort, after what the provider itself says.
    """
    found = _finder("must_not_contain", texts)
    return _check("must_not_contain", of, lambda text: "forbidden" if found(text) else None)


def array(
    *,
    shape: Sequence[int | None] | None = None,
    dtype: str | None = None,
    least: float | None = None,
    most: float | None = None,
    of: Of = None,
) -> Check:
    """
    Return a check of an array, of numpy or anything like it, by its own `shape`, `dtype`, `min` and `max`.

    Its numbers are never looked at one by one: the least and the greatest say whether all are finite and in range.
    Says `not_an_array`, `shape`, `dtype`, `not_finite`, `too_small` or `too_large`.

    Args:
        shape: Its extent along each axis; `None` for an axis that may have any.
        dtype: The name of its type, such as `"float32"`.
        least: The smallest number that passes.
        most: The largest number that passes.
        of: The part that is looked at.

    Raises:
        PolicyError: Where no number lies between the bounds.
    """
    if least is not None or most is not None:
        _bounded("array", least, most)
    wanted = None if shape is None else tuple(shape)

    def verdict(value: Any) -> str | None:
        if not all(hasattr(value, name) for name in _ARRAY):
            return "not_an_array"
        extent = tuple(value.shape)
        if wanted is not None and not _fits(extent, wanted):
            return "shape"
        if dtype is not None and str(value.dtype).rpartition(".")[2] != dtype:  # torch's are called torch.float32
            return "dtype"
        if 0 in extent:
            return None
        return _range(_scalar(value.min()), _scalar(value.max()), least, most)

    return _check("array", of, verdict)


def _check(title: str, of: Of, verdict: Callable[[Any], str | None]) -> Check:
    if of is None:
        check = verdict
        name = title
    else:
        part = _named_part(of) if isinstance(of, str) else of
        name = f"{title} of {of if isinstance(of, str) else name_of(of)}"

        def check(value: Any) -> str | None:
            return verdict(part(value))

    check.__name__ = check.__qualname__ = name
    return check


def _named_part(name: str) -> Callable[[Any], Any]:
    def part(value: Any) -> Any:
        return value[name] if isinstance(value, Mapping) else getattr(value, name)

    return part


def _bounded(title: str, least: float | None, most: float | None) -> None:
    given = [bound for bound in (least, most) if bound is not None]
    if not given or any(math.isnan(bound) for bound in given) or given != sorted(given):
        raise PolicyError(
            f"checks.{title}: least={least!r}, most={most!r}: nothing lies between them, or nothing is said"
        )


def _range(low: Any, high: Any, least: float | None, most: float | None) -> str | None:
    if not (_is_finite(low) and _is_finite(high)):
        return "not_finite"
    if least is not None and low < least:
        return "too_small"
    return "too_large" if most is not None and high > most else None


def _is_finite(number: Any) -> bool:
    if isinstance(number, Decimal):
        return number.is_finite()
    return isinstance(number, int) or math.isfinite(number)


def _finder(title: str, texts: Iterable[str]) -> Callable[[str], bool]:
    wanted = tuple(texts)
    if isinstance(texts, str) or not wanted or not all(wanted):
        raise PolicyError(f"checks.{title}: {texts!r} is no list of texts")
    folded = tuple(one.casefold() for one in wanted)

    def found(text: str) -> bool:
        plain = text.casefold()
        return any(one in plain for one in folded)

    return found


def _fits(extent: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(extent) == len(wanted) and all(want in {None, size} for size, want in zip(extent, wanted, strict=True))


def _scalar(value: Any) -> Any:
    """Return a number of Python's own: an array's are compared, and turned into `bool`, in ways of their own."""
    item = getattr(value, "item", None)
    return value if item is None else item()
