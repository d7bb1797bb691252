"""What a guarded function uses that retries by itself, as far as its code and what it holds show it."""

from __future__ import annotations

import functools
import itertools
import sys
from collections import deque
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.check.clients import by_keyword, holds_clients, retrier
from aiguard.check.importing import is_below_here
from aiguard.check.names_read import reads
from aiguard.check.statically import MISSING, attribute, attributes, items, mro, vars_of
from aiguard.guarded import Guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aiguard.check.clients import Retrier
    from aiguard.policy import Policy

_DEEPEST: Final = 6  # steps from the guarded function to a client: through its own functions, objects, lists
_MOST: Final = 500  # objects looked at for one function


class Use(NamedTuple):
    """Something that is used: what leads to it, as one would write it, and itself."""

    path: str
    thing: Any


class Search:
    """
    Looks for what retries by itself in what a guarded function uses.

    Args:
        boundary: The name of its boundary.
        component: The function.
        policies: The settings of every boundary.
    """

    def __init__(self, boundary: str, component: Callable[..., Any], policies: Mapping[str, Policy]) -> None:
        self._boundary = boundary
        self._component = component
        self._policies = policies
        self._home = _package_of(component)

    def found(self) -> Iterator[tuple[str, Retrier]]:
        """Yield what was found, by what leads to it; by each name once."""
        waiting = deque([(Use("", self._component), 0)])
        seen: set[int] = set()
        told: set[tuple[str, str]] = set()
        while waiting and len(seen) < _MOST:
            use, depth = waiting.popleft()
            if id(use.thing) in seen:
                continue
            seen.add(id(use.thing))
            found = self._retrier(use.thing)
            if found is None:
                if depth < _DEEPEST:
                    waiting.extend((one, depth + 1) for one in self._uses(use))
            elif (_public(use.path), found.what) not in told:
                told.add((_public(use.path), found.what))
                yield _public(use.path), found

    def _retrier(self, thing: Any) -> Retrier | None:
        if type(thing) is functools.partial:
            return by_keyword(thing.keywords)
        if issubclass(type(thing), Guarded) and thing.boundary.name == self._boundary:
            return None  # it calls itself
        return retrier(thing, self._policies)

    def _uses(self, use: Use) -> Iterator[Use]:
        """Yield what is one step away."""
        path, thing = use
        kind = type(thing)
        if kind is FunctionType:
            yield from self._of_function(thing, path)
        elif kind is MethodType:
            yield Use(path, thing.__self__)
            yield Use(path, thing.__func__)
        elif kind is functools.partial:
            yield from (Use(path, one) for one in (thing.func, *thing.args, *thing.keywords.values()))
        elif issubclass(kind, Guarded):
            yield Use(path, thing._fn)  # noqa: SLF001 - one house
        elif inside := items(thing):
            yield from (Use(path, one) for one in inside)
        elif self._is_own(_module_of(kind)) or holds_clients(thing):
            yield from (Use(_joined(path, name), one) for name, one in attributes(thing).items())
            if thing is self._component:
                yield Use(path, _of_class(thing, "__call__"))

    def _of_function(self, fn: FunctionType, path: str) -> Iterator[Use]:
        if self._is_own(fn.__globals__.get("__name__")):
            for name, thing, steps in reads(fn):
                yield from self._along(Use(_joined(path, name), thing), steps)
            for one in (*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()):
                yield Use(path, one)
        inner = attribute(fn, "__wrapped__")
        if inner is not MISSING:
            yield Use(path, inner)

    def _along(self, use: Use, steps: tuple[str, ...]) -> Iterator[Use]:
        """Yield what attributes lead to, as far as they are kept and not computed."""
        path, thing = use
        for step in steps:
            if self._retrier(thing) is not None:
                break
            kept = attribute(thing, step)
            if kept is MISSING:
                method = _of_class(thing, step)
                if type(method) is FunctionType:
                    yield Use(_joined(path, step), method)
                break
            path, thing = _joined(path, step), kept
        yield Use(path, thing)

    def _is_own(self, module: object) -> bool:
        """Whether a module belongs to the application: to the function's package, or to the project that lies here."""
        if not isinstance(module, str):
            return False
        package = module.partition(".")[0]
        if package in sys.stdlib_module_names or package == "aiguard":
            return False
        if package == self._home:
            return True
        file = getattr(sys.modules.get(module), "__file__", None)
        return isinstance(file, str) and is_below_here(file)


def _package_of(component: Any) -> str | None:
    """Return the package of a function, or `None` where it is a client's own."""
    while True:
        if type(component) is functools.partial:
            component = component.func
        elif type(component) is MethodType:
            if holds_clients(component.__self__):
                return None
            component = component.__func__
        else:
            break
    module = component.__module__ if type(component) is FunctionType else _module_of(type(component))
    return module.partition(".")[0] if isinstance(module, str) else None


def _module_of(cls: type) -> object:
    return vars_of(cls).get("__module__")


def _of_class(thing: object, name: str) -> Any:
    """Return what the class of `thing` holds under `name`, unbound."""
    if issubclass(type(thing), ModuleType):
        return MISSING  # what a module's class has is not what the module has
    for cls in mro(type(thing)):
        own = vars_of(cls)
        if name in own:
            return own[name]
    return MISSING


def _public(path: str) -> str:
    """Return a path as far as its reader can have written it."""
    return ".".join(itertools.takewhile(lambda name: not name.startswith("_"), path.split(".")))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
