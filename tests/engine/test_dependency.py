"""What boundaries share that call the same dependency, and what is kept apart by key."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

from aiguard import (
    Boundary,
    Breaker,
    CircuitOpenError,
    ComponentError,
    CoolingDownError,
    FailureKind,
    PolicyError,
    RetryBudget,
    configure,
    guard,
)
from aiguard.engine.dependency import DEPENDENCIES, KEYS, Dependency
from aiguard.policy import Policy
from aiguard.testing.virtual import fresh_registry
from tests.shapes import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness

    Scenario = Callable[..., Harness]

QUICK = Breaker(minimum_calls=2, failure_rate=1.0)


def fail(guarded: Any, *args: object, times: int = 1) -> None:
    """Let so many calls fail."""
    for _ in range(times):
        with pytest.raises(ComponentError):
            guarded(*args)


def component(name: str, **settings: Any) -> Any:
    """Return a guarded function that fails where its argument starts with `bad`."""

    @guard(name, deadline=5.0, isolation="inline", **settings)
    def ask(model: str) -> str:
        if model.startswith("bad"):
            raise ConnectionError
        return model

    return ask


class TestKeys:
    """Calls that differ by key share nothing."""

    def test_each_key_has_its_own_breaker(self, clock: VirtualClock) -> None:
        """A model that is down does not stop the others."""
        del clock
        ask = component("t", breaker=QUICK, key=lambda model: model)
        fail(ask, "bad-1", times=2)
        with pytest.raises(CircuitOpenError):
            ask("bad-1")
        assert ask("good") == "good"
        fail(ask, "bad-2")

    def test_without_a_key_all_share_one(self, clock: VirtualClock) -> None:
        """The breaker of the boundary."""
        del clock
        ask = component("t", breaker=QUICK)
        fail(ask, "bad", times=2)
        with pytest.raises(CircuitOpenError):
            ask("good")

    def test_a_call_may_say_its_key_itself(self, clock: VirtualClock) -> None:
        """`options(key=…)` goes before what the policy's `key` would say, and works without one."""
        del clock
        for settings in ({}, {"key": lambda model: model}):
            ask = component(f"t{len(settings)}", breaker=QUICK, **settings)
            fail(ask.options(key="one"), "bad", times=2)
            with pytest.raises(CircuitOpenError):
                ask.options(key="one")("good")
            assert ask.options(key="two")("good") == "good"
            assert ask("good") == "good"

    def test_over_all_shapes(self, scenario: Scenario) -> None:
        """The arguments decide, whatever the component's shape."""
        ask = scenario(*[ConnectionError] * 2, "ok", breaker=QUICK, key=lambda tenant: tenant)
        assert ask.fails("a").failure.kind is FailureKind.CONNECTION
        assert ask.fails("a").failure.kind is FailureKind.CONNECTION
        assert ask.fails("a").failure.kind is FailureKind.CIRCUIT_OPEN
        assert ask("b") == "ok"

    def test_a_pause_holds_for_its_key(self, scenario: Scenario, clock: VirtualClock) -> None:
        """A tenant over its limit waits; the others do not."""
        ask = scenario(HttpError(429, {"retry-after": "7"}), "ok", "ok", key=lambda tenant: tenant)
        assert ask.fails("a").failure.kind is FailureKind.RATE_LIMITED
        clock.advance(3.0)
        error = ask.fails("a")
        assert isinstance(error, CoolingDownError)
        assert error.retry_after == pytest.approx(4.0)
        assert ask("b") == "ok"
        clock.advance(4.0)
        assert ask("a") == "ok"

    def test_listeners_hear_of_every_key(self, clock: VirtualClock) -> None:
        """Those of the boundary's breaker, added before or after the key was first seen; each breaker has its name."""
        del clock
        heard: list[tuple[str, str]] = []

        class Ear(pybreaker.CircuitBreakerListener):
            def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
                assert old_state.name == "closed"
                heard.append((cb.name, new_state.name))

        ask = component("t", breaker=QUICK, key=lambda model: model)
        fail(ask, "bad-1")
        ask.boundary.breaker.add_listener(Ear())
        fail(ask, "bad-1")
        fail(ask, "bad-2", times=2)
        fail(ask, "bad words of somebody's prompt", times=2)
        assert heard == [("t[bad-1]", "open"), ("t[bad-2]", "open"), ("t[…]", "open")]

    @pytest.mark.usefixtures("clock")
    @pytest.mark.parametrize(
        "key", [lambda _: ["unhashable"], lambda _: 1 / 0, lambda: 1], ids=["unhashable", "raises", "does not bind"]
    )
    def test_a_key_that_fails_is_told_once_and_changes_no_call(
        self, key: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Its calls are taken for one, with those of the boundary that have none."""
        ask = component("t", breaker=QUICK, key=key)
        with caplog.at_level(logging.WARNING, "aiguard"):
            fail(ask, "bad", times=2)
        assert len([record for record in caplog.records if "`key`" in record.message]) == 1
        assert "bad" not in caplog.text
        with pytest.raises(CircuitOpenError):
            ask("good")

    def test_keys_are_bounded(self, clock: VirtualClock) -> None:
        """However many tenants there are, no more than so many are kept apart."""
        dependency = Dependency("t", clock, shared=False)
        for key in range(KEYS + 500):
            dependency.of(key)
        assert len(dependency.keys) == KEYS
        assert KEYS + 499 in dependency.keys

    def test_what_is_not_at_rest_is_forgotten_last(self, clock: VirtualClock) -> None:
        """An open breaker and a pause outlast any number of keys that are well."""
        dependency = Dependency("t", clock, shared=False)
        dependency.configure(Policy(deadline=1.0, breaker=QUICK))
        opened, paused = dependency.of("open"), dependency.of("paused")
        assert opened.breaker is not None
        opened.breaker.open()
        paused.cooldown.pause(clock.now() + 60.0)
        for key in range(3 * KEYS):
            dependency.of(key)
        assert {"open", "paused"} <= set(dependency.keys)
        clock.advance(60.0)
        for key in range(3 * KEYS):
            dependency.of(-1 - key)
        assert "paused" not in dependency.keys
        assert len(dependency.keys) == KEYS

    def test_what_is_asked_for_is_forgotten_after_what_is_not(self, clock: VirtualClock) -> None:
        """A tenant that calls all the time keeps its counts."""
        dependency = Dependency("t", clock, shared=False)
        busy = dependency.of("busy")
        for key in range(3 * KEYS):
            dependency.of(key)
            assert dependency.of("busy") is busy

    def test_where_nothing_is_at_rest_the_first_goes(self, clock: VirtualClock) -> None:
        """The bound holds in any case."""
        dependency = Dependency("t", clock, shared=False)
        for key in range(KEYS + 10):
            dependency.of(key).cooldown.pause(clock.now() + 60.0)
        assert len(dependency.keys) == KEYS

    def test_equal_keys_are_one(self, clock: VirtualClock) -> None:
        """As in any dictionary."""
        dependency = Dependency("t", clock, shared=False)
        assert dependency.of(("a", 1)) is dependency.of(("a", 1))


class TestShared:
    """Boundaries that name the same dependency share what they know of it."""

    def test_they_share_the_breaker(self, clock: VirtualClock) -> None:
        """What one finds out the other need not."""
        del clock
        one = component("one", breaker=QUICK, dependency="provider")
        two = component("two", breaker=QUICK, dependency="provider")
        three = component("three", breaker=QUICK, dependency="another")
        fail(one, "bad")
        fail(two, "bad")
        for ask in (one, two):
            with pytest.raises(CircuitOpenError):
                ask("good")
        assert three("good") == "good"
        assert one.boundary.breaker is two.boundary.breaker
        assert one.boundary.breaker.name == "provider"

    def test_they_share_keys(self, clock: VirtualClock) -> None:
        """Each by its own function: what counts is what that returns."""
        del clock
        one = component("one", breaker=QUICK, dependency="provider", key=lambda model: model)
        two = component("two", breaker=QUICK, dependency="provider", key=str.lower)
        fail(one, "bad", times=2)
        with pytest.raises(CircuitOpenError):
            two("BAD")
        assert two("good") == "good"

    def test_who_has_no_breaker_has_none(self, clock: VirtualClock) -> None:
        """`None` means "not there", whatever the others have; the pause is for all."""
        one = component("one", breaker=QUICK, dependency="provider")
        limited = iter([HttpError(429, {"retry-after": "5"}), "ok"])

        @guard("two", deadline=5.0, isolation="inline", dependency="provider")
        def two() -> Any:
            step = next(limited)
            if isinstance(step, Exception):
                raise step
            return step

        fail(one, "bad", times=2)
        assert two.boundary.breaker is None
        with pytest.raises(ComponentError):
            two()
        clock.advance(15.0)
        assert two() == "ok"

    def test_a_pause_is_shared(self, clock: VirtualClock) -> None:
        """A provider that asks one boundary to wait means all of its callers."""

        @guard("two", deadline=5.0, isolation="inline", dependency="provider")
        def limited() -> None:
            raise HttpError(429, {"retry-after": "5"})

        ask = component("one", dependency="provider")
        with pytest.raises(ComponentError):
            limited()
        with pytest.raises(CoolingDownError):
            ask("good")
        clock.advance(5.0)
        assert ask("good") == "good"

    @pytest.mark.parametrize(
        ("first", "second", "setting"),
        [
            ({"breaker": Breaker()}, {"breaker": Breaker(probes=5)}, "breaker"),
            ({"retry_budget": RetryBudget()}, {"retry_budget": RetryBudget(floor=5)}, "retry_budget"),
        ],
    )
    def test_what_is_set_differently_is_refused(
        self, first: dict[str, Any], second: dict[str, Any], setting: str, clock: VirtualClock
    ) -> None:
        """With both boundaries named, the setting, and both values."""
        del clock
        Boundary("one", deadline=1.0, dependency="provider", **first)
        with pytest.raises(PolicyError) as caught:
            Boundary("two", deadline=1.0, dependency="provider", **second)
        for word in ("'two'", "'one'", "'provider'", f"`{setting}`"):
            assert word in str(caught.value)
        Boundary("three", deadline=1.0, dependency="another", **second)

    def test_who_says_nothing_of_it_follows(self, clock: VirtualClock) -> None:
        """A retry budget is set where it is said; the default contradicts nobody."""
        del clock
        one = Boundary("one", deadline=1.0, dependency="provider")
        Boundary("two", deadline=1.0, dependency="provider", retry_budget=RetryBudget(floor=9))
        assert one._state.dependency._retries == RetryBudget(floor=9)

    def test_a_file_changes_all_of_them_at_once(self, clock: VirtualClock, tmp_path: Path) -> None:
        """Both say the new thing, so nobody contradicts; one alone is refused, and then nothing has changed."""
        del clock
        one = component("one", breaker=QUICK, dependency="provider")
        two = component("two", breaker=QUICK, dependency="provider")
        fail(one, "bad")
        file = tmp_path / "aiguard.yaml"
        file.write_text("version: 1\nboundaries: {one: {breaker: {probes: 5}}}\n")
        with pytest.raises(PolicyError, match="names the same `dependency`"):
            configure(file)
        assert one.boundary.policy.breaker.probes == 3
        file.write_text("version: 1\nboundaries: {one: {breaker: {probes: 5}}, two: {breaker: {probes: 5}}}\n")
        configure(file)
        fail(two, "bad")
        with pytest.raises(CircuitOpenError):
            one("good")
        assert one.boundary.breaker._policy.probes == 5

    def test_a_boundary_may_be_moved_to_another_dependency(self, clock: VirtualClock, tmp_path: Path) -> None:
        """It finds there what is known there, and leaves behind what it knew."""
        del clock
        one = component("one", breaker=QUICK, dependency="provider")
        two = component("two", breaker=QUICK, dependency="another")
        fail(one, "bad", times=2)
        file = tmp_path / "aiguard.yaml"
        file.write_text("version: 1\nboundaries: {one: {dependency: another}}\n")
        configure(file)
        assert one("good") == "good"
        assert one.boundary.breaker is two.boundary.breaker
        file.write_text("version: 1\nboundaries: {one: {dependency: null}}\n")
        configure(file)
        assert one.boundary.breaker is not two.boundary.breaker
        assert one.boundary.breaker.name == "one"

    def test_a_breaker_given_later_is_there_for_known_keys(self, clock: VirtualClock) -> None:
        """The first boundary to name a dependency need not be the one that has a breaker."""
        del clock
        one = component("one", dependency="provider", key=lambda model: model)
        fail(one, "bad")
        two = component("two", dependency="provider", key=lambda model: model, breaker=QUICK)
        fail(two, "bad", times=2)
        with pytest.raises(CircuitOpenError):
            two("bad")

    def test_a_dependency_that_nobody_names_any_more_is_gone(self, clock: VirtualClock) -> None:
        """It lasts as long as its boundaries."""
        with fresh_registry():
            Boundary("one", deadline=1.0, dependency="provider", breaker=QUICK)
            known = weakref.ref(DEPENDENCIES.named("provider", clock))
        gc.collect()
        assert known() is None
