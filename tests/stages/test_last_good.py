"""The memory of `last_good`: against a reference model, from many threads, and on the ladder alone."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import textwrap
import threading
import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import BaseModel

from aiguard import BoundaryError, DeadlineExceededError, FailureKind, OutputContract, last_good
from aiguard.contract import Judge
from aiguard.events import RunEnded
from aiguard.stages.fallback import FallbackStage, Form, Step, Way
from aiguard.stages.last_good import Memory, NothingKept
from aiguard.stream import Buffered
from tests.shapes import Background
from tests.stages.fakes import Ear, Rest, answer, call_for, failing, later, run

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from aiguard.testing import VirtualClock

DOWN = failing(FailureKind.CONNECTION)
TTL = 60.0


def told(*args: Hashable, **kwargs: Hashable) -> Hashable:
    """Tell a question by all its arguments."""
    return (args, tuple(kwargs.items()))


def memory(by: Callable[..., Any] = told, *, ttl: float = TTL, size: int = 1024) -> Memory:
    """Return an empty memory."""
    return Memory("triage", last_good(by=by, ttl=ttl, size=size))


def keep(kept: Memory, question: Hashable, value: Any, given: float) -> None:
    """Keep an answer, as the ladder does."""
    make = kept.copied(question, value)
    assert make is not None
    kept.keep(question, make, given)


# --- against a reference model


class MemoryMachine(RuleBasedStateMachine):
    """Answers are kept and recalled in any order while time passes; the model is a list, the oldest answer first."""

    @initialize(size=st.integers(1, 4))
    def declare(self, size: int) -> None:
        self.size = size
        self.now = 1000.0
        self.answers = 0
        self.memory = memory(ttl=TTL, size=size)
        self.model: list[tuple[int, int, float]] = []

    @rule(seconds=st.sampled_from([0.0, 1.0, 20.0, TTL, TTL + 1]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(question=st.integers(0, 5))
    def keep(self, question: int) -> None:
        self._keep(question, self.now)

    @rule(question=st.integers(0, 5), ago=st.sampled_from([0.5, 30.0]))
    def keep_late(self, question: int, ago: float) -> None:
        """Keep an answer that was given before others that are there already: threads overtake each other."""
        self._keep(question, self.now - ago)

    def _keep(self, question: int, given: float) -> None:
        self.answers += 1
        keep(self.memory, question, self.answers, given)
        held = [entry for entry in self.model if entry[0] == question and entry[2] > given]
        self.model = [entry for entry in self.model if entry[0] != question]
        self.model.append(held[0] if held else (question, self.answers, given))
        self.model = self.model[-self.size :]  # what is too old goes first, as it does where it is dropped at once

    @rule(question=st.integers(0, 5))
    def recall(self, question: int) -> None:
        expected = [entry for entry in self.model if entry[0] == question and self.now - entry[2] <= TTL]
        if not expected:
            with pytest.raises(NothingKept):
                self.memory.recall(question, self.now)
        else:
            [(_, value, given)] = expected
            assert self.memory.recall(question, self.now) == (value, self.now - given)

    @invariant()
    def no_more_is_kept_than_may_be(self) -> None:
        assert self.memory.held <= self.size

    def teardown(self) -> None:
        if not hasattr(self, "memory"):
            return
        self.now += 10 * TTL
        with pytest.raises(NothingKept):
            self.memory.recall(0, self.now)
        assert self.memory.held == 0, "what is too old is not held on to"


MemoryMachine.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
TestMemoryMachine = MemoryMachine.TestCase


# --- the memory alone


@pytest.mark.parametrize(("age", "served"), [(0.0, True), (59.9, True), (60.0, True), (60.1, False), (1e9, False)])
def test_an_answer_is_served_up_to_its_ttl(age: float, *, served: bool) -> None:
    """The very moment included; after it, it is as if it had never been given."""
    kept = memory()
    keep(kept, "q", "answer", 1000.0)
    if served:
        value, found = kept.recall("q", 1000.0 + age)
        assert (value, round(found, 6)) == ("answer", age)
    else:
        with pytest.raises(NothingKept):
            kept.recall("q", 1000.0 + age)


def test_serving_saves_no_answer_from_going() -> None:
    """The answer that was kept first goes first, however often it was served; keeping it anew makes it the last."""
    kept = memory(size=2)
    keep(kept, "a", 1, 1000.0)
    keep(kept, "b", 2, 1001.0)
    assert kept.recall("a", 1002.0) == (1, 2.0)
    keep(kept, "c", 3, 1003.0)
    with pytest.raises(NothingKept):
        kept.recall("a", 1003.0)
    keep(kept, "b", 4, 1004.0)
    keep(kept, "d", 5, 1005.0)
    assert kept.recall("b", 1005.0) == (4, 1.0)


def test_what_is_too_old_is_let_go_of() -> None:
    """Whenever something is kept or looked up: an answer that nobody may have takes no memory."""
    kept = memory()
    keep(kept, "a", 1, 1000.0)
    keep(kept, "b", 2, 1050.0)
    keep(kept, "c", 3, 1070.0)
    assert kept.held == 2
    with pytest.raises(NothingKept):
        kept.recall("other", 1120.0)
    assert kept.held == 1


def test_no_answer_is_younger_than_now() -> None:
    """A thread that read the clock before another one kept an answer finds it no less than new."""
    kept = memory()
    keep(kept, "q", "answer", 1000.5)
    assert kept.recall("q", 1000.0) == ("answer", 0.0)


class Note(BaseModel):
    """An answer with something mutable in it."""

    tags: list[str] = []


@pytest.mark.parametrize(
    ("value", "spoil"),
    [
        ({"tags": ["a"]}, lambda value: value["tags"].append("b")),
        (["a"], lambda value: value.append("b")),
        (Note(tags=["a"]), lambda value: value.tags.append("b")),
    ],
    ids=["dict", "list", "model"],
)
def test_nobody_shares_a_mutable_answer(value: Any, spoil: Callable[[Any], None]) -> None:
    """Neither with the caller that it was given to first, nor with another that it is served to."""
    kept = memory()
    good = repr(value)
    keep(kept, "q", value, 1000.0)
    spoil(value)
    first, _ = kept.recall("q", 1000.0)
    assert repr(first) == good
    spoil(first)
    assert repr(kept.recall("q", 1000.0)[0]) == good


def secret(*_: Any) -> Any:
    """Raise what must not be read."""
    raise LookupError("SECRET")


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        (secret, "`by` raised LookupError"),
        (lambda *_: ["SECRET"], "what is called, or what `by` returned (list), cannot be hashed"),
        (lambda *_: (["SECRET"],), "what is called, or what `by` returned (tuple), cannot be hashed"),
        (lambda: "takes nothing", "`by` raised TypeError"),
    ],
)
def test_a_question_that_cannot_be_told_is_said_once(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, by: Callable[..., Any], reason: str
) -> None:
    """It changes no call: nothing is kept, nothing served; the log has the class and no content."""
    kept = memory(by)
    question = kept.question(answer, call_for(clock, "SECRET"))
    for _ in range(3):
        assert kept.copied(question, "answer") is None
    assert [record.getMessage() for record in caplog.records] == [
        f"boundary 'triage': an answer is not kept for `last_good`: {reason}"
    ]
    with pytest.raises(NothingKept) as caught:
        kept.recall(question, clock.now())
    assert str(caught.value) == reason
    assert "SECRET" not in caplog.text


def test_an_answer_that_cannot_be_copied_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Said once, by its class; callers are never handed the same one."""
    kept = memory()
    for _ in range(3):
        assert kept.copied("q", threading.Lock()) is None
    assert caplog.text.count("copying lock raised TypeError") == 1


