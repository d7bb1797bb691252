"""What a group of settings is: frozen, and strict about what it is given."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from aiguard.errors import PolicyError
from aiguard.problem import Problem, nearest, shown


def finite(value: float) -> float:
    """Return `value`, which must be a number that ends."""
    if not math.isfinite(value):
        msg = "must be a finite number of seconds"
        raise ValueError(msg)
    return value


REQUIRED: Final = "required"
"""How the reason begins where a setting is missing."""

SECONDS: Final = "seconds"
"""The unit of a setting that is a time; a file may write it with other units."""

Seconds = Annotated[float, Field(gt=0), AfterValidator(finite), SECONDS]
Rate = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class SettingsGroup(BaseModel):
    """A frozen group of settings that refuses what it does not know."""

    # built at the first declaration: an import that declares nothing need not pay for it
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, strict=True, defer_build=True)

    PREFIX: ClassVar[str | None] = None
    """What stands before a setting's name in a refusal; by default the group's own name and a dot."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Keep the names of its settings."""
        super().__pydantic_init_subclass__(**kwargs)
        _NAMES.update(cls.model_fields)

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise PolicyError(*_problems(type(self), error)) from None


_NAMES: Final[set[str]] = set()


def unknown(setting: str, group: type[BaseModel]) -> str:
    """Return why there is no such `setting` in `group`, with the nearest one that there is."""
    return f"no such setting{nearest(setting, group.model_fields)}"


def _problems(model: type[SettingsGroup], error: ValidationError) -> list[Problem]:
    """Return everything that pydantic found wrong: setting, value, reason."""
    title = f"{model.__name__}." if model.PREFIX is None else model.PREFIX
    found: dict[tuple[str, str], Problem] = {}
    for line in error.errors(include_url=False):
        place = ".".join(str(part) for part in line["loc"] if str(part) in _NAMES)
        setting: str | None = title + place if place else None
        cause = line.get("ctx", {}).get("error")
        if isinstance(cause, PolicyError):  # a group of settings, given as a dict
            for problem in cause.problems:
                inner = (problem.setting or "").partition(".")[2]
                path = problem.setting if setting is None else f"{setting}.{inner}" if inner else setting
                found.setdefault((path or "", problem.reason), replace(problem, setting=path))
            continue
        reason = line["msg"].removeprefix("Value error, ").removeprefix("Input ")
        value: str | None = shown(line["input"])
        if line["type"] == "missing":
            beside = ", ".join(f"`{name}`" for name in line["input"])
            reason, value = f"{REQUIRED} beside {beside}" if beside else REQUIRED, None
        elif line["type"] == "extra_forbidden":
            stray = str(line["loc"][-1])
            setting, reason = title + stray, unknown(stray, model)
        elif not line["loc"]:
            value, setting = None, title.rstrip(".") or None
        # a value that fits no alternative of its setting is one problem, not one for each
        found.setdefault((setting or "", "" if place else reason), Problem(reason, None, setting, value))
    return list(found.values())
