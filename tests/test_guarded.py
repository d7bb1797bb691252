"""Guarded functions look like the functions they guard, as functions and as methods."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import DeadlineExceededError, Outcome, PolicyError, guard, remaining

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiguard.testing import VirtualClock

pytestmark = pytest.mark.usefixtures("clock")


def sync(ticket: str, *, tenant: str = "none") -> str:
    """Triage a ticket."""
    return f"{ticket} {tenant}"


async def coroutine(ticket: str, *, tenant: str = "none") -> str:
    """Triage a ticket."""
    return f"{ticket} {tenant}"


def generator(ticket: str, *, tenant: str = "none") -> Iterator[str]:
    """Triage a ticket."""
    yield f"{ticket} {tenant}"


async def async_generator(ticket: str, *, tenant: str = "none") -> AsyncIterator[str]:
    """Triage a ticket."""
    yield f"{ticket} {tenant}"


ALL = [sync, coroutine, generator, async_generator]


def guarded_from(fn: Any, **settings: Any) -> Any:
    """Return `fn` guarded, whatever its shape."""
    if "generator" in fn.__name__:
        settings["stream"] = "passthrough"
    return guard("triage", deadline=5.0, **settings)(fn)


def used(clock: VirtualClock, result: Any) -> Any:
    """Return what a call of any shape gives."""

    async def drained() -> Any:
        return [item async for item in result]

    if inspect.isawaitable(result):
        return clock.run(result)  # type: ignore[arg-type]
    if hasattr(result, "__anext__"):
        return clock.run(drained())[0]
    return list(result)[0] if hasattr(result, "__next__") else result  # noqa: RUF015 - the stream is drained


# --- looks


@pytest.mark.parametrize("fn", ALL)
def test_a_guarded_function_looks_like_its_function(fn: Any) -> None:
    """Name, module, documentation, annotations and signature are the component's."""
    guarded = guarded_from(fn)
    inspect.get_annotations(type(guarded))  # whoever looks at those of the class leaves some there
    assert guarded.__wrapped__ is fn
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__kwdefaults__"):
        assert getattr(guarded, name) == getattr(fn, name)
    assert inspect.signature(guarded) == inspect.signature(fn)
    assert inspect.unwrap(guarded) is fn
    assert callable(guarded)
    assert "triage" in repr(guarded)


@pytest.mark.parametrize("fn", ALL)
def test_inspection_says_the_truth(fn: Any) -> None:
    """What frameworks ask, to know whether to await, is answered as for the component."""
    guarded = guarded_from(fn)
    assert inspect.iscoroutinefunction(guarded) is inspect.iscoroutinefunction(fn)
    assert inspect.isgeneratorfunction(guarded) is inspect.isgeneratorfunction(fn)
    assert inspect.isasyncgenfunction(guarded) is inspect.isasyncgenfunction(fn)


@pytest.mark.parametrize("fn", [sync, coroutine])
def test_the_outcome_form_is_of_the_same_kind(fn: Any, clock: VirtualClock) -> None:
    """`.outcome` takes what the call takes, and is awaited where the call is."""
    guarded = guarded_from(fn)
    outcome = used(clock, guarded.outcome("t", tenant="acme"))
    assert isinstance(outcome, Outcome)
    assert outcome.unwrap() == used(clock, guarded("t", tenant="acme")) == "t acme"


@pytest.mark.parametrize("fn", [generator, async_generator])
def test_a_stream_has_no_outcome_form(fn: Any) -> None:
    """A stream has its outcome as an attribute: the form is a TypeError that says so."""
    with pytest.raises(TypeError, match=r"'triage'.*attribute"):
        guarded_from(fn).outcome("t")


@pytest.mark.parametrize("fn", ALL)
def test_an_unknown_attribute_is_an_attribute_error(fn: Any) -> None:
    """A guarded function has no more attributes than it says."""
    guarded = guarded_from(fn)
    with pytest.raises(AttributeError):
        guarded.nonsense  # noqa: B018 - reading is the point
    assert not hasattr(guarded, "__await__")


# --- methods