class Quarrelsome:
    """A key that is never compared in peace."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise LookupError("SECRET")


def test_keys_that_cannot_be_compared_change_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the user's own keys do, keeping raises nothing, and the bound holds."""
    kept = memory(size=1)
    for _ in range(3):
        keep(kept, Quarrelsome(), "answer", 1000.0)
    assert kept.held == 1
    assert caplog.text.count("comparing what `by` returned raised LookupError") == 1
    assert "SECRET" not in caplog.text


def test_two_functions_of_one_boundary_are_two_questions(clock: VirtualClock) -> None:
    """The same arguments ask something else of another function."""
    kept = memory()
    call = call_for(clock, "text")
    keep(kept, kept.question(str.upper, call), "TEXT", 1000.0)
    assert kept.recall(kept.question(str.upper, call), 1000.0) == ("TEXT", 0.0)
    with pytest.raises(NothingKept):
        kept.recall(kept.question(str.title, call), 1000.0)


class Mourned:
    """An answer that uses the memory once more as it dies."""

    def __init__(self, kept: Memory) -> None:
        weakref.finalize(self, lambda: keep(kept, "last words", "farewell", 1000.0))

    def __deepcopy__(self, memo: object) -> Mourned:
        return self


@pytest.mark.parametrize("end", ["pushed out", "replaced", "too old", "too old for a lookup"])
def test_answers_die_outside_the_lock(end: str) -> None:
    """What an answer does as it dies may come back: nobody waits for a lock that he holds himself."""
    kept = memory(size=1)
    keep(kept, "q", Mourned(kept), 1000.0)

    def act() -> None:
        if end == "too old for a lookup":
            with pytest.raises(NothingKept):
                kept.recall("other", 2000.0)
        else:
            keep(kept, "q" if end == "replaced" else "other", "x", 2000.0 if end == "too old" else 1001.0)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(10.0)
    assert not thread.is_alive()


