"""Objects by their import path, `"package.module:name"`."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, Final

from aiguard.problem import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

PATTERN: Final = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"
_PATH: Final = re.compile(PATTERN)


class ImportRefusedError(Exception):
    """An import path leads nowhere; the message says why."""


def imported(path: str) -> Any:
    """Return the object at `path`. Raises `ImportRefusedError`."""
    if not _PATH.fullmatch(path):
        raise ImportRefusedError("must be an import path of the form 'package.module:name'")
    module, _, names = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = f"there is no module {error.name!r}" if error.name else str(error)
        raise ImportRefusedError(f"{missing}, on Python's path as it is here") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs the module, which may do anything
        raise ImportRefusedError(f"importing {module!r} failed: {type(error).__name__}: {error}") from None
    for name in names.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            near = nearest(name, (one for one in dir(found) if not one.startswith("_")))
            raise ImportRefusedError(f"{module!r} has no {name!r}{near}") from None
        except Exception as error:  # noqa: BLE001 - a module may have a `__getattr__` of its own
            raise ImportRefusedError(f"reading {name!r} of {module!r} raised {type(error).__name__}") from None
    return found


def path_of(thing: Callable[..., Any] | type) -> str | None:
    """Return the import path that leads to `thing`, or `None` where none does: a lambda, a local function."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return None
    try:
        return f"{module}:{name}" if imported(f"{module}:{name}") is thing else None
    except ImportRefusedError:
        return None
