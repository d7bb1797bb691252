"""Looking at objects without running any of their code."""

from __future__ import annotations

import types
from collections import Counter, OrderedDict
from typing import Any

import pytest

from aiguard.check.names_read import reads
from aiguard.check.statically import MISSING, attribute, attributes, is_a, items


class Plain:
    """Keeps one thing, computes another."""

    shared = 1

    def __init__(self) -> None:
        self.kept = 2

    @property
    def computed(self) -> int:
        """Never read."""
        raise AssertionError


class Slots:
    """Keeps one thing in a slot, nothing in another."""

    __slots__ = ("kept", "unset")

    def __init__(self) -> None:
        self.kept = 2


class Both(Slots):
    """Keeps things in a slot and in its `__dict__`."""

    def __init__(self) -> None:
        super().__init__()
        self.other = 3


class Proxy:
    """Shows the attributes of another object as its own."""

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        raise AssertionError


def a_function() -> None:
    """Keep an attribute."""


a_function.kept = 2  # type: ignore[attr-defined]


KEPT: dict[str, tuple[object, dict[str, Any]]] = {
    "plain": (Plain(), {"kept": 2}),
    "slots": (Slots(), {"kept": 2}),
    "both": (Both(), {"kept": 2, "other": 3}),
    "proxy": (Proxy(), {}),
    "function": (a_function, {"kept": 2}),
    "number": (3, {}),
    "nothing": (None, {}),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_is_kept_is_seen_and_what_is_computed_is_not(case: str) -> None:
    """`__dict__` and slots, of the object alone."""
    thing, kept = KEPT[case]
    assert {name: value for name, value in attributes(thing).items() if not name.startswith("__")} == kept


def test_an_attribute_that_is_not_kept_is_missing() -> None:
    """Whether the class has it or nobody."""
    assert [attribute(Plain(), name) for name in ("kept", "shared", "computed", "no")] == [2, MISSING, MISSING, MISSING]


def test_a_module_keeps_its_names() -> None:
    """Without asking its `__getattr__`."""
    module = types.ModuleType("settings")
    module.__getattr__ = lambda _: 1 / 0  # type: ignore[method-assign]
    assert attribute(module, "__name__") == "settings"
    assert attribute(module, "client") is MISSING


@pytest.mark.parametrize(
    ("thing", "inside"),
    [
        ([1, 2], [1, 2]),
        ((1,), [1]),
        ({"a": 1}, [1]),
        (OrderedDict(a=1), [1]),
        ({1}, [1]),
        (frozenset({1}), [1]),
        ("text", []),
        (range(3), []),
        (iter([1]), []),
        (None, []),
    ],
)
def test_containers_hold_things(thing: object, inside: list[Any]) -> None:
    """Of a dict, the values; what would be used up is no container."""
    assert items(thing) == inside


@pytest.mark.parametrize(
    ("thing", "package", "name", "whether"),
    [
        (Counter(), "collections", "Counter", True),
        (Counter(), "collections", None, True),
        (Counter(), "builtins", "dict", False),  # a builtin says nothing of its module
        (Counter(), "coll", None, False),
        (Plain(), __name__, "Plain", True),
        (Plain(), __name__.rpartition(".")[0], None, True),
        (Both(), __name__, "Slots", True),
        (Plain(), __name__, "Slots", False),
    ],
)
def test_a_thing_is_of_its_classes(thing: object, package: str, name: str | None, whether: bool) -> None:  # noqa: FBT001 - a column of the table
    """By the name and the package of any of them, imported or not."""
    assert is_a(thing, package, name) is whether


def test_names_are_read_with_the_attributes_read_off_them() -> None:
    """Globals and what is closed over, in the function and in those inside it; locals and builtins are not."""
    outer = Plain()

    def inside(local: Any) -> Any:
        first = outer.kept.real
        attribute = local  # not the one of this module
        return [Plain.shared.real + one + len(local) for one in local], first, lambda: items(attribute.x)

    assert isinstance(inside, types.FunctionType)
    found = [(read.name, read.attributes) for read in reads(inside)]
    assert sorted(found) == [("Plain", ("shared", "real")), ("items", ()), ("outer", ("kept", "real"))]
