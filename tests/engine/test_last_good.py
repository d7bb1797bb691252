"""`last_good` in every shape: what is kept, what is served and how old it says it is, and what outlasts a reload."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from aiguard import (
    Boundary,
    BoundaryError,
    Breaker,
    Bulkhead,
    FailureKind,
    OutputContract,
    Policy,
    PolicyError,
    Retry,
    Rung,
    guard,
    last_good,
)
from aiguard.engine.state import State
from tests.shapes import PATIENCE, SHAPES, Hang, Harness, Held, Items, Takes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiguard.testing import VirtualClock

DOWN = ConnectionError
TTL = 60.0


def first(*args: Any) -> Any:
    """Tell a question by the first argument, of a scripted component."""
    return args[0]


def asked(question: str) -> str:
    """Tell a question by itself."""
    return question


@pytest.fixture
def keeping(scenario: Callable[..., Harness], shape: str) -> Callable[..., Harness]:
    """Make a guarded component of each shape whose ladder begins with `last_good`; a stream is buffered."""

    def make(*script: Any, **settings: Any) -> Harness:
        if shape.endswith("generator"):
            settings["stream"] = "buffer"
        by = settings.pop("by", first)
        rungs = [last_good(by=by, ttl=settings.pop("ttl", TTL), size=settings.pop("size", 1024))]
        return scenario(*script, fallback=[*rungs, *settings.pop("then", [])], **settings)

    return make


def held(harness: Harness) -> int:
    """Return how many answers are kept."""
    return sum(memory.held for memory in harness.boundary._state.memories.values())


# --- what is served


def test_the_last_good_answer_is_served_with_its_age(keeping: Callable[..., Harness], clock: VirtualClock) -> None:
    """To the same question, as long as the component fails; its own answer comes back with the component."""
    harness = keeping("one", "two", DOWN, DOWN, "three", output=str)
    assert harness("q") == "one"
    fresh = harness.outcome("q")
    assert (fresh.value, fresh.source, fresh.age) == ("two", "component", None)
    for age in (5.0, 35.0):
        clock.advance(age if age < 6 else 30.0)
        outcome = harness.outcome("q")
        assert (outcome.value, outcome.ok, outcome.source, outcome.rung) == ("two", True, "fallback", "last_good")
        assert outcome.degraded
        assert outcome.age == pytest.approx(age)
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.CONNECTION
    assert harness("q") == "three"


def test_serving_an_answer_makes_it_no_younger(keeping: Callable[..., Harness], clock: VirtualClock) -> None:
    """What was served is no answer of the component's: its age goes on to count from when that gave it."""
    harness = keeping("good", DOWN, DOWN, then=["floor"])
    harness("q")
    clock.advance(TTL - 1)
    assert harness("q") == "good"
    clock.advance(2.0)
    outcome = harness.outcome("q")
    assert (outcome.rung, outcome.age) == ("value", None)


def test_another_question_has_another_answer(keeping: Callable[..., Harness]) -> None:
    """Where this one was never answered, the next rung is asked; without one the cause leaves."""
    harness = keeping("to a", "to b", DOWN, DOWN, DOWN)
    harness("a")
    harness("b")
    assert (harness("b"), harness("a")) == ("to b", "to a")
    error = harness.fails("c")
    assert error.failure.kind is FailureKind.CONNECTION
    assert error.outcome is not None
    assert (error.outcome.rung, error.outcome.age) == (None, None)


@pytest.mark.parametrize(
    ("script", "settings"),
    [
        ([DOWN], {}),
        ([Hang()], {}),
        ([Hang()], {"attempt_timeout": 1.0}),
        ([ValueError("nobody knows")], {}),
        (["no number"], {}),
        ([DOWN, DOWN, "no number"], {"retry": Retry(attempts=3, wait=lambda _: 0.1)}),
    ],
    ids=["down", "hung", "attempt", "unclassified", "invalid", "retried"],
)
def test_it_answers_whatever_the_component_does(
    keeping: Callable[..., Harness], script: list[Any], settings: dict[str, Any]
) -> None:
    """A failure, a hang until the very deadline, an answer that breaks the contract."""
    # what hangs in the caller's thread comes back after a thousand seconds
    harness = keeping("7", *script, output=int, ttl=2000.0, **settings)
    harness("q")
    outcome = harness.outcome("q")
    assert (outcome.value, outcome.rung) == (7, "last_good")