# --- many threads, and a fork


@dataclass(frozen=True)
class Asked:
    """A question whose hash and comparison are Python code: another thread may come in between."""

    number: int


def hammer(kept: Memory, questions: int, seed: int) -> None:
    """Keep and recall at random; whatever is recalled has to be an answer to the question, and one's own copy."""
    chance = random.Random(seed)
    now = 1000.0
    for _ in range(5000):
        now += 0.01
        question = chance.randrange(questions)
        if chance.random() < 0.5:
            keep(kept, Asked(question), [question], now)
            continue
        try:
            value, age = kept.recall(Asked(question), now)
        except NothingKept:
            continue
        assert value == [question]
        assert 0.0 <= age <= kept.rung.ttl
        value.append("spoiled")


def test_from_many_threads_the_bound_and_every_answer_hold(caplog: pytest.LogCaptureFixture) -> None:
    """Eight threads keep, recall and let expire: never more than `size`, never another question's answer, no fault."""
    size, seen, stop = 4, [0], threading.Event()
    kept = memory(ttl=0.05, size=size)

    def watch() -> None:
        while not stop.is_set():
            seen[0] = max(seen[0], kept.held)

    watcher = threading.Thread(target=watch)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        watcher.start()
        callers = [Background(partial(hammer, kept, size * 2, seed)) for seed in range(8)]
        for caller in callers:
            caller.result()
    finally:
        sys.setswitchinterval(before)
        stop.set()
        watcher.join()
    assert 0 < seen[0] <= size
    assert caplog.text == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_goes_on_with_the_answers() -> None:
    """Although another thread held the lock in the moment of the fork; what the child keeps is its own."""
    script = textwrap.dedent(
        """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside threads
        from aiguard import Policy, last_good
        from aiguard.engine.state import State

        rung = last_good(by=lambda text: text, ttl=60.0)
        state = State("triage", Policy(fallback=[rung]))
        memory = state.memories[rung]
        memory.keep("q", lambda: "answer", 1000.0)
        memory._lock.acquire()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                state.forked()
                assert memory.recall("q", 1001.0) == ("answer", 1.0)
                memory.keep("q", lambda: "other", 1002.0)
                code = 0
            finally:
                os._exit(code)
        memory._lock.release()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert memory.recall("q", 1001.0) == ("answer", 1.0)
        """
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)


