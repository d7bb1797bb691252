"""
A schedule, as plain values: it can be printed, played again, and made smaller.

The policy of one or two boundaries, what their component does at each attempt, who calls when, who gives up when, and
what else happens meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

SHAPES: Final = ("async", "sync", "buffer", "stream", "sync_buffer", "sync_stream")
"""
Coroutines; plain functions in the caller's thread; async generators, held back and passed on; generators likewise.
"""

FAULTS: Final = {
    # what the component raises: the kind that this is, and the seconds after which it asks to be called again
    "connection": ("connection", None),
    "own_timeout": ("timeout", None),
    "server_error": ("server_error", None),
    "overloaded": ("overloaded", None),
    "overloaded_pause": ("overloaded", 2.0),
    "rate_limited": ("rate_limited", None),
    "rate_limited_pause": ("rate_limited", 1.5),
    "rate_limited_long": ("rate_limited", 60.0),
    "auth": ("auth", None),
    "quota": ("quota_exhausted", None),
    "bad_request": ("bad_request", None),
    "unclassified": ("unclassified", None),
}
ANSWERS: Final = ("ok", "invalid")


@dataclass(frozen=True, slots=True)
class Step:
    """
    What the component does at one attempt.

    Attributes:
        then: How it ends: one of `ANSWERS`, of `FAULTS`, or `hang`.
        seconds: How long it takes to that; of a stream, to that after its last item.
        gaps: Of a stream: how long each of its items takes.
        swallows: How many cancellations it swallows; after each of them it goes on for as long as it would have taken.
    """

    then: str = "ok"
    seconds: float = 0.0
    gaps: tuple[float, ...] = ()
    swallows: int = 0


@dataclass(frozen=True, slots=True)
class Caller:
    """
    One call.

    Attributes:
        at: When it begins, in seconds from the start.
        steps: What the component does at its first, second … attempt; the last of them from then on.
        boundary: Which of the boundaries it calls.
        deadline: The deadline that it asks for, or `None`.
        priority: Its place in the order of priorities.
        key: What it asks with, where the policy has a key.
        gives_up: Seconds after which its task is cancelled, or `None`.
        pause: Of a stream: how long its consumer takes over each item.
        enough: Of a stream: after how many items its consumer closes it, or `None`.
        plain: Whether it calls the function itself, not its `.outcome(…)`.
    """

    at: float
    steps: tuple[Step, ...]
    boundary: int = 0
    deadline: float | None = None
    priority: str = "normal"
    key: str | None = None
    gives_up: float | None = None
    pause: float = 0.0
    enough: int | None = None
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """
    What else happens.

    Attributes:
        at: When.
        what: `off` and `on` switch the first boundary; `jump` lets time pass while nobody can do anything; `open`,
            `close` and `half_open` move its breaker by hand.
        seconds: How far a jump goes.
    """

    at: float
    what: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Boundary:
    """
    One boundary's settings, as keyword arguments of plain values.

    Attributes:
        settings: What `guard` is given; groups of settings as dicts of theirs.
        ladder: The names of its rungs.
        wait: The wait between attempts in seconds, or `None` for the usual jitter.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    ladder: tuple[str, ...] = ()
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    All of it.

    Attributes:
        seed: What it was drawn from.
        shape: The shape of the component.
        boundaries: One, or two of the same dependency.
        callers: The calls, in the order of their beginning.
        turns: What else happens.
        chance: What the clock's chance answers.
        one_by_one: Whether each call begins when the one before has ended, its `at` seconds later: then the reference
            foretells all of it, and no stage is tapped.
        tangled: Whether timers of the same moment fire in a random order.
    """

    seed: int
    shape: str
    boundaries: tuple[Boundary, ...]
    callers: tuple[Caller, ...]
    turns: tuple[Turn, ...] = ()
    chance: float = 0.0
    one_by_one: bool = False
    tangled: bool = True

    def smaller(self) -> list[Schedule]:
        """Return what is one thing less than this, the largest losses first."""
        found = [replace(self, callers=_without(self.callers, index)) for index in range(len(self.callers))]
        found += [replace(self, turns=_without(self.turns, index)) for index in range(len(self.turns))]
        found += [
            replace(self, boundaries=tuple(_less(one, gone) for one in self.boundaries)) for gone in self._settings()
        ]
        found += [self._with_boundary(index, one) for index, it in enumerate(self.boundaries) for one in _lower(it)]
        found += [self._with_caller(index, one) for index, it in enumerate(self.callers) for one in _simpler(it)]
        if self.tangled:
            found.append(replace(self, tangled=False))
        return [one for one in found if one.callers and one != self]

    def _settings(self) -> list[str]:
        """Return the settings that can be done without; all boundaries together, since some are shared."""
        return [name for name in {name: None for one in self.boundaries for name in one.settings} if name not in _KEPT]

    def _with_caller(self, index: int, caller: Caller) -> Schedule:
        return replace(self, callers=(*self.callers[:index], caller, *self.callers[index + 1 :]))

    def _with_boundary(self, index: int, boundary: Boundary) -> Schedule:
        return replace(self, boundaries=(*self.boundaries[:index], boundary, *self.boundaries[index + 1 :]))

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.shape}, {'one by one' if self.one_by_one else 'at once'}"]
        lines[0] += f", chance {self.chance:g}{', timers tangled' if self.tangled else ''}"
        for index, boundary in enumerate(self.boundaries):
            lines.append(f"  boundary {index}: ladder {list(boundary.ladder)}, wait {boundary.wait}")
            lines += [f"    {name} = {value}" for name, value in boundary.settings.items()]
        for index, caller in enumerate(self.callers):
            lines.append(f"  call {index}: {_told(caller)}")
            lines += [f"    attempt {number}: {_told(step)}" for number, step in enumerate(caller.steps, 1)]
        lines += [f"  turn: {_told(turn)}" for turn in self.turns]
        return "\n".join(lines)


def _told(thing: Caller | Step | Turn) -> str:
    """Return the fields that say something."""
    usual = type(thing)(**dict.fromkeys(_REQUIRED[type(thing)], None))  # type: ignore[arg-type]
    said = {name: getattr(thing, name) for name in thing.__slots__ if getattr(thing, name) != getattr(usual, name)}
    said.pop("steps", None)
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in said.items()
    )


_REQUIRED: Final[dict[type, tuple[str, ...]]] = {Caller: ("at", "steps"), Step: (), Turn: ("at", "what")}


def _without(things: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    return things[:index] + things[index + 1 :]


_KEPT: Final = frozenset({"deadline", "stream", "isolation", "output"})


def _less(boundary: Boundary, gone: str) -> Boundary:
    """Return the same boundary without a setting."""
    return replace(boundary, settings={name: value for name, value in boundary.settings.items() if name != gone})


def _lower(boundary: Boundary) -> list[Boundary]:
    """Return the same boundary without one of its rungs."""
    return [replace(boundary, ladder=_without(boundary.ladder, index)) for index in range(len(boundary.ladder))]


def _simpler(caller: Caller) -> list[Caller]:
    """Return the same call without one of the things that are special about it."""
    found = [replace(caller, steps=_without(caller.steps, index)) for index in range(1, len(caller.steps))]
    usual = {"deadline": None, "priority": "normal", "key": None, "gives_up": None, "pause": 0.0, "enough": None}
    found += [replace(caller, **{name: it}) for name, it in usual.items() if getattr(caller, name) != it]  # type: ignore[arg-type]
    for index, step in enumerate(caller.steps):
        plain = [replace(step, swallows=0)] if step.swallows else []
        plain += [replace(step, gaps=step.gaps[:-1])] if step.gaps else []
        found += [replace(caller, steps=(*caller.steps[:index], one, *caller.steps[index + 1 :])) for one in plain]
    return found
