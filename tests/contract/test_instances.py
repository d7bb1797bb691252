"""What is kept on a model's instance, and is nothing of its answer."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, RootModel, computed_field

from aiguard.contract import Breach, Judge, OutputContract
from aiguard.contract.instances import data_alone
from aiguard.failure import FailureKind


class Item(BaseModel):
    """A model that keeps what it has worked out."""

    size: int

    @cached_property
    def twice(self) -> int:
        """Twice as much."""
        return self.size * 2


class Counted(BaseModel):
    """A model that shows what it has worked out."""

    size: int

    @computed_field  # type: ignore[prop-decorator] # as pydantic writes it
    @cached_property
    def twice(self) -> int:
        """Twice as much."""
        return self.size * 2


class Box(BaseModel):
    """A model of models."""

    first: Item
    more: list[Item] = []
    named: dict[str, Item] = {}


class Open(BaseModel):
    """A model that takes any key."""

    model_config = ConfigDict(extra="allow")
    size: int


OPEN = Open.model_validate({"size": 1, "more": 2})


def used(cls: type[Any] = Item) -> Any:
    """Return an item that was asked."""
    item = cls(size=1)
    assert item.twice == 2
    return item


def kept(model: Any, **more: object) -> Any:
    """Return a model with more on it, as instructor keeps the raw response."""
    for name, value in more.items():
        object.__setattr__(model, name, value)
    return model


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (Item, used(), Item(size=1)),
        (Item, kept(Item(size=1), _raw_response=object(), _total_usage=5), Item(size=1)),
        (Box, Box(first=used(), more=[used()], named={"a": used()}), Box(first=Item(size=1), more=[Item(size=1)])),
        (list[Item], [used()], [Item(size=1)]),
        (tuple[Item, int], (used(), 1), (Item(size=1), 1)),
        (dict[str, Item], {"a": used()}, {"a": Item(size=1)}),
        (RootModel[list[Item]], RootModel[list[Item]]([used()]), RootModel[list[Item]]([Item(size=1)])),
        (Open, kept(OPEN, _raw_response=object()), OPEN.model_copy()),
        (Counted, used(Counted), Counted(size=1)),
    ],
    ids=range(9),
)
def test_what_is_kept_on_an_instance_is_no_key_of_the_answer(schema: Any, value: Any, expected: Any) -> None:
    """It does not break the contract, does not leave with the answer, and is still where it was."""
    before = repr(value)
    valid = Judge.of(OutputContract(schema)).judge(value)
    if isinstance(expected, Box):
        assert valid == expected.model_copy(update={"named": {"a": Item(size=1)}})
    else:
        assert valid == expected
    assert repr(value) == before
    assert "twice" not in getattr(valid, "__dict__", {})


def test_what_an_instance_declares_more_is_a_key_too_many() -> None:
    """A field of a class that is derived from the contract's is data, and so is a name that nobody declared."""
    larger: Any = type("Larger", (Item,), {"__annotations__": {"more": int}, "more": 1})
    for value in larger(size=1), Item(size=1).model_copy(update={"more": 1}):
        with pytest.raises(Breach) as caught:
            Judge.of(OutputContract(Item)).judge(value)
        assert caught.value.kind is FailureKind.SCHEMA_VIOLATION


def test_what_is_kept_has_no_size() -> None:
    """The raw response beside an answer may be larger than the answer may be."""
    judge = Judge.of(OutputContract(Item, max_bytes=100))
    assert judge.judge(kept(Item(size=1), _raw_response="x" * 1000)) == Item(size=1)
    with pytest.raises(Breach):
        Judge.of(OutputContract(Open, max_bytes=100)).judge(Open.model_validate({"size": 1, "more": "x" * 1000}))


@pytest.mark.parametrize(
    "value", [Item(size=1), [Item(size=1)], (1, [2]), {"a": Box(first=Item(size=1))}, "text", None]
)
def test_where_nothing_is_kept_nothing_is_copied(value: Any) -> None:
    """The very same object is judged."""
    assert data_alone(value) is value
