"""Names of boundaries: one of each, replaced by the same declaration run again, refused from elsewhere."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import aiguard
from aiguard import Boundary, PolicyError, guard
from aiguard.place import Place
from aiguard.registry import Registry
from aiguard.testing import fresh_registry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    """Know no boundary at first."""
    with fresh_registry():
        yield


def run(source: str, name: str = "service") -> ModuleType:
    """Execute `source` as the module `name`, as an import, a reload or a notebook cell does."""
    module = ModuleType(name)
    exec(compile("from aiguard import guard, Boundary\n" + source, f"{name}.py", "exec"), module.__dict__)
    return module


DECORATED = """
@guard("triage", deadline={deadline})
def triage(ticket): return ticket
"""


def test_a_boundary_is_found_by_name() -> None:
    """`get` and `boundaries` know what was declared, in its order."""
    first = Boundary("first", deadline=1.0)

    @guard("second", deadline=1.0)
    def second() -> None: ...

    assert aiguard.get("first") is first
    assert aiguard.get("second") is second.boundary
    assert aiguard.boundaries() == (first, second.boundary)


def test_an_unknown_name_is_a_key_error() -> None:
    """Nobody gets a boundary that was never declared."""
    with pytest.raises(KeyError, match="nobody"):
        aiguard.get("nobody")


def test_a_reload_replaces() -> None:
    """The same function of the same module, declared again: the newer one counts, with fresh state."""
    before = run(DECORATED.format(deadline=1.0)).triage
    after = run(DECORATED.format(deadline=2.0)).triage
    assert aiguard.get("triage") is after.boundary
    assert before.boundary is not after.boundary
    assert aiguard.get("triage").policy.deadline == 2.0
    assert aiguard.boundaries() == (after.boundary,)


def test_a_reload_replaces_a_boundary_without_a_function() -> None:
    """The same for `Boundary(…)` at module level."""
    source = 'triage = Boundary("triage", deadline=1.0)'
    before = run(source).triage
    after = run(source).triage
    assert aiguard.get("triage") is after is not before


@pytest.mark.parametrize(
    "source",
    [
        'class Service:\n    triage = Boundary("triage", deadline=1.0)',
        'class Service:\n    class Inner:\n        triage = Boundary("triage", deadline=1.0)',
        'many = [Boundary(name, deadline=1.0) for name in ("triage", "other")]',
        'many = {name: Boundary(name, deadline=1.0) for name in ("triage", "other")}',
        'if True:\n    triage = Boundary("triage", deadline=1.0)',
        'class Service:\n    @guard("triage", deadline=1.0)\n    def triage(self): ...',
    ],
)
def test_a_reload_replaces_what_a_class_or_a_comprehension_declares(source: str) -> None:
    """What runs once with its module is declared at module level, wherever it stands in it."""
    run(source)
    before = aiguard.get("triage")
    run(source)
    assert aiguard.get("triage") is not before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param((DECORATED, "one"), (DECORATED, "two"), id="another-module"),
        pytest.param((DECORATED, "one"), (DECORATED.replace("triage(ticket)", "other(ticket)"), "one"), id="function"),
        pytest.param(
            ("class A:\n    x = Boundary('triage', deadline=1.0)\n", "one"),
            ("class A:\n    x = Boundary('triage', deadline=1.0)\n", "two"),
            id="class",
        ),
        pytest.param((DECORATED, "one"), ('Boundary("triage", deadline=1.0)', "one"), id="boundary"),
    ],
)
def test_a_second_declaration_from_elsewhere_is_refused(first: tuple[str, str], second: tuple[str, str]) -> None:
    """The message names both places, and the first boundary stays."""
    run(first[0].format(deadline=1.0), first[1])
    held = aiguard.get("triage")
    with pytest.raises(PolicyError, match="'triage'") as caught:
        run(second[0].format(deadline=1.0), second[1])
    assert f"{first[1]}:" in str(caught.value)
    assert f"{second[1]}:" in str(caught.value)
    assert aiguard.get("triage") is held


def test_two_functions_of_one_module_may_not_share_a_name() -> None:
    """Copied and pasted, and the name forgotten: refused."""
    with pytest.raises(PolicyError, match="'triage'"):
        run(DECORATED.format(deadline=1.0) + DECORATED.format(deadline=1.0).replace("def triage", "def other"))


def test_two_boundaries_of_one_module_may_not_share_a_name() -> None:
    """The same for `Boundary(…)`, twice in one run of the module."""
    with pytest.raises(PolicyError, match="'triage'"):
        run('a = Boundary("triage", deadline=1.0)\nb = Boundary("triage", deadline=1.0)')


@pytest.mark.parametrize("decorated", [True, False])
def test_a_declaration_inside_a_function_happens_once(*, decorated: bool) -> None:
    """A boundary that is declared at every call would forget what its breaker knows: the second call is refused."""

    def declare() -> Any:
        if decorated:
            return guard("local", deadline=1.0)(lambda: 1)
        return Boundary("local", deadline=1.0)

    held = declare()
    with pytest.raises(PolicyError, match="'local'"):
        declare()
    assert aiguard.get("local") is getattr(held, "boundary", held)


def test_one_decorator_guards_one_function() -> None:
    """A `guard(…)` kept in a variable and used twice would be two functions on one name."""
    decorator = guard("shared", deadline=1.0)
    decorator(len)
    with pytest.raises(PolicyError, match="'shared'"):
        decorator(max)


def test_a_fresh_registry_ends_with_its_block() -> None:
    """What a test declares is unknown outside, and what was known before is known again."""
    Boundary("outside", deadline=1.0)
    with fresh_registry():
        assert aiguard.boundaries() == ()
        Boundary("outside", deadline=1.0)
        Boundary("inside", deadline=1.0)
    assert [one.name for one in aiguard.boundaries()] == ["outside"]


def test_a_registry_answers_for_what_it_holds() -> None:
    """Adding returns who holds the name, if that one stands."""
    registry = Registry[Boundary]()
    boundary = Boundary("kept", deadline=1.0)
    here = Place("service", "triage", object(), 1)
    assert registry.add(boundary, here) is None
    assert registry.add(boundary, Place("other", "triage", object(), 1)) is here
    assert registry.get("kept") is boundary
    assert registry.get("missing") is None
