"""What objects of clients hold: as attributes, as keys, as what a pydantic model was given beyond its fields."""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from aiguard.contract.fields import field, is_of_class


class Answer(BaseModel):
    """As the SDKs' answers."""

    model_config = ConfigDict(extra="allow")

    known: int = 1
    empty: int | None = None

    @property
    def worked_out(self) -> int:
        """Say it."""
        return 1

    @cached_property
    def kept(self) -> int:
        """Say it."""
        return 1


class Closed(BaseModel):
    """A model that takes nothing more."""

    known: int = 1


@dataclass(slots=True)
class Slotted:
    """Has no `__dict__`."""

    known: int = 1


class Broken:
    """Has a property that fails."""

    @property
    def known(self) -> int:
        """Fail."""
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "holder",
    [
        Answer(),
        Closed(),
        Slotted(),
        SimpleNamespace(known=1),
        {"known": 1},
        UserDict(known=1),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_what_is_held_is_found(holder: Any) -> None:
    """And what is not is `None`."""
    assert field(holder, "known") == 1
    assert field(holder, "unknown") is None


@pytest.mark.parametrize("make", [Answer.model_validate, lambda given: Answer.model_construct(None, **given)])
def test_a_model_knows_more_than_its_fields(make: Any) -> None:
    """What it was given beside them, checked or not, and what its class works out."""
    answer = make({"other": 1})
    assert [field(answer, name) for name in ("other", "worked_out", "kept", "kept", "empty")] == [1, 1, 1, 1, None]


def test_nothing_holds_nothing() -> None:
    """Where there is no object there is no field."""
    assert field(None, "known") is None


def test_what_a_property_raises_is_raised() -> None:
    """Whoever asks knows what that means."""
    with pytest.raises(ZeroDivisionError):
        field(Broken(), "known")


def test_a_class_is_asked_with_all_its_bases() -> None:
    """Its instances are not."""
    assert is_of_class(Answer, "model_dump")
    assert not is_of_class(Answer, "unknown")
    assert not is_of_class(SimpleNamespace, "known")
