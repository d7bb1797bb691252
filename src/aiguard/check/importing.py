"""Importing an application to look at what it declares, without running anything of it beyond that."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiguard.check.finding import Finding, invalid
from aiguard.check.rules import IMPORT_FAILED
from aiguard.config import live
from aiguard.errors import PolicyError
from aiguard.problem import Position, Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

_APP: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")


class UncheckableError(Exception):
    """What was to be checked is not there; the message says what, in one line."""


@contextlib.contextmanager
def as_coded() -> Iterator[None]:
    """
    Import what is imported here as `from_here` does, and let it say what the code says.

    Its own `configure(…)` does nothing meanwhile: the file is laid over the code here, and every problem told, not only
    that importing failed.
    """
    with from_here(), live.as_coded():
        yield


@contextlib.contextmanager
def from_here() -> Iterator[None]:
    """
    Import what is imported here as uvicorn does, from the current directory.

    What it prints goes to standard error: standard output is for the report.
    """
    here = str(Path.cwd())
    before = list(sys.path)
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:] = before


def import_app(app: str) -> list[Finding]:
    """
    Import `module` or `module:attribute`, and return what it raised, as findings.

    Raises:
        UncheckableError: Where there is no such module or attribute.
    """
    is_file = app.endswith(".py")
    if is_file or not _APP.fullmatch(app):
        hint = f"; did you mean `{app.removesuffix('.py').replace('/', '.')}`?" if is_file else ""
        msg = f"--app {app}: must be `module` or `module:attribute`, such as `shop.main:app`{hint}"
        raise UncheckableError(msg)
    module, _, attribute = app.partition(":")
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs the module, which may do anything
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            msg = f"--app {app}: there is no module `{error.name}` on Python's path, nor in the current directory"
            if (Path("src") / str(error.name)).exists():
                msg += f"; there is src/{error.name}: install the project, or set PYTHONPATH=src"
            raise UncheckableError(msg) from None
        return _failed(module, error)
    _check_attribute(app, found, attribute)
    return []


def _check_attribute(app: str, found: Any, attribute: str) -> None:
    for name in attribute.split(".") if attribute else ():
        try:
            found = getattr(found, name)
        except AttributeError:
            near = nearest(name, (one for one in dir(found) if not one.startswith("_")))
            msg = f"--app {app}: there is no `{name}`{near}"
            raise UncheckableError(msg) from None


def _failed(module: str, error: BaseException) -> list[Finding]:
    position = _where(error)
    if isinstance(error, PolicyError):
        return invalid(
            Problem(one.reason, one.boundary, one.setting, one.value, one.position or position)
            for one in error.problems
        )
    said = " ".join(str(error).split())
    reason = f"importing `{module}` failed: {type(error).__name__}" + (f": {said}" if said else "")
    return [Finding(IMPORT_FAILED, Problem(reason, position=position))]


def _where(error: BaseException) -> Position | None:
    """Return the innermost line of the user's own that led to `error`."""
    if isinstance(error, SyntaxError) and error.filename:
        return Position(shown_path(error.filename), error.lineno or 1)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if not Path(frame.filename).is_relative_to(_PACKAGE)]
    near = [frame for frame in own if is_below_here(frame.filename)] or own[1:]
    return Position(shown_path(near[-1].filename), near[-1].lineno or 1) if near else None


def shown_path(file: str) -> str:
    """Return the path of a file as a report shows it: from the current directory, where it lies below it."""
    path = Path(file)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def is_below_here(file: str) -> bool:
    """Whether a file belongs to the project in the current directory: not to an environment that lies there too."""
    path = Path(file)
    return path.is_relative_to(Path.cwd()) and not _INSTALLED & set(path.parts)


_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_PACKAGE: Final = Path(__file__).parent.parent
