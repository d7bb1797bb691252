"""What an object of a client's holds, by name, where nobody knows whether it has such a field."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

_NO_MODEL: Final = object()


def field(holder: Any, name: str) -> Any:
    """
    Return what `holder` has under `name`: as an attribute, or as a key of a mapping; `None` where it has no such thing.

    A pydantic model takes long to say that it has not, so it is not asked.

    Raises:
        Exception: Whatever a property of that name raises.
    """
    if holder is None:
        return None
    cls: Any = type(holder)
    own = getattr(holder, "__dict__", None)
    if own is not None and name in own:
        return own[name]
    extra: Any = getattr(holder, "__pydantic_extra__", _NO_MODEL)
    if extra is not _NO_MODEL and not is_of_class(cls, name):
        return extra.get(name) if extra else None
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


@lru_cache(maxsize=1024)
def is_of_class(cls: type, name: str) -> bool:
    """Whether a class, or one that it derives from, defines `name`."""
    return any(name in vars(base) for base in cls.__mro__)
