"""The contract of an output, as a user declares it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypedDict, TypeVar, Unpack, get_args, overload

from aiguard.contract import checks
from aiguard.contract.checks import Check, OnCheckError
from aiguard.errors import PolicyError

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from aiguard.contract.json_schema import JsonSchema

T = TypeVar("T")

Format = Literal["auto", "json", "text", "python"]
Repair = Literal["off", "safe"]
Ambiguous = Literal["reject"]

_LONGEST_VERSION: Final = 32
_VERSION_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class _Settings(TypedDict, total=False):
    name: str | None
    version: int | str | None
    format: Format
    extract: bool
    ambiguous: Ambiguous
    repair: Repair
    checks: Iterable[Check]
    on_check_error: OnCheckError | None
    max_bytes: int


@dataclass(frozen=True)  # no slots: with them, Python 3.11 cannot make `OutputContract[int](…)`
class OutputContract(Generic[T]):
    """
    What an answer must satisfy before it leaves a boundary.

    Of a key that stands twice in a JSON object the last counts, as everywhere in pydantic.

    Args:
        schema: Anything that pydantic's `TypeAdapter` accepts, or a `JsonSchema`.
        name: What messages and telemetry call it; the type's own name by default.
        version: Which one of that name it is, a whole number or a short word: `"triage"` in version 3 is called
            `triage@3`. Raise it with the contract, and each version's answers can be told apart.
        format: How text is read: `"json"`, `"text"` (never parsed), `"python"` (every answer is a Python value), or
            `"auto"`: as JSON, unless the type itself is `str`, `bytes`, or a `Literal` or `StrEnum` of strings.
        extract: Whether the JSON may stand in prose or in a code fence.
        ambiguous: What becomes of a text with several different valid values: `"reject"`; which of them was meant,
            nobody can tell.
        repair: `"safe"` takes a byte order mark, a code fence around the whole answer and trailing commas off a text
            that is not JSON, and parses what is left as strictly. Nothing is guessed or closed.
        checks: Functions of the valid value, sync or async: `None` or `True` lets it pass, `False` or a short reason
            code does not. Asked in order, in the time that is left of the call.
        on_check_error: What holds where a check raises, or gives no verdict: `"reject"`, as where nothing is said, or
            `"accept"`, with a warning in the log. Has to be said where a check is marked `checks.safety`.
        max_bytes: The largest answer that is looked at.
    """

    schema: TypeForm[T]
    _: KW_ONLY
    name: str | None = None
    version: int | str | None = None
    format: Format = "auto"
    extract: bool = False
    ambiguous: Ambiguous = "reject"
    repair: Repair = "off"
    checks: Iterable[Check] = ()
    on_check_error: OnCheckError | None = None
    max_bytes: int = 1_048_576

    if TYPE_CHECKING:  # a JSON Schema says nothing that a type checker could use

        @overload
        def __init__(self: OutputContract[Any], schema: JsonSchema, **settings: Unpack[_Settings]) -> None: ...
        @overload
        def __init__(self, schema: TypeForm[T], **settings: Unpack[_Settings]) -> None: ...
        def __init__(self, schema: Any, **settings: Any) -> None: ...

    def __post_init__(self) -> None:
        for setting, allowed in _CHOICES.items():
            value = getattr(self, setting)
            if value not in allowed:
                words = ", ".join(str(one) for one in allowed if one is not None)
                raise PolicyError(f"output: {setting}={value!r} is none of {words}")
        if type(self.max_bytes) is not int or self.max_bytes < 1:
            raise PolicyError(f"output: max_bytes={self.max_bytes!r} is not a whole number above zero")
        if not _is_version(self.version):
            raise PolicyError(f"output: version={self.version!r} is neither a whole number above zero nor a short word")
        if not isinstance(self.checks, Iterable):
            raise PolicyError(f"output: checks={self.checks!r} is not a sequence of functions")
        object.__setattr__(self, "checks", tuple(self.checks))
        for check in self.checks:
            if not callable(check):
                raise PolicyError(f"output: checks={self.checks!r} holds something that cannot be called")
            if isinstance(check, checks.Safety) and self.on_check_error is None:
                raise PolicyError(
                    f"output: check {checks.name_of(check)} is marked `safety`: say `on_check_error`, "
                    "'reject' or 'accept', for answers that it cannot judge"
                )


_CHOICES: Final[dict[str, tuple[str | None, ...]]] = {
    "format": get_args(Format),
    "ambiguous": get_args(Ambiguous),
    "repair": get_args(Repair),
    "on_check_error": (None, *get_args(OnCheckError)),
}


def _is_version(version: object) -> bool:
    if isinstance(version, str):
        return 0 < len(version) <= _LONGEST_VERSION and _VERSION_LETTERS.issuperset(version)
    return version is None or (type(version) is int and version > 0)
