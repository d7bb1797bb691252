"""Where tests step in: which boundaries a block means, how blocks nest, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest

import aiguard
from aiguard import Boundary, Breaker, Retry, guard
from aiguard.testing import Fails, VirtualClock, answering, disabled, fresh_registry, inject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.shapes import Harness

TOUCHED = ("_pipelines", "_pipeline", "breaker")


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    """Every test leaves `Boundary` as it was."""
    before = {name: Boundary.__dict__[name] for name in TOUCHED}
    with fresh_registry():
        yield
    assert {name: Boundary.__dict__[name] for name in TOUCHED} == before


def guarded(name: str = "component", **settings: Any) -> Any:
    """Return a guarded function that answers `real`."""

    @guard(name, deadline=1.0, isolation="inline", **settings)
    def component(*_: object) -> str:
        return "real"

    return component


def test_a_block_holds_for_a_name_a_boundary_a_guarded_function_and_all(
    scenario: Callable[..., Harness],
) -> None:
    """In every shape; afterwards the component answers again."""
    harness = scenario(*["real"] * 9)
    for which in (None, "*", "scen*", "s?enario", "[rs]cenario", "scenario", harness.boundary, harness.guarded):
        with answering("answered", which):
            assert harness() == "answered"
        assert harness() == "real"


def test_other_boundaries_go_on() -> None:
    """A block changes only those that it means."""
    first, second = guarded("first"), guarded("second")
    for which in ("first", first, first.boundary, "fir*"):
        with answering("answered", which):
            assert (first(), second()) == ("answered", "real")
            assert second.outcome().value == "real"
            assert second.boundary.breaker is None


def test_boundaries_of_both_forms_are_met(clock: VirtualClock) -> None:
    """Also those without a decorator: `call`, `outcome` and `stream`."""
    values: Any = Boundary("values", deadline=1.0)
    streams = Boundary("streams", deadline=1.0, stream="passthrough")

    def generate() -> Iterator[str]:
        yield "real"

    async def answer() -> str:
        return "real"

    with answering(["a", "b"]):
        assert values.call(lambda: "real") == ["a", "b"]
        assert values.outcome(lambda: "real").value == ["a", "b"]
        assert list(streams.stream(generate)) == ["a", "b"]
        assert clock.run(values.call(answer)) == ["a", "b"]
    assert values.call(lambda: "real") == "real"
    assert list(streams.stream(generate)) == ["real"]


def test_a_boundary_declared_inside_the_block_is_met() -> None:
    """Where the block means all, or by a pattern."""
    with answering("answered", "late-*"):
        assert guarded("late-one")() == "answered"
        assert guarded("early")() == "real"


def test_a_reload_inside_the_block_changes_the_policy_not_the_block(tmp_path: Path) -> None:
    """The new policy holds at once, and afterwards too."""
    file = tmp_path / "aiguard.yaml"
    file.write_text("version: 1\nboundaries:\n  component: {retry: {attempts: 2}}\n")
    component = guarded(fallback=["floor"])
    with answering(aiguard.FailureKind.CONNECTION):
        assert len(component.outcome().attempts) == 1
        aiguard.configure(file)
        assert len(component.outcome().attempts) == 2
    assert component() == "real"
    assert component.boundary.policy.retry == Retry(attempts=2)


def test_a_breaker_that_a_reload_brings_counts_inside_the_block(tmp_path: Path) -> None:
    """By the settings of the new policy."""
    file = tmp_path / "aiguard.yaml"
    file.write_text("version: 1\nboundaries:\n  component: {breaker: {minimum_calls: 2}}\n")
    component = guarded(fallback=["floor"])
    with inject("component", Fails("connection")):
        component()
        assert component.boundary.policy.breaker is None
        aiguard.configure(file)
        component()
        component()
        assert component.boundary.breaker.current_state == "open"
    assert component.boundary.breaker.current_state == "closed"


def test_the_innermost_block_decides() -> None:
    """An answer inside an answer, a direct call inside an answer, a real call with an answer inside a direct one."""
    component = guarded()
    with answering("outer"):
        with answering("inner"):
            assert component() == "inner"
        with disabled():
            assert component() == "real"
            with answering(aiguard.FailureKind.HALTED):
                assert component.outcome().failure.kind == "halted"
            with inject(None, Fails("connection")), pytest.raises(aiguard.ComponentError):
                component()
        assert component() == "outer"
    with answering(aiguard.FailureKind.HALTED), answering("inner"):
        assert component() == "inner"


def test_injected_faults_add_up() -> None:
    """Those of the outer block come first; an answer is met by the faults inside its block."""
    component = guarded()
    with answering("answered"):
        with inject(None, Fails("overloaded"), times=1) as outer, inject(None, Fails("connection"), times=1) as inner:
            kinds = [component.outcome().failure for _ in range(3)]
            assert [failure and failure.kind for failure in kinds] == ["overloaded", "connection", None]
            assert component() == "answered"
        assert (outer.hits, inner.hits) == (1, 1)
        assert (outer.calls, inner.calls) == (4, 3)
    with inject(None, Fails("overloaded")) as hidden, answering("answered"):
        assert component() == "answered"
    assert hidden.calls == 0


def test_blocks_may_end_in_any_order() -> None:
    """Fixtures do."""
    component = guarded()
    first, second = answering("first"), answering("second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert component() == "second"
    second.__exit__(None, None, None)
    assert component() == "real"


def test_a_block_ends_where_its_body_raises() -> None:
    """And what was raised goes on."""
    component = guarded()
    with pytest.raises(LookupError), answering("answered"):
        raise LookupError
    assert component() == "real"


def test_a_block_is_open_once_at_a_time() -> None:
    """The second time would be taken for the first."""
    block = answering("answered")
    with block, pytest.raises(RuntimeError, match="the block is open already"), block:
        pytest.fail("entered twice")
    assert guarded()() == "real"


@pytest.mark.parametrize("block", [answering, lambda wanted: inject(wanted, Fails("auth")), disabled])
def test_a_name_that_is_nobodys_is_refused(block: Any) -> None:
    """With the nearest one that is somebody's; nothing is changed then."""
    guarded("ticket-triage")
    made = block("tiket-triage") if block is not answering else answering("x", "tiket-triage")
    with pytest.raises(ValueError, match="no boundary named 'tiket-triage' is declared; did you mean `ticket-triage`"):
        made.__enter__()