@pytest.mark.parametrize("how", ["halted", "open", "full"])
def test_it_answers_where_the_component_is_not_called(keeping: Callable[..., Harness], how: str) -> None:
    """It asks no AI: also where a person said no, where the breaker is open, where nobody else may come in."""
    held_up = Held()
    harness = keeping("good", held_up, breaker=Breaker(), bulkhead=Bulkhead(limit=1))
    harness("q")
    inside = harness.start(held_up, "other") if how == "full" else None
    if how == "halted":
        harness.boundary.mode = "off"
    elif how == "open":
        harness.boundary.breaker.open()
    outcome = harness.outcome("q")
    held_up.let_go.set()
    assert inside is None or inside.result() == "ok"
    assert (outcome.rung, outcome.age, outcome.attempts) == ("last_good", 0.0, ())


class Note(BaseModel):
    """An answer with something mutable in it."""

    tags: list[str]


@pytest.mark.parametrize("output", [None, dict[str, list[str]], Note], ids=["none", "dict", "model"])
def test_no_caller_changes_what_another_is_served(keeping: Callable[..., Harness], output: Any) -> None:
    """Not the one who had the answer from the component, nor anybody who was served it."""
    harness = keeping({"tags": ["a"]}, DOWN, DOWN)
    if output is not None:
        whole = list[output] if harness.is_stream else output
        harness = keeping({"tags": ["a"]}, DOWN, DOWN, output=whole, name="judged")
    for _ in range(3):
        answer = harness("q")
        tags = answer.tags if isinstance(answer, Note) else answer["tags"]
        assert tags == ["a"]
        tags.append("spoiled")


# --- what is kept


@pytest.mark.parametrize(
    "step",
    [DOWN, Takes(20.0, "1"), Takes(10.001, "1"), "no number", Hang(), KeyboardInterrupt],
    ids=["failed", "late", "hardly late", "invalid", "hung", "interrupted"],
)
def test_what_did_not_leave_is_not_kept(keeping: Callable[..., Harness], step: Any) -> None:
    """No failure, no answer that came too late or broke the contract, and nothing that a rung gave instead."""
    harness = keeping(step, DOWN, output=OutputContract(str, checks=[str.isdigit]), then=["0"], ttl=2000.0)
    with suppress(KeyboardInterrupt):
        assert harness.outcome("q").rung == "value"
    assert held(harness) == 0
    assert harness.outcome("q").rung == "value"


def test_what_an_abandoned_thread_says_later_is_not_kept(clock: VirtualClock) -> None:
    """Its caller was told that there is no answer; nobody may be told otherwise afterwards."""
    for shape in ("thread", "thread_generator"):
        harness = Harness(
            shape,
            clock,
            [Takes(20.0, "late"), DOWN],
            shape,
            {"fallback": [last_good(by=first, ttl=1e6), "floor"]} | ({"stream": "buffer"} if shape != "thread" else {}),
        )
        assert harness("q") == "floor"
        assert harness.boundary.abandoned == 1
        clock.advance(30.0)
        _until(lambda: harness.boundary.abandoned == 0)  # noqa: B023 - called at once
        assert held(harness) == 0
        assert harness("q") == "floor"


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE * 1000)):
        if holds():
            return
        threading.Event().wait(0.001)
    pytest.fail("it never held")


