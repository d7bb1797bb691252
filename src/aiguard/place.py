"""Where a boundary was declared: what tells a second declaration from the same one, run again."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import CodeType, FrameType

_COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a boundary was declared.

    Attributes:
        module: The module's name.
        qualname: The function's qualified name, or `"<module>"` for a boundary without one.
        run: What tells one execution of the module from the next: its code object.
        line: The line of the declaration.
    """

    module: str
    qualname: str
    run: object
    line: int

    @property
    def local(self) -> bool:
        """Whether it was declared inside a function, and so perhaps at every call of it."""
        return "<locals>" in self.qualname

    def replaces(self, other: Place) -> bool:
        """Whether this is the same declaration, run again: a reload, or a notebook cell."""
        if self.local or (self.module, self.qualname) != (other.module, other.qualname):
            return False
        return self.qualname != "<module>" or self.run is not other.run

    def __str__(self) -> str:
        return f"{self.module}:{self.line} ({self.qualname})"


def place_of(frame: FrameType) -> Place:
    """Return where the code that runs in `frame` declares a boundary without a function."""
    line = frame.f_lineno
    while _is_part(frame.f_code) and frame.f_back is not None:
        frame = frame.f_back
    code = frame.f_code
    qualname = code.co_qualname if code.co_name == "<module>" else f"{code.co_qualname}.<locals>"
    return Place(frame.f_globals.get("__name__", "?"), qualname, code, line)


def _is_part(code: CodeType) -> bool:
    """Whether this is a class body or a comprehension: run once, as a part of what is around it."""
    return code.co_name in _COMPREHENSIONS or not (code.co_flags & inspect.CO_OPTIMIZED or code.co_name == "<module>")