@pytest.mark.parametrize("wanted", [1, ["name"], lambda: None])
def test_what_cannot_be_a_boundary_is_refused(wanted: Any) -> None:
    """Before the block begins."""
    with pytest.raises(TypeError, match="neither a name nor a Boundary nor a guarded function"):
        inject(wanted, Fails("auth"))


def test_every_thread_meets_it() -> None:
    """A block holds for the process: what is tested may call from anywhere."""
    component = guarded()
    found: list[str] = []
    with answering("answered"):
        threads = [threading.Thread(target=lambda: found.append(component())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert found == ["answered"] * 8


def test_every_loop_meets_it() -> None:
    """Two loops in two threads."""

    @guard("on-loops", deadline=5.0)
    async def component() -> str:
        return "real"

    found: list[str] = []

    async def many() -> None:
        found.extend(await asyncio.gather(*(component() for _ in range(5))))

    with answering("answered"):
        threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert found == ["answered"] * 10


def test_a_call_that_began_inside_goes_on_as_it_began(clock: VirtualClock) -> None:
    """The end of the block does not change what is under way."""

    @guard("slow", deadline=60.0)
    async def slow() -> str:
        await asyncio.sleep(5.0)
        raise LookupError

    async def main() -> Any:
        with disabled():
            task = asyncio.ensure_future(slow.outcome())
            await asyncio.sleep(1.0)
        return await task

    outcome = clock.run(main())
    assert type(outcome.error) is LookupError


def test_what_the_breaker_learns_is_forgotten() -> None:
    """Inside, its state is that of the block, also by hand; outside, it never happened."""
    component = guarded(breaker=Breaker(minimum_calls=2), fallback=["floor"])
    with answering(aiguard.FailureKind.AUTH):
        assert component.boundary.breaker.current_state == "closed"
        component()
        assert component.boundary.breaker.current_state == "open"
        assert component.outcome().failure.kind == "circuit_open"
        component.boundary.breaker.close()
        assert component.outcome().failure.kind == "auth"
        with answering("well"):
            assert component() == "well"
        with disabled():
            assert component.boundary.breaker.current_state == "closed"
    assert component.boundary.breaker.current_state == "closed"
    assert component() == "real"


def test_listeners_hear_of_what_happens_inside() -> None:
    """The block's breaker tells those that were added to the real one."""
    import pybreaker  # noqa: PLC0415 - for its type

    heard: list[str] = []

    class Listener(pybreaker.CircuitBreakerListener):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:  # noqa: ARG002
            heard.append(new_state.name)

    component = guarded(breaker=Breaker(minimum_calls=2), fallback=["floor"])
    component.boundary.breaker.add_listener(Listener())
    with answering(aiguard.FailureKind.AUTH):
        component()
    assert heard == ["open"]


def test_a_cooldown_is_forgotten() -> None:
    """A pause that was asked for inside does not last."""
    component = guarded(fallback=["floor"])
    with answering(Fails("rate_limited", retry_after=0.5)):
        assert [component.outcome().failure.kind for _ in range(2)] == ["rate_limited", "cooling_down"]
    assert component() == "real"


def test_each_key_has_its_own_health_inside_too() -> None:
    """What breaks for one key does not for another."""
    component = guarded(breaker=Breaker(minimum_calls=1), key=lambda who: who, fallback=["floor"])
    with answering(lambda who: aiguard.FailureKind.AUTH if who == "bad" else "well"):
        kinds = [component.outcome(who).failure for who in ("bad", "bad", "good")]
        assert [failure and failure.kind for failure in kinds] == ["auth", "circuit_open", None]


def test_a_breaker_that_is_open_outside_is_closed_inside() -> None:
    """A test does not depend on those before it, and does not close what somebody opened."""
    component = guarded(breaker=Breaker(minimum_calls=2), fallback=["floor"])
    component.boundary.breaker.open()
    with answering("well"):
        assert component() == "well"
    assert component() == "floor"


def test_decorated_functions_of_every_shape_have_a_block_of_their_own(clock: VirtualClock) -> None:
    """A test, an async test and two kinds of fixtures; each keeps its shape and its name."""
    component = guarded()

    @answering("answered")
    def plain(word: str) -> str:
        return word + component()

    @answering("answered")
    async def coroutine() -> str:
        await asyncio.sleep(1.0)
        return str(component())

    @answering("answered")
    def generator() -> Iterator[str]:
        yield component()

    @answering("answered")
    async def async_generator() -> Any:
        yield component()

    async def all_of_it() -> list[str]:
        return [await coroutine(), *[item async for item in async_generator()]]

    assert plain("was ") == "was answered"
    assert clock.run(all_of_it()) == ["answered", "answered"]
    assert list(generator()) == ["answered"]
    assert component() == "real"
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)
    assert plain.__name__ == "plain"


@pytest.mark.parametrize("block", [disabled(), inject("*", Fails("auth"), rate=0.0), answering("real")])
def test_a_decorated_function_may_be_called_again_and_within_itself(block: Any) -> None:
    """Each call has its own block."""
    component = guarded()

    @block
    def again(left: int) -> Any:
        return again(left - 1) if left else component()

    assert [again(2), again(0)] == ["real", "real"]


def test_a_nested_boundary_is_a_boundary() -> None:
    """One that another one's component calls, and one that is a rung, are met by their own name."""
    inner = guarded("inner")

    @guard("outer", deadline=1.0, isolation="inline", fallback=[inner])
    def outer(*_: object) -> str:
        return "outer: " + inner()

    with answering("answered", "inner"):
        assert outer() == "outer: answered"
        with answering(aiguard.FailureKind.CONNECTION, "outer"):
            assert outer() == "answered"


def test_an_answer_kept_outside_is_served_inside() -> None:
    """`last_good` takes what stands in the component's place for the component."""
    component = guarded(fallback=[aiguard.last_good(by=lambda *_: 1, ttl=60.0)])
    assert component() == "real"
    with answering(aiguard.FailureKind.TIMEOUT):
        outcome = component.outcome()
    assert (outcome.value, outcome.rung) == ("real", "last_good")
