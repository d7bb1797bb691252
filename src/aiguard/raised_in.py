"""Where an exception was raised, for the classes that several packages raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aiguard import failure_table as table
from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pydantic import ValidationError

    from aiguard.failure_table import ClassKey, FrameRow

_K = FailureKind


def meaning(
    key: ClassKey, row: FrameRow, error: BaseException, traceback: TracebackType | None
) -> tuple[FailureKind | None, str]:
    """Return what `error`, of the class `key`, means, and in which of the row's packages it was raised, if in any."""
    package = _raised_in(row, traceback)
    kind = row.kind if package else row.otherwise
    if key in table.PYDANTIC:
        kind = _pydantic_kind(cast("ValidationError", error), kind, traceback)
    return kind, package


def _raised_in(row: FrameRow, traceback: TracebackType | None) -> str:
    """Return the package of the row that the exception was raised in, or an empty string."""
    found = last = ""
    for module, _ in _frames(traceback):
        if module == last:
            continue
        last = module
        if not row.innermost and module.partition(".")[0] in row.packages and module not in table.PASSED_OVER:
            found = module
    if row.innermost:
        found = last if _is_inside(last, row.packages) else ""
    return "" if found.startswith(table.ABOUT_THE_ANSWER) else found.partition(".")[0]


def _is_inside(module: str, packages: frozenset[str]) -> bool:
    """Whether `module` is one of `packages`, or stands in one of them."""
    while module and module not in packages:
        module = module.rpartition(".")[0]
    return bool(module)


def _pydantic_kind(
    error: ValidationError, kind: FailureKind | None, traceback: TracebackType | None
) -> FailureKind | None:
    if kind is _K.MALFORMED_TRANSPORT:
        frames = list(_frames(traceback))
        in_google = any(module.startswith("google.genai.") for module, _ in frames)
        return _K.BAD_REQUEST if in_google and not any(name == table.READS_RESPONSE for _, name in frames) else kind
    if hasattr(error, "error_count") and error.error_count() == 1:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] in {"json_invalid", "json_type"}:
            return _K.MALFORMED_OUTPUT
    return kind


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, str]]:
    """Yield module and function of every frame, the last one raised."""
    while traceback is not None:
        frame = traceback.tb_frame
        module = frame.f_globals.get("__name__")
        if type(module) is str:
            yield module, frame.f_code.co_name
        traceback = traceback.tb_next
