"""What the code that was imported declares."""

from __future__ import annotations

import functools
import inspect
import sys
from types import CodeType
from typing import TYPE_CHECKING, Any

from aiguard.boundary import _REGISTRY
from aiguard.check.importing import shown_path
from aiguard.check.subject import Declared
from aiguard.problem import Position

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.boundary import Boundary
    from aiguard.place import Place


def declarations() -> dict[str, tuple[Boundary, Declared]]:
    """Return every boundary of this process, in the order of declaration."""
    known = dict(_REGISTRY._known)  # noqa: SLF001 - one house
    return {name: (boundary, _declared(boundary, place)) for name, (boundary, place) in known.items()}


def _declared(boundary: Boundary, place: Place) -> Declared:
    component = boundary._component.fn if boundary._component is not None else None  # noqa: SLF001 - one house
    return Declared(boundary._code, component, _position(component, place))  # noqa: SLF001 - one house


def _position(component: Callable[..., Any] | None, place: Place) -> Position:
    """Return the file and line, or where there is no file the module and line, of a declaration."""
    code = _own_code(component) or place.run
    if isinstance(code, CodeType) and not code.co_filename.startswith("<"):
        line = place.line if code is place.run else code.co_firstlineno
        return Position(shown_path(code.co_filename), line)
    file = getattr(sys.modules.get(place.module), "__file__", None)
    return Position(shown_path(file) if isinstance(file, str) else place.module, place.line)


def _own_code(component: Any) -> object:
    """Return the code of the innermost function: a decorator's wrapper has the decorator's, a partial has none."""
    try:
        while isinstance(component, functools.partial):
            component = component.func
        return getattr(inspect.unwrap(component), "__code__", None)
    except Exception:  # noqa: BLE001 - what is guarded may do anything when it is looked at
        return None
