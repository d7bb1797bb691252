"""Looking at objects of others without running any of their code: no property, no `__getattr__`, no comparison."""

from __future__ import annotations

from types import GetSetDescriptorType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MISSING: Final = object()

_CONTENTS: Final[tuple[tuple[type, Callable[[Any], Iterable[Any]]], ...]] = (
    (dict, dict.values),
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (set, set.__iter__),
    (frozenset, frozenset.__iter__),
)


def mro(cls: type) -> tuple[type, ...]:
    """Return the classes that `cls` is made of."""
    found: tuple[type, ...] = type.__getattribute__(cls, "__mro__")
    return found


def attributes(thing: object) -> dict[str, Any]:
    """Return what `thing` keeps in its `__dict__` and its slots; what it computes is not looked at."""
    names = {name for cls in mro(type(thing)) for name, member in vars_of(cls).items() if _is_slot(member)}
    slots = {name: attribute(thing, name) for name in names - {"__dict__"}}
    return {name: kept for name, kept in slots.items() if kept is not MISSING} | _dict_of(thing)


def attribute(thing: object, name: str) -> Any:
    """Return one attribute that `thing` keeps itself, or `MISSING`."""
    kept = _dict_of(thing)
    if name in kept:
        return kept[name]
    for cls in mro(type(thing)):
        member = vars_of(cls).get(name)
        if member is not None and _is_slot(member):
            try:
                return member.__get__(thing)
            except AttributeError:
                return MISSING  # a slot that nothing was put into
    return MISSING


def vars_of(cls: type) -> Mapping[str, Any]:
    """Return what `cls` itself defines."""
    found: Mapping[str, Any] = type.__getattribute__(cls, "__dict__")
    return found


def _dict_of(thing: object) -> dict[str, Any]:
    for cls in mro(type(thing)):
        member = vars_of(cls).get("__dict__")
        if member is not None:
            kind = type(member)
            if kind is not GetSetDescriptorType and kind is not MemberDescriptorType:
                break  # a proxy, which shows another one's
            found: dict[str, Any] = member.__get__(thing)
            return found
    return {}


def _is_slot(member: object) -> bool:
    return type(member) is MemberDescriptorType


def items(thing: object) -> list[Any]:
    """Return what is in a list, tuple, set or dict, as Python itself iterates it, whatever the class says."""
    for kind, contents in _CONTENTS:
        if issubclass(type(thing), kind):
            return list(contents(thing))
    return []


def is_a(thing: object, package: str, name: str | None = None) -> bool:
    """Whether one of the classes of `thing` is called `name`, or anything, and comes from `package`."""
    for cls in mro(type(thing)):
        module = vars_of(cls).get("__module__")
        if not isinstance(module, str) or (name is not None and type.__getattribute__(cls, "__name__") != name):
            continue
        if module == package or module.startswith(f"{package}."):
            return True
    return False
