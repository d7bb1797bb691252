"""Sets and keys whose hashes an answer could choose."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from time import process_time
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from aiguard import OutputContract
from aiguard.contract import Breach, Judge
from aiguard.contract.collisions import may_collide

PRIME = 2**61 - 1
"""What Python takes the hash of a number by."""

MANY = 20_000


def chosen(count: int) -> list[int]:
    """Return so many numbers with one hash."""
    return [index * PRIME for index in range(count)]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (set[int], True),
        (list[frozenset[Decimal]], True),
        (dict[int, str], True),
        (dict[UUID, str], True),
        (set[Any], True),
        (set[tuple[int, int]], True),
        (set[int | str], True),
        (set[str], False),
        (frozenset[dt.date], False),
        (set[Literal[1, 2]], False),
        (dict[str, set[str]], False),
        (dict[str, int], False),
        (dict, False),
        (list[int], False),
        (int, False),
    ],
    ids=repr,
)
def test_text_is_hashed_with_a_secret_and_numbers_are_not(schema: Any, expected: bool) -> None:  # noqa: FBT001
    """What holds numbers in a set, or as keys, is counted."""
    assert may_collide(TypeAdapter(schema).core_schema) is expected


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (set[int], chosen(MANY)),
        (frozenset[int | str], chosen(MANY)),
        (set[Decimal], list(map(str, chosen(MANY)))),
        (set[UUID], [str(UUID(int=one)) for one in chosen(MANY)]),
        (set[tuple[int]], [[one] for one in chosen(MANY)]),
        (dict[int, int], {str(one): 1 for one in chosen(MANY)}),
        (dict[UUID, int], {str(UUID(int=one)): 1 for one in chosen(MANY)}),
    ],
    ids=lambda given: repr(given)[:20],
)
def test_values_that_were_chosen_to_collide_are_refused(schema: Any, answer: Any) -> None:
    """Each would be compared to all before it: twenty thousand take minutes."""
    text = json.dumps(answer)
    judge: Judge[Any] = Judge.of(OutputContract(schema))
    began = process_time()
    with pytest.raises(Breach, match="or more"):
        judge.judge(text)
    assert process_time() - began < 2.0
    with pytest.raises(Breach, match="colliding_hashes"):
        judge.judge(json.dumps(answer[:70] if isinstance(answer, list) else dict(list(answer.items())[:70])))


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (set[int], [-1, -2, *range(5000)]),
        (set[int], [7] * 5000),
        (set[int], chosen(64)),
        (set[float], [index / 7 for index in range(5000)]),
        (list[set[int]], [[-1, -2]] * 500),
        (dict[int, int], {str(index): index for index in range(2000)}),
    ],
    ids=lambda given: repr(given)[:20],
)
def test_values_that_nobody_chose_pass(schema: Any, answer: Any) -> None:
    """The same value many times too, and -1 and -2, which have one hash."""
    text = json.dumps(answer)
    assert Judge.of(OutputContract(schema)).judge(text) == TypeAdapter(schema).validate_json(text, strict=True)


def test_each_answer_is_counted_anew() -> None:
    """And what has no hash is told as ever."""
    judge: Judge[Any] = Judge.of(OutputContract(set[int]))
    for _ in range(3):
        assert len(judge.judge(json.dumps(chosen(40)))) == 40
    with pytest.raises(Breach, match="set_item_not_hashable"):
        Judge.of(OutputContract(set[Any])).judge("[[]]")
