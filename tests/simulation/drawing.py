"""How a schedule is drawn from its seed: a family of seeds shares the policy, each has its own calls."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, Final

from tests.simulation.schedule import FAULTS, SHAPES, Boundary, Caller, Schedule, Step, Turn

FAMILY: Final = 20
"""Seeds that share a policy: declaring a boundary costs as much as running a schedule on it."""


class _Chance(random.Random):
    """Choices at half the price: a bias of one in 2⁵⁰ does no harm here."""

    def choice(self, seq: Any) -> Any:
        """Return one of `seq`."""
        return seq[int(self.random() * len(seq))]

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        """Return a whole number from `start` to under `stop`."""
        if stop is None:
            start, stop = 0, start
        return start + step * int(self.random() * ((stop - start) // step))


_SALT: Final = 0x5EED

_COARSE: Final = (0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Times that often coincide: a schedule of these is about who goes first."""

_FINE: Final = 2.0**-20
"""Fractions that never coincide, and whose sums are exact: a schedule of these can be foretold."""

_RUNGS: Final = {
    "async": ("value", "quick", "broken", "invalid", "slow", "hung", "ai", "last_good"),
    "sync": ("value", "quick", "broken", "invalid", "slow", "ai", "last_good"),
    "buffer": ("value", "quick", "broken", "slow", "hung", "last_good"),
    "sync_buffer": ("value", "quick", "broken", "slow", "last_good"),
    "stream": ("value", "quick", "broken", "invalid"),
    "sync_stream": ("value", "quick", "broken", "invalid"),
}


