"""The closed vocabulary, and what follows from each word."""

from __future__ import annotations

import pickle

import pytest

from aiguard import Failure, FailureKind
from aiguard.failure import COUNTED, INVALID_OUTPUTS, OPENS_AT_ONCE, REASKABLE, REJECTIONS, RETRIED_BY_DEFAULT

TABLE = """
timeout              retried  counted
deadline_exhausted   -        -
connection           retried  counted
server_error         retried  counted
malformed_transport  retried  counted
overloaded           retried  counted
rate_limited         retried  -
quota_exhausted      -        opens
auth                 -        opens
not_found            -        opens
bad_request          -        -
context_length       -        -
content_filter       -        -
refusal              -        -
truncated            -        -
empty_output         reask    -
malformed_output     reask    -
schema_violation     reask    -
check_failed         reask    -
ambiguous_output     reask    -
output_too_large     reask    -
provider_failed      reask    -
stream_interrupted   retried  counted
worker_crashed       retried  counted
worker_poisoned      retried  counted
circuit_open         -        -
bulkhead_full        -        -
cooling_down         -        -
budget_exhausted     -        -
halted               -        -
input_rejected       -        -
unclassified         -        counted
"""
"""The table of the architecture, as words."""

ROWS = [tuple(row.split()) for row in TABLE.strip().splitlines()]


def test_the_vocabulary_is_closed() -> None:
    """Every kind has a row, every row a kind."""
    assert [row[0] for row in ROWS] == [kind.value for kind in FailureKind]


@pytest.mark.parametrize(("kind", "again", "counts"), ROWS, ids=[row[0] for row in ROWS])
def test_each_kind_is_in_the_sets_of_its_row(kind: str, again: str, counts: str) -> None:
    """Retried, asked for again, counted, opening at once: as the architecture says."""
    member = FailureKind(kind)
    assert (member in RETRIED_BY_DEFAULT) is (again == "retried")
    assert (member in REASKABLE) is (again == "reask")
    assert (member in COUNTED) is (counts in {"counted", "opens"})
    assert (member in OPENS_AT_ONCE) is (counts == "opens")


def test_the_groups_do_not_overlap() -> None:
    """A rejection is no invalid output, and neither speaks of the component's health."""
    assert not REJECTIONS & INVALID_OUTPUTS
    assert not (REJECTIONS | INVALID_OUTPUTS) & (COUNTED | RETRIED_BY_DEFAULT)
    assert OPENS_AT_ONCE < COUNTED
    assert REASKABLE < INVALID_OUTPUTS


def test_a_kind_is_its_value() -> None:
    """Spans, metrics and files show the word itself."""
    assert f"{FailureKind.RATE_LIMITED}" == "rate_limited" == FailureKind.RATE_LIMITED.value
    assert FailureKind("halted") is FailureKind.HALTED


def test_a_failure_is_a_plain_value() -> None:
    """It is frozen, comparable and can be pickled."""
    failure = Failure(FailureKind.AUTH, "component", "no key")
    with pytest.raises(AttributeError):
        failure.kind = FailureKind.HALTED  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(failure)) == failure