# --- on the ladder


def rung(kept: Memory) -> Step:
    """Return the rung that serves from a memory."""
    return Step("last_good", Way.MEMORY, kept.recall, memory=kept)


def ladder(kept: Memory, *more: Step, schema: Any = None, form: Form = Form.VALUE) -> FallbackStage:
    """Return a ladder that begins with `last_good`."""
    return FallbackStage((rung(kept), *more), Judge.of(OutputContract(schema)) if schema else None, None, form)


def floor(value: Any = "floor") -> Step:
    """Return a rung that is a value."""
    return Step("value", Way.VALUE, lambda: value)


def test_what_left_is_served_to_the_same_question(clock: VirtualClock) -> None:
    """With its age; another question has no answer."""
    stage = ladder(memory(), floor())
    assert run(stage, Rest("good"), call_for(clock, "q", urgent=True)) == "good"
    clock.advance(5.0)
    call = call_for(clock, "q", urgent=True)
    assert run(stage, Rest(DOWN), call) == "good"
    assert (call.journal.rung, call.journal.failure, call.journal.age) == ("last_good", DOWN.failure, 5.0)
    other = call_for(clock, "q", urgent=False)
    assert run(stage, Rest(DOWN), other) == "floor"
    assert (other.journal.rung, other.journal.age) == ("value", None)


@pytest.mark.parametrize("kind", FailureKind)
def test_it_answers_whatever_failed(clock: VirtualClock, kind: FailureKind) -> None:
    """It asks nobody anything, so it answers too where a person or the input said no."""
    stage = ladder(memory())
    run(stage, Rest("good"), call_for(clock, "q"))
    assert run(stage, Rest(failing(kind)), call_for(clock, "q")) == "good"


def test_a_rungs_answer_is_not_kept(clock: VirtualClock) -> None:
    """Only what the component gave is its last good answer."""
    kept = memory()
    assert run(ladder(kept, floor()), Rest(DOWN), call_for(clock, "q")) == "floor"
    assert kept.held == 0