def drawn(seed: int) -> Schedule:
    """Return the schedule of `seed`."""
    shape, boundaries = family(seed // FAMILY)
    return _calls(seed, shape, boundaries)


def family(number: int) -> tuple[str, tuple[Boundary, ...]]:
    """Return shape and boundaries that a family of seeds shares."""
    rng = random.Random(number * 2 + _SALT)
    shape = rng.choices(SHAPES, (10, 3, 1, 3, 1, 1))[0]
    first = _boundary(rng, shape)
    if rng.random() < 0.2 and not shape.startswith("sync"):
        first.settings["dependency"] = "provider"
        second = _boundary(rng, shape)
        second.settings["dependency"] = "provider"
        slow = first.settings.get("breaker", {}).get("slow_call")
        if slow is not None:  # it must not be over the times of either
            second.settings.pop("attempt_timeout", None)
        for shared in ("breaker", "retry_budget"):  # what is shared is set alike
            second.settings.pop(shared, None)
            if shared in first.settings:
                second.settings[shared] = first.settings[shared]
        return shape, (first, second)
    return shape, (first,)


def _boundary(rng: random.Random, shape: str) -> Boundary:
    chosen: dict[str, Any] = {"deadline": rng.choice((2.0, 3.0, 4.0, 8.0))}
    _draw_attempts(rng, chosen)
    _draw_limits(rng, chosen)
    if shape not in {"async", "sync"}:
        _draw_stream(rng, shape, chosen)
    if shape.startswith("sync"):
        chosen["isolation"] = "inline"
    if shape in {"async", "buffer"} and rng.random() < 0.3 and chosen.get("bulkhead", {}).get("limit", 2) > 1:
        chosen["hedge"] = {"after": rng.choice((0.25, 0.25, 0.4, None))}
    if rng.random() < 0.25:
        chosen["key"] = True
    if rng.random() < 0.05:
        chosen["mode"] = "off"
    return Boundary(chosen, _draw_ladder(rng, shape, chosen), rng.choice((None, 0.0, 0.25, 0.5, 1.0)))


def _draw_attempts(rng: random.Random, chosen: dict[str, Any]) -> None:
    if rng.random() < 0.6:
        chosen["attempt_timeout"] = rng.choice((0.5, 1.0, 1.0, 1.5, 2.0))
    if rng.random() < 0.7:
        chosen["retry"] = {"attempts": rng.choice((2, 2, 3, 4))}
        if rng.random() < 0.2:
            chosen["retry"]["on"] = rng.choice((("connection",), ("timeout", "unclassified"), ("auth", "connection")))
    chosen["output"] = rng.random() < 0.6
    if chosen["output"] and rng.random() < 0.6:
        chosen["reask"] = rng.choice((1, 1, 2))


def _draw_limits(rng: random.Random, chosen: dict[str, Any]) -> None:
    if rng.random() < 0.6:
        chosen["breaker"] = _breaker(rng, chosen.get("attempt_timeout", chosen["deadline"]))
    if rng.random() < 0.6:
        chosen["bulkhead"] = _bulkhead(rng)
    if rng.random() < 0.25:
        chosen["budget"] = {"calls": rng.choice((1, 2, 3, 5)), "per": rng.choice((1.0, 2.0, 5.0, 60.0))}
    if rng.random() < 0.35:
        rare = {
            "ratio": rng.choice((0.0, 0.2, 0.5, 1.0)),
            "floor": rng.choice((0, 1, 2)),
            "per": rng.choice((2.0, 10.0)),
        }
        chosen["retry_budget"] = rng.choice((rare, rare, None))


def _draw_stream(rng: random.Random, shape: str, chosen: dict[str, Any]) -> None:
    chosen["stream"] = "buffer" if shape.endswith("buffer") else "passthrough"
    if rng.random() < 0.4:
        chosen["first_item"] = rng.choice((0.5, 1.0, 1.5))
    if rng.random() < 0.4:
        chosen["idle"] = rng.choice((0.3, 0.5, 1.0))


def _draw_ladder(rng: random.Random, shape: str, chosen: dict[str, Any]) -> tuple[str, ...]:
    if rng.random() < 0.5:
        return ()
    if shape.endswith("stream") and rng.random() < 0.5:
        chosen["on_break"] = "rung"
    if rng.random() < 0.3:
        chosen["fallback_timeout"] = rng.choice((0.0, 0.25, 0.5))
    return tuple(rng.sample(_RUNGS[shape], rng.choice((1, 1, 2, 3))))


def _breaker(rng: random.Random, longest: float) -> dict[str, Any]:
    breaker: dict[str, Any] = {
        "minimum_calls": rng.choice((1, 2, 2, 3, 4)),
        "failure_rate": rng.choice((0.25, 0.5, 0.5, 0.75, 1.0)),
        "open_for": rng.choice((0.5, 1.0, 1.0, 2.0)),
        "open_for_max": rng.choice((2.0, 3.0, 300.0)),
        "probes": rng.choice((1, 2, 3)),
    }
    breaker["concurrent_probes"] = rng.randint(1, breaker["probes"])
    if rng.random() < 0.3:
        breaker["window_calls"] = breaker["minimum_calls"] + rng.choice((0, 0, 1, 3))
    else:
        breaker["window"] = rng.choice((2.5, 5.0, 10.0, 60.0))
    if rng.random() < 0.4:
        breaker["slow_call"] = min(longest, rng.choice((0.25, 0.5, 1.0)))
        breaker["slow_rate"] = rng.choice((0.5, 0.8, 1.0))
    if rng.random() < 0.1:
        breaker["metrics_only"] = True
    return breaker


def _bulkhead(rng: random.Random) -> dict[str, Any]:
    limit = rng.choice((1, 1, 2, 3))
    bulkhead = {"limit": limit, "queue": rng.choice((0, 1, 2, 4))}
    if rng.random() < 0.35:
        bulkhead["floor"] = rng.randint(1, limit)
        if rng.random() < 0.7:
            bulkhead["ceiling"] = limit + rng.choice((0, 1, 2))
    return bulkhead


def _calls(seed: int, shape: str, boundaries: tuple[Boundary, ...]) -> Schedule:
    rng = _Chance(seed)
    one_by_one = shape.startswith("sync") or rng.random() < 0.35
    fine = one_by_one or rng.random() < 0.3
    time = (
        (lambda: rng.randrange(1, 3 << 19) * _FINE * rng.choice((0.25, 1.0, 2.0)))
        if fine
        else (lambda: rng.choice(_COARSE))
    )
    kinds = _mood(rng)
    streams = shape not in {"async", "sync"}
    callers = []
    at = 0.0
    for _ in range(rng.choice((2, 3, 4, 5, 6))):
        at = time() if one_by_one else at + (time() if rng.random() < 0.5 else 0.0)
        steps = tuple(
            _step(rng, time, kinds, streams=streams, sync=shape.startswith("sync"))
            for _ in range(rng.choice((1, 2, 2, 3)))
        )
        caller: dict[str, Any] = {"at": at, "steps": steps}
        if len(boundaries) > 1:
            caller["boundary"] = rng.randrange(len(boundaries))
        if rng.random() < 0.2:
            caller["deadline"] = rng.choice((0.5, 1.0, 2.0, 2.5))
        if rng.random() < 0.3:
            caller["priority"] = rng.choice(("critical", "sheddable"))
        if boundaries[0].settings.get("key") and rng.random() < 0.7:
            caller["key"] = rng.choice("ab")
        if not shape.startswith("sync") and rng.random() < (0.15 if one_by_one else 0.25):
            caller["gives_up"] = time()
            if one_by_one:  # who of the two is cancelled then, and by whom, is not foretold
                caller["steps"] = tuple(replace(step, swallows=0) for step in steps)
        if streams and not shape.endswith("buffer"):
            caller["pause"] = rng.choice((0.0, 0.0, time()))
            caller["enough"] = rng.choice((None, None, None, 0, 1, 2))
        caller["plain"] = rng.random() < 0.3
        callers.append(Caller(**caller))
    turns = [] if one_by_one and rng.random() < 0.7 else [_turn(rng, time) for _ in range(rng.choice((0, 0, 1, 1, 2)))]
    if one_by_one:  # between two calls, which begin when the one before has ended
        turns = [Turn(float(rng.randrange(len(callers))), turn.what, turn.seconds) for turn in turns]
    return Schedule(
        seed,
        shape,
        boundaries,
        tuple(callers),
        tuple(sorted(turns, key=lambda turn: turn.at)),
        rng.choice((0.0, 0.25, 0.5, 0.96875)),
        one_by_one,
        tangled=not one_by_one and rng.random() < 0.5,
    )


def _mood(rng: random.Random) -> tuple[str, ...]:
    """Return what the component mostly does in this schedule."""
    faults = tuple(rng.sample(tuple(FAULTS), 2))
    return rng.choice(
        (
            ("ok", "ok", "ok", *faults),
            ("ok", *faults),
            ("ok", "connection", "connection"),
            ("ok", "hang"),
            ("ok", "ok", "invalid", "connection"),
            ("ok", *faults, "hang", "invalid"),
        )
    )


def _step(rng: random.Random, time: Any, kinds: tuple[str, ...], *, streams: bool, sync: bool) -> Step:
    then = rng.choice(kinds)
    gaps = tuple(time() for _ in range(rng.choice((0, 1, 2, 3)))) if streams else ()
    swallows = 1 if not sync and rng.random() < 0.08 else 0
    return Step(then, time(), gaps, swallows)


def _turn(rng: random.Random, time: Any) -> Turn:
    what = rng.choice(("jump", "jump", "off", "on", "open", "close", "half_open"))
    return Turn(time() * 2, what, rng.choice((0.5, 2.0, 5.0)) if what == "jump" else 0.0)
