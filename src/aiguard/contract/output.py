"""The contract of an output, as a user declares it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar, Unpack, get_args, overload

from aiguard.contract import checks
from aiguard.errors import PolicyError

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from aiguard.contract.checks import Check
    from aiguard.contract.json_schema import JsonSchema

T = TypeVar("T")

Format = Literal["auto", "json", "text", "python"]


class _Settings(TypedDict, total=False):
    name: str | None
    format: Format
    extract: bool
    checks: Iterable[Check]
    max_bytes: int


@dataclass(frozen=True)  # no slots: with them, Python 3.11 cannot make `OutputContract[int](…)`
class OutputContract(Generic[T]):
    """
    What an answer must satisfy before it leaves a boundary.

    Of a key that stands twice in a JSON object the last counts, as everywhere in pydantic.

    Args:
        schema: Anything that pydantic's `TypeAdapter` accepts, or a `JsonSchema`.
        name: What messages and telemetry call it; the type's own name by default.
        format: How text is read: `"json"`, `"text"` (never parsed), `"python"` (every answer is a Python value), or
            `"auto"`: as JSON, unless the type itself is `str`, `bytes`, or a `Literal` or `StrEnum` of strings.
        extract: Whether the JSON may stand in prose or in a code fence. Several different values are an error.
        checks: Functions of the valid value: `None` or `True` lets it pass, `False` or a short reason code does not.
        max_bytes: The largest answer that is looked at.
    """

    schema: TypeForm[T]
    _: KW_ONLY
    name: str | None = None
    format: Format = "auto"
    extract: bool = False
    checks: Iterable[Check] = ()
    max_bytes: int = 1_048_576

    if TYPE_CHECKING:  # a JSON Schema says nothing that a type checker could use

        @overload
        def __init__(self: OutputContract[Any], schema: JsonSchema, **settings: Unpack[_Settings]) -> None: ...
        @overload
        def __init__(self, schema: TypeForm[T], **settings: Unpack[_Settings]) -> None: ...
        def __init__(self, schema: Any, **settings: Any) -> None: ...

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise PolicyError(f"output: format={self.format!r} is none of {', '.join(get_args(Format))}")
        if type(self.max_bytes) is not int or self.max_bytes < 1:
            raise PolicyError(f"output: max_bytes={self.max_bytes!r} is not a whole number above zero")
        if not isinstance(self.checks, Iterable):
            raise PolicyError(f"output: checks={self.checks!r} is not a sequence of functions")
        object.__setattr__(self, "checks", tuple(self.checks))
        for check in self.checks:
            if not callable(check):
                raise PolicyError(f"output: checks={self.checks!r} holds something that cannot be called")
            if checks.is_async(check):
                raise PolicyError(f"output: check {checks.name_of(check)} is async, which is not built yet")
