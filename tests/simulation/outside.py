"""What must hold whatever happened, seen from outside: by callers, by the component, and by who looks afterwards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from aiguard import BoundaryError, FailureKind, Interrupted
from tests.simulation.checks.check import NEARLY
from tests.simulation.component import BROKEN, VALUES
from tests.simulation.conformance import ROOT
from tests.simulation.loop import START
from tests.simulation.reference.running import INSISTS

if TYPE_CHECKING:
    from tests.simulation.component import Run
    from tests.simulation.foretelling import Foreteller, Foretold
    from tests.simulation.playing import Ending, Played
    from tests.simulation.schedule import Caller

KINDS: Final = frozenset(kind.value for kind in FailureKind)
ENDINGS: Final = KINDS | {"ok", "cancelled", "closed"}


def look(played: Played) -> None:
    """Tell of everything that does not hold."""
    for number, caller in enumerate(played.schedule.callers):
        ending = played.endings.get(number)
        if ending is None:
            played.disagree(f"call {number} never began")
            continue
        runs = [run for run in played.runs if run.call == number]
        for what in _wrong_with(played, caller, ending, runs):
            played.disagree(f"call {number}: {what}")
    for index, guarded in enumerate(played.guarded):
        for what in _left(guarded.boundary, played.inside[index]):
            played.disagree(f"{guarded.boundary.name}: {what}")
    _crowded(played)


def _wrong_with(played: Played, caller: Caller, ending: Ending, runs: list[Run]) -> list[str]:
    policy = played.guarded[caller.boundary].boundary.policy
    found: list[str] = []
    if ending.how not in ENDINGS:
        return [f"it ended with {ending.how}"]
    if ending.how == "cancelled" and caller.gives_up is None:
        found.append("it was cancelled, and nobody did")
    if ending.how in KINDS and not isinstance(ending.error, BoundaryError):
        found.append(f"{ending.how} left as {ending.error!r}")
    allowed = _attempts(policy)
    if len(runs) > allowed:
        found.append(f"the component was called {len(runs)} times, {allowed} are allowed")
    if not played.schedule.shape.startswith("sync"):
        allowed_time = min(policy.deadline, caller.deadline or math.inf)
        late = _spent(played, ending) - allowed_time
        grace = ending.jumped + INSISTS * sum(run.swallowed for run in runs) + NEARLY
        if late > grace:
            found.append(f"it ended {late:g} s after its deadline, {grace:g} s are explained")
        past = [run for run in runs if run.began >= ending.began + allowed_time]
        # who was suspended in a wait may come back past its deadline; the attempt is cut off at once
        if past and not ending.jumped and not ending.waited:
            found.append(f"run {past[0].attempt + 1} began {past[0].began - ending.began:g} s after its call")
    if ending.how == "ok":
        found += _wrong_value(played, caller, ending, runs)
    if ending.outcome is not None:
        found += _wrong_outcome(ending, runs, streamed=played.schedule.shape.endswith("stream"))
    return found


def _attempts(policy: Any) -> int:
    tries = (policy.retry.attempts if policy.retry is not None else 1) + policy.reask
    return int(tries * (2 if policy.hedge is not None else 1))


def _spent(played: Played, ending: Ending) -> float:
    return ending.waited if played.schedule.shape.endswith(("stream", "buffer")) else ending.ended - ending.began


def _wrong_value(played: Played, caller: Caller, ending: Ending, runs: list[Run]) -> list[str]:
    """Look whether the answer is one that the component or a rung gave, and keeps the contract."""
    boundary = played.schedule.boundaries[caller.boundary]
    judged = played.guarded[caller.boundary].boundary.policy.output is not None
    items = ending.value if isinstance(ending.value, list) else [ending.value]
    items = [item for item in items if not isinstance(item, Interrupted)]
    if judged and BROKEN in items:
        return [f"{ending.value!r} breaks the contract"]
    given = {run.value(item) for run in runs for item in range(len(run.step.gaps) + 1)}
    given |= {VALUES[rung] for rung in boundary.ladder if rung in VALUES}
    kept = "last_good" in boundary.ladder
    strange = [item for item in items if item != BROKEN and item not in given and not (kept and item >= 1000)]
    return [f"nobody gave it {strange[0]!r}"] if strange else []


def _wrong_outcome(ending: Ending, runs: list[Run], *, streamed: bool) -> list[str]:  # noqa: C901 - a list of what holds
    """Look whether the outcome agrees with itself and with what was seen."""
    outcome = ending.outcome
    assert outcome is not None
    found: list[str] = []
    if ending.how in KINDS and outcome.ok:
        found.append("an error left, and the outcome is ok")
    if ending.how == "ok" and not outcome.ok:
        found.append("a value left, and the outcome is not ok")
    if outcome.ok and outcome.source != ("fallback" if outcome.rung is not None else "component"):
        found.append(f"rung {outcome.rung}, and the source is {outcome.source}")
    if outcome.degraded != (outcome.source == "fallback"):
        found.append(f"degraded is {outcome.degraded}, the source {outcome.source}")
    if outcome.ok and (outcome.failure is None) != (outcome.rung is None):
        found.append(f"rung {outcome.rung}, and the failure is {outcome.failure}")
    if not outcome.ok and ending.how in KINDS and (outcome.failure is None or outcome.failure.kind != ending.how):
        found.append(f"{ending.how} left, and the outcome says {outcome.failure}")
    numbers = [attempt.number for attempt in outcome.attempts]
    if numbers != sorted(set(numbers)) or any(number < 1 for number in numbers):
        found.append(f"the attempts are numbered {numbers}")
    unseen = len(outcome.attempts) - len(runs)
    if unseen and not (streamed and unseen > 0):  # a generator that is closed before its first item never runs
        found.append(f"{len(runs)} runs of the component, {len(outcome.attempts)} attempts in the outcome")
    if not streamed and abs(outcome.elapsed - (ending.ended - ending.began)) > NEARLY:
        found.append(f"elapsed is {outcome.elapsed}, and it took {ending.ended - ending.began}")
    for attempt in outcome.attempts:
        over = attempt.started + attempt.elapsed > outcome.elapsed + NEARLY
        found += [f"{attempt} does not fit"] if over or attempt.started < 0 or attempt.elapsed < 0 else []
    return found


def _left(boundary: Any, inside: int) -> list[str]:
    """Look whether everything was given back."""
    found = [] if not inside else [f"{inside} runs of the component never ended"]
    permits = boundary.bulkhead
    if permits is not None and (permits.in_flight, permits.queued) != (0, 0):
        found.append(f"{permits.in_flight} permits are out, {permits.queued} wait")
    state = boundary._state
    workers = state.workers.busy + state.rung_workers.busy
    return [*found, f"{workers} threads are busy"] if workers else found


def _crowded(played: Played) -> None:
    """Look whether more were inside at once than the bulkhead ever allows."""
    for index, guarded in enumerate(played.guarded):
        bulkhead = guarded.boundary.policy.bulkhead
        if bulkhead is None:
            continue
        moments = [(run.began, 1) for run in played.runs if run.boundary == index]
        moments += [(run.ended, -1) for run in played.runs if run.boundary == index and run.ended is not None]
        inside = most = 0
        for _, step in sorted(moments):  # at the same moment who leaves comes first
            inside += step
            most = max(most, inside)
        if most > bulkhead.most:
            played.disagree(f"{guarded.boundary.name}: {most} were inside at once")


def compare(played: Played, foretold: list[Foretold]) -> None:
    """Tell of every call that came to something else than was foretold."""
    for number, should in enumerate(foretold):
        ending = played.endings.get(number)
        if ending is not None:
            for what in _differences(played, ending, should, number):
                played.disagree(f"call {number}: {what}")


def _differences(played: Played, ending: Ending, should: Foretold, number: int) -> list[str]:
    found: list[str] = []
    if ending.how != should.how:
        found.append(f"ended as {ending.how}, foretold was {should.how}")
    if not _near(ending.ended, should.ended):
        found.append(f"ended at {ending.ended - START:.6f}, foretold was {should.ended - START:.6f}")
    runs = sum(run.call == number for run in played.runs)
    if runs != should.runs:
        found.append(f"{runs} runs of the component, foretold were {should.runs}")
    if ending.how == "ok" and not _same(ending.value, should.value):
        found.append(f"answered {ending.value!r}, foretold was {should.value!r}")
    outcome = ending.outcome
    if outcome is None or ending.how == "cancelled":
        return found
    seen = (outcome.rung, outcome.failure.kind.value if outcome.failure is not None else None)
    if seen != (should.rung, should.cause):
        found.append(f"rung and failure are {seen}, foretold were {(should.rung, should.cause)}")
    tried = [(one.number, one.reason, one.failure.kind.value if one.failure else "ok") for one in outcome.attempts]
    told = [(one.number, one.reason, one.how) for one in should.attempts]
    if tried != told:
        return [*found, f"attempts {tried}, foretold were {told}"]
    for one, other in zip(outcome.attempts, should.attempts, strict=True):
        if not (_near(one.started, other.started) and _near(one.elapsed, other.elapsed)):
            found.append(f"attempt {one.number} from {one.started:g} for {one.elapsed:g} s, foretold was {other}")
    return found


def _same(value: Any, should: Any) -> bool:
    return value == should or (isinstance(value, list) and value == [should]) or should is None


def _near(one: float, other: float) -> bool:
    return abs(one - other) < NEARLY


def states(played: Played, teller: Foreteller) -> None:
    """Tell of everything that is in another state at the end than was foretold."""
    now = played.clock.now()
    for index, guarded in enumerate(played.guarded):
        state = guarded.boundary._state
        for (name, key), should in teller.keys.items():
            if name != (guarded.boundary.policy.dependency or guarded.boundary.name):
                continue
            partition = state.partition if key == ROOT else state.dependency.of(key)
            if should.breaker is not None and partition.breaker.current_state != should.breaker.state:
                seen = partition.breaker.current_state
                played.disagree(f"breaker {name} {key or ''} is {seen}, foretold was {should.breaker.state}")
            pause = max(0.0, partition.cooldown.until - now), max(0.0, should.pause.left(now))
            if not _near(*pause):
                played.disagree(f"{pause[0]:g} s of a pause are left, foretold were {pause[1]:g}")
        bulkhead = teller.bulkheads[index]
        if bulkhead is not None and guarded.boundary.bulkhead.limit != bulkhead.limit:
            played.disagree(f"the limit is {guarded.boundary.bulkhead.limit}, foretold was {bulkhead.limit}")