@pytest.mark.parametrize("ending", [DOWN, KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
def test_a_call_that_gave_no_answer_keeps_none(clock: VirtualClock, ending: BaseException) -> None:
    """A failure, a cancellation, the end of the program: nothing left, so nothing is kept."""
    kept = memory()
    with pytest.raises(type(ending)):
        run(ladder(kept), Rest(ending), call_for(clock, "q"))
    assert kept.held == 0


def test_it_costs_no_share_of_the_time(clock: VirtualClock) -> None:
    """The component has the whole deadline, and after it there is still an answer."""
    stage = ladder(memory())
    assert stage.callables == 0
    rest = Rest("good", later(clock, 11.0, DOWN))
    run(stage, rest, call_for(clock, "q"))
    late = call_for(clock, "q")
    assert run(stage, rest, late) == "good"
    assert rest.calls[1].deadline == late.deadline
    assert late.journal.age == pytest.approx(11.0)


class Slow:
    """An answer that takes its time to be copied."""

    def __init__(self, clock: VirtualClock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def __deepcopy__(self, memo: object) -> Slow:
        self.clock.advance(self.seconds)
        return self


def test_copying_is_part_of_the_deadline(clock: VirtualClock) -> None:
    """An answer that is late because it was copied is late, and is not kept; one that is in time is."""
    kept = memory()
    with pytest.raises(DeadlineExceededError) as caught:
        run(ladder(kept), Rest(Slow(clock, 11.0)), call_for(clock, "q"))
    assert caught.value.failure.kind is FailureKind.DEADLINE_EXHAUSTED
    assert kept.held == 0
    run(ladder(kept), Rest(Slow(clock, 9.0)), call_for(clock, "q"))
    assert kept.held == 1


def test_the_question_is_the_one_that_was_asked(clock: VirtualClock) -> None:
    """`by` runs once a call, before the component, which may change what it was given."""
    asked: list[str] = []

    def by(messages: list[str]) -> str:
        asked.append("/".join(messages))
        return asked[-1]

    def spoil(call: Any) -> str:
        call.args[0].append("spoiled")
        return "good"

    def fail(call: Any) -> BoundaryError:
        call.args[0].append("spoiled")
        return DOWN

    stage = ladder(memory(by))
    run(stage, Rest(spoil), call_for(clock, ["q"]))
    assert run(stage, Rest(fail), call_for(clock, ["q"])) == "good"
    assert asked == ["q", "q"]


def test_where_by_fails_the_next_rung_answers(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """A broken `by` keeps no good answer from the caller, and no other rung from answering."""
    stage = ladder(memory(secret), floor())
    assert run(stage, Rest("good"), call_for(clock, "q")) == "good"
    assert run(stage, Rest(DOWN), call_for(clock, "q")) == "floor"
    assert "rung 'last_good' did not answer: `by` raised LookupError" in caplog.text
    assert "SECRET" not in caplog.text


def test_where_nothing_is_kept_the_cause_leaves(clock: VirtualClock) -> None:
    """As where any other rung has no answer: the component's own failure, and a failed rung for who listens."""
    ear = Ear()
    call = call_for(clock, "q", ear=ear)
    with pytest.raises(BoundaryError) as caught:
        run(ladder(memory()), Rest(DOWN), call)
    assert caught.value is DOWN
    assert (call.journal.rung, call.journal.age) == (None, None)
    [ended] = [event for event in ear.events if isinstance(event, RunEnded)]
    assert ended.run.failure is not None
    assert "no answer to this question is kept" in ended.run.failure.message


def test_one_ladder_may_hold_two(clock: VirtualClock) -> None:
    """The same question first, then a wider one that may be older."""
    exact, wide = memory(ttl=10.0), memory(lambda *_: "any", ttl=100.0)
    stage = FallbackStage((rung(exact), rung(wide)), None, None, Form.VALUE)
    run(stage, Rest("good"), call_for(clock, "q"))
    for question, passed, age in [("q", 5.0, 5.0), ("other", 1.0, 6.0), ("q", 50.0, 56.0)]:
        clock.advance(passed)
        call = call_for(clock, question)
        assert run(stage, Rest(DOWN), call) == "good"
        assert call.journal.age == age


# --- contract and form


@pytest.mark.parametrize(
    ("schema", "good"),
    [
        (str | int, "7"),
        (str | int, "text"),
        (str | None, None),
        (str, ""),
        (Note, Note(tags=["a"])),
        (dict[str, int], {"a": 1}),
        (bytes, b"x"),
    ],
)
def test_what_satisfies_the_contract_is_served_as_it_was(clock: VirtualClock, schema: Any, good: Any) -> None:
    """A value that has been judged is judged as a value: text in it is not parsed once more."""
    stage = ladder(memory(), schema=schema)
    run(stage, Rest(good), call_for(clock, "q"))
    assert run(stage, Rest(DOWN), call_for(clock, "q")) == good


def test_what_breaks_the_contract_by_now_is_not_served(clock: VirtualClock) -> None:
    """A contract may have changed since, or may look at the day: the next rung answers."""
    kept = memory()
    run(ladder(kept), Rest("text"), call_for(clock, "q"))
    call = call_for(clock, "q")
    assert run(ladder(kept, floor(1), schema=int), Rest(DOWN), call) == 1
    assert (call.journal.rung, call.journal.age) == ("value", None)


@pytest.mark.parametrize("schema", [None, str])
def test_of_a_buffered_stream_the_whole_is_kept(clock: VirtualClock, schema: Any) -> None:
    """Its items as they came, and what the contract makes of them, as from the component itself."""
    stage = ladder(memory(), schema=schema, form=Form.BUFFER)
    items = ["one ", "two"]
    whole = Buffered(items, "one two" if schema else None)
    assert run(stage, Rest(whole), call_for(clock, "q")) is whole
    items.append("spoiled")
    served = run(stage, Rest(DOWN), call_for(clock, "q"))
    assert served == Buffered(["one ", "two"], whole.value)