class Service:
    """Every shape as a method."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    @guard("service.sync", deadline=5.0)
    def sync(self, ticket: str) -> str:
        """Be a method."""
        return self.prefix + ticket

    @guard("service.coroutine", deadline=5.0)
    async def coroutine(self, ticket: str) -> str:
        """Be an async method."""
        return self.prefix + ticket

    @guard("service.generator", deadline=5.0, stream="passthrough")
    def generator(self, ticket: str) -> Iterator[str]:
        """Be a streaming method."""
        yield self.prefix + ticket

    @guard("service.async_generator", deadline=5.0, stream="passthrough")
    async def async_generator(self, ticket: str) -> AsyncIterator[str]:
        """Be an async streaming method."""
        yield self.prefix + ticket

    @classmethod
    @guard("service.of_class", deadline=5.0)
    def of_class(cls, ticket: str) -> str:
        """Be a class method."""
        return cls.__name__ + ticket

    @staticmethod
    @guard("service.static", deadline=5.0)
    def static(ticket: str) -> str:
        """Be a static method."""
        return ticket


class Derived(Service):
    """Inherits guarded methods."""


@pytest.mark.parametrize("name", ["sync", "coroutine", "generator", "async_generator"])
def test_a_guarded_method_is_bound(name: str, clock: VirtualClock) -> None:
    """It is called on instances as methods are, each instance with its own `self`, all on one boundary."""
    one, two = Service("a"), Derived("b")
    assert used(clock, getattr(one, name)("1")) == "a1"
    assert used(clock, getattr(two, name)(ticket="2")) == "b2"
    assert used(clock, getattr(Service, name)(one, "3")) == "a3"
    assert getattr(one, name).boundary is getattr(two, name).boundary is getattr(Service, name).boundary
    assert list(inspect.signature(getattr(one, name)).parameters) == ["ticket"]
    assert inspect.iscoroutinefunction(getattr(one, name)) is (name == "coroutine")


@pytest.mark.parametrize("name", ["sync", "coroutine"])
def test_the_outcome_form_works_on_methods(name: str, clock: VirtualClock) -> None:
    """`service.method.outcome(…)` knows its `self`, and so do its options."""
    service = Service("a")
    assert used(clock, getattr(service, name).outcome("1")).unwrap() == "a1"
    assert used(clock, getattr(service, name).options(deadline=1.0)("1")) == "a1"
    assert used(clock, getattr(service, name).options(deadline=1.0).outcome("1")).unwrap() == "a1"


def test_class_and_static_methods_are_guarded() -> None:
    """With `@guard` below the other decorator."""
    service: Any = Service  # mypy binds no descriptor below classmethod and staticmethod
    assert service.of_class("1") == "Service1"
    derived: Any = Derived("x")
    assert derived.of_class("1") == "Derived1"
    assert service.static("1") == derived.static("1") == "1"
    # from 3.13 on a classmethod binds no descriptor: its attributes are those of the unbound function
    who = () if sys.version_info < (3, 13) else (Service,)
    assert service.of_class.outcome(*who, "1").unwrap() == "Service1"


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_the_wrong_order_of_decorators_is_refused(kind: Any) -> None:
    """`@guard` above `@staticmethod` would guard a descriptor: the message says which way round."""
    with pytest.raises(PolicyError, match=f"@{kind.__name__} above @guard"):
        guard("triage", deadline=1.0)(kind(sync))


def test_a_partial_and_an_object_are_guarded() -> None:
    """Whatever can be called can be guarded, and its attributes may be fewer."""

    class Model:
        """A model."""

        def __call__(self, ticket: str) -> str:
            return ticket

    assert guard("partial", deadline=1.0)(functools.partial(sync, tenant="acme"))("t") == "t acme"
    guarded = guard("object", deadline=1.0)(Model())
    assert guarded("t") == "t"
    assert guarded.__doc__ == "A model."
    assert list(inspect.signature(guarded).parameters) == ["ticket"]
    assert "object" in repr(guarded)


# --- options


@pytest.mark.parametrize("fn", ALL)
def test_options_shorten_the_deadline(fn: Any, clock: VirtualClock) -> None:
    """A view with another deadline is the same function, for its own calls only; it never lengthens."""
    seen: list[float | None] = []

    def noting(ticket: str, *, tenant: str = "none") -> str:
        seen.append(remaining())
        return ticket + tenant

    async def anoting(ticket: str, *, tenant: str = "none") -> str:
        return noting(ticket, tenant=tenant)

    def streaming(ticket: str, *, tenant: str = "none") -> Iterator[str]:
        yield noting(ticket, tenant=tenant)

    async def astreaming(ticket: str, *, tenant: str = "none") -> AsyncIterator[str]:
        yield noting(ticket, tenant=tenant)

    component = {sync: noting, coroutine: anoting, generator: streaming, async_generator: astreaming}[fn]
    settings = {"stream": "passthrough"} if "generator" in fn.__name__ else {}
    guarded: Any = guard("noting", deadline=5.0, **settings)(component)  # type: ignore[call-overload]
    view = guarded.options(deadline=2.0)
    assert type(view) is type(guarded)
    assert view.boundary is guarded.boundary
    for one in (view, guarded, guarded.options(deadline=50.0), view.options(), guarded.options(deadline=None)):
        used(clock, one("t"))
    assert seen == [pytest.approx(2.0), *[pytest.approx(5.0)] * 4]


@pytest.mark.parametrize("deadline", [0, -1.0, float("nan"), float("inf"), "1", True, [1]])
def test_a_bad_deadline_is_refused(deadline: Any) -> None:
    """An option out of range is a PolicyError that names boundary, option and value."""
    with pytest.raises(PolicyError, match="'triage': option `deadline`=") as caught:
        guarded_from(sync).options(deadline=deadline)
    assert repr(deadline) in str(caught.value)


@pytest.mark.parametrize(("option", "value"), [("priority", "urgent"), ("priority", 0), ("key", ["a"])])
def test_an_option_out_of_range_is_refused(option: str, value: object) -> None:
    """The message names boundary, option and value."""
    with pytest.raises(PolicyError) as caught:
        guarded_from(sync).options(**{option: value})
    assert f"option `{option}`={value!r}: must be" in str(caught.value)


def test_an_unknown_option_is_a_type_error() -> None:
    """What is not there is never ignored."""
    with pytest.raises(TypeError, match="dead"):
        guarded_from(sync).options(dead=1)


def test_a_view_times_out_by_itself(clock: VirtualClock) -> None:
    """The shorter deadline really ends a call."""

    def slow() -> str:
        clock.sleep(3.0)
        return "slow"

    guarded = guard("slow", deadline=5.0)(slow)
    with pytest.raises(DeadlineExceededError):
        guarded.options(deadline=1.0)()
    assert clock.elapsed == pytest.approx(1.0)