def test_what_was_halted_meanwhile_is_not_kept(keeping: Callable[..., Harness]) -> None:
    """A boundary switched off while a call is inside lets no answer out, so it keeps none."""
    inside = Held("meanwhile")
    harness = keeping(inside, then=["floor"])
    call = harness.start(inside, "q")
    harness.boundary.mode = "off"
    inside.let_go.set()
    assert call.result() == "floor"
    assert held(harness) == 0


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.startswith("async")], indirect=True)
def test_a_cancelled_call_keeps_nothing(keeping: Callable[..., Harness], clock: VirtualClock) -> None:
    """Also where its component had an answer in the very tick of the cancellation."""
    harness = keeping(Takes(1.0, "good"), Takes(1.0, "good"))

    async def main(after: float) -> None:
        task = asyncio.ensure_future(harness.acall("q"))
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    clock.run(main(0.5))
    clock.run(main(1.0))
    assert held(harness) == 0


def test_a_stream_that_is_dropped_before_its_end_keeps_nothing(clock: VirtualClock) -> None:
    """It was never whole; one that is whole is kept whatever its consumer then does with it."""
    del clock
    begun: list[int] = []

    @guard("chat", deadline=5.0, isolation="inline", stream="buffer", fallback=[last_good(by=asked, ttl=TTL)])
    def chat(question: str) -> Iterator[str]:
        begun.append(len(question))
        if len(begun) > 1:
            raise DOWN
        yield "one "
        yield "two"

    chat("q").close()
    assert begun == []
    stream = chat("q")
    assert next(stream) == "one "
    stream.close()
    assert list(chat("q")) == ["one ", "two"]


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.endswith("generator")], indirect=True)
@pytest.mark.parametrize("output", [str, None], ids=["judged", "as it is"])
def test_a_buffered_stream_is_served_item_by_item(keeping: Callable[..., Harness], output: Any) -> None:
    """The items that the component gave, not their whole; as a value the outcome has what it always has."""
    harness = keeping(Items("one ", "two"), Items("half", DOWN()), DOWN, output=output)
    assert harness("q") == ["one ", "two"]
    assert harness("q") == ["one ", "two"]
    outcome = harness.outcome("q")
    assert (outcome.value, outcome.rung) == ("one two" if output else None, "last_good")


def test_no_more_answers_are_kept_than_size_says(keeping: Callable[..., Harness]) -> None:
    """The oldest goes first."""
    harness = keeping("to a", "to b", "to c", DOWN, DOWN, DOWN, size=2, then=["floor"])
    for question in "abc":
        harness(question)
    assert [harness(question) for question in "abc"] == ["floor", "to b", "to c"]


def test_a_by_that_fails_changes_no_call(keeping: Callable[..., Harness], caplog: pytest.LogCaptureFixture) -> None:
    """Good answers pass, and where the component fails the next rung answers; said without a word of content."""

    def by(*_: Any) -> Any:
        raise LookupError("SECRET")

    harness = keeping("good", "good", DOWN, by=by, then=["floor"])
    assert [harness("SECRET") for _ in range(3)] == ["good", "good", "floor"]
    assert caplog.text.count("an answer is not kept for `last_good`: `by` raised LookupError") == 1
    assert "SECRET" not in caplog.text


def test_what_cannot_be_copied_passes_and_is_not_kept(
    keeping: Callable[..., Harness], caplog: pytest.LogCaptureFixture
) -> None:
    """A component may return what it likes where there is no contract."""
    lock = threading.RLock()
    harness = keeping(lock, lock, DOWN, then=["floor"])
    assert harness("q") is harness("q") is lock
    assert caplog.text.count("an answer is not kept for `last_good`: copying") == 1
    assert harness("q") == "floor"


class Question:
    """An argument that can be watched."""


@pytest.mark.parametrize("step", ["good", DOWN], ids=["good", "failed"])
def test_a_call_leaves_only_what_by_returned(keeping: Callable[..., Harness], clock: VirtualClock, step: Any) -> None:
    """Arguments are let go of with the call, whatever is kept."""
    harness = keeping(step, by=lambda *_: "the same", then=["floor"])
    question = Question()
    gone = weakref.ref(question)
    harness(question)
    del question

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    _until(is_gone)
    assert clock.elapsed == 0


# --- who asks


def test_threads_and_event_loops_share_what_is_kept() -> None:
    """An answer that was given on one loop is served on another, in another thread."""
    answers = iter(["good", DOWN, DOWN])

    @guard("tests.last_good.loops", deadline=10.0, fallback=[last_good(by=asked, ttl=TTL)])
    async def component(question: str) -> str:
        del question
        step = next(answers)
        if step is DOWN:
            raise DOWN
        return str(step)

    served: list[str] = [asyncio.run(component("q")), asyncio.run(component("q"))]
    thread = threading.Thread(target=lambda: served.append(asyncio.run(component("q"))))
    thread.start()
    thread.join()
    assert served == ["good"] * 3


def test_a_method_is_asked_with_its_instance(clock: VirtualClock) -> None:
    """`by` takes what the component takes, `self` included: two instances may have two answers."""
    del clock

    class Service:
        def __init__(self, tenant: str) -> None:
            self.tenant, self.down = tenant, False

        @guard(
            "service",
            deadline=1.0,
            isolation="inline",
            fallback=[last_good(by=lambda self, question: (self.tenant, question), ttl=TTL), "floor"],
        )
        def ask(self, question: str) -> str:
            if self.down:
                raise DOWN
            return f"{self.tenant} {question}"

    one, other = Service("one"), Service("other")
    assert one.ask("q") == "one q"
    one.down = other.down = True
    assert (one.ask("q"), other.ask("q")) == ("one q", "floor")


@pytest.mark.parametrize("stream", [None, "buffer"])
def test_two_functions_of_one_boundary_are_never_mistaken(clock: VirtualClock, stream: Any) -> None:
    """The same arguments are another question where another function is asked."""
    del clock
    boundary = Boundary(
        "llm", deadline=1.0, isolation="inline", stream=stream, fallback=[last_good(by=first, ttl=TTL), "floor"]
    )
    down = False

    def answer(text: str) -> str:
        if down:
            raise DOWN
        return text

    def summary(text: str) -> Any:
        return answer(f"summary of {text}")

    def title(text: str) -> Any:
        return answer(f"title of {text}")

    def summaries(text: str) -> Iterator[str]:
        yield answer(f"summary of {text}")

    def titles(text: str) -> Iterator[str]:
        yield answer(f"title of {text}")

    def ask(fn: Any) -> Any:
        return boundary.call(fn, "t") if stream is None else "".join(boundary.stream(fn, "t"))

    one, other = (summary, title) if stream is None else (summaries, titles)
    assert ask(one) == "summary of t"
    down = True
    assert (ask(one), ask(other)) == ("summary of t", "floor")


# --- what is refused at declaration


async def acoroutine(question: str) -> str:
    """Be no plain function."""
    return question


def generator(question: str) -> Iterator[str]:
    """Be no plain function."""
    yield question


async def agenerator(question: str) -> AsyncIterator[str]:
    """Be no plain function."""
    yield question


class Awaited:
    """A callable object that is no plain function."""

    async def __call__(self, question: str) -> str:
        return question


def needs_more(question: str, *, failure: Any) -> Any:
    """Want what is not there when an answer is kept."""
    return question, failure


def two(question: str, other: str) -> Any:
    """Take more than the component."""
    return question, other


PLAIN = "must be a plain function"
TAKES = "does not take the component's arguments"


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        (acoroutine, PLAIN),
        (generator, PLAIN),
        (agenerator, PLAIN),
        (Awaited(), PLAIN),
        (functools.partial(acoroutine), PLAIN),
        (two, TAKES),
        (needs_more, TAKES),
        (lambda: "nothing", TAKES),
        (lambda text: text, TAKES),
    ],
    ids=["async", "generator", "async generator", "object", "partial", "two", "failure", "none", "by name"],
)
def test_a_by_that_cannot_tell_the_question_is_refused(clock: VirtualClock, by: Any, reason: str) -> None:
    """It is held against the component's arguments, as a rung is."""
    del clock

    def component(question: str) -> str:
        return question

    with pytest.raises(PolicyError, match=r"boundary 't': setting `fallback\[1\]`=LastGood") as caught:
        guard("t", deadline=1.0, fallback=["floor", last_good(by=by, ttl=TTL)])(component)
    assert reason in str(caught.value)


def test_a_guarded_by_is_refused(clock: VirtualClock) -> None:
    """What a question is, no AI decides: it is asked also where the boundary is switched off."""
    del clock

    @guard("inner", deadline=1.0, isolation="inline")
    def by(question: str) -> str:
        return question

    with pytest.raises(PolicyError, match=PLAIN):
        guard("t", deadline=1.0, fallback=[last_good(by=by, ttl=TTL)])(lambda question: question)


@pytest.mark.parametrize("by", [str, len, functools.partial(asked), lambda *args: args])
def test_a_by_may_be_any_plain_callable(clock: VirtualClock, by: Any) -> None:
    """A class, a builtin, a partial: what can be called with the arguments and comes back at once."""
    del clock
    down = False

    @guard("t", deadline=1.0, isolation="inline", fallback=[last_good(by=by, ttl=TTL)])
    def component(question: str, /) -> str:
        if down:
            raise DOWN
        return question

    component("q")
    down = True
    assert component.outcome("q").age is not None


@pytest.mark.parametrize("declare", [guard, Boundary])
@pytest.mark.parametrize("isolation", ["thread", None])
def test_for_a_passthrough_stream_it_is_refused(clock: VirtualClock, declare: Any, isolation: Any) -> None:
    """No whole answer of one is ever held; the message says what to do."""
    del clock
    rung = last_good(by=first, ttl=TTL)
    with pytest.raises(PolicyError, match='declare `stream="buffer"`'):
        declare("t", deadline=1.0, stream="passthrough", isolation=isolation, fallback=[rung])


def test_it_is_no_function_of_a_rung(clock: VirtualClock) -> None:
    """It stands on the ladder as it is."""
    del clock
    wrapped: Any = last_good(by=first, ttl=TTL)
    with pytest.raises(PolicyError, match=r"`Rung.fn` must be callable"):
        guard("t", deadline=1.0, fallback=[Rung(wrapped)])(lambda question: question)


# --- over a reload


def state(*rungs: Any, before: State | None = None) -> State:
    """Return what calls share under a policy with these rungs."""
    return State("t", Policy(fallback=rungs), before)


def test_a_reload_keeps_the_answers_of_a_rung_that_is_set_as_before() -> None:
    """A policy that is read anew has a new rung, equal by its settings; one that is set otherwise begins empty."""
    begun = state(last_good(by=first, ttl=TTL), "floor")
    [memory] = begun.memories.values()
    same = state("other", last_good(by=first, ttl=TTL), before=begun)
    assert list(same.memories.values()) == [memory]
    for changed in (last_good(by=first, ttl=61.0), last_good(by=first, ttl=TTL, size=9), last_good(by=len, ttl=TTL)):
        [other] = state(changed, before=same).memories.values()
        assert other is not memory
    gone = state("floor", before=same)
    assert gone.memories == {}
    assert list(state(last_good(by=first, ttl=TTL), before=gone).memories.values()) != [memory]


def test_a_reload_forgets_no_answer(keeping: Callable[..., Harness], clock: VirtualClock) -> None:
    """An answer from before is served after it, with its whole age; also one of a call that began before."""
    inside = Held("two")
    harness = keeping("one", inside, DOWN, DOWN, output=str)
    boundary = harness.boundary
    harness("a")
    call = harness.start(inside, "b")
    clock.advance(5.0)
    again = last_good(by=first, ttl=TTL)
    boundary._adopt(boundary._revise(boundary.policy.model_copy(update={"deadline": 9.0, "fallback": (again,)})))
    inside.let_go.set()
    assert call.result() == "two"
    assert [harness.outcome(question).value for question in "ab"] == ["one", "two"]
    boundary._adopt(boundary._revise(boundary.policy.model_copy(update={"output": int})))
    with pytest.raises(BoundaryError):
        harness("a")
