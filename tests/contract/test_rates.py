"""How often contracts are broken: counted by version, forgotten after ten minutes, whole under threads."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from aiguard import ContractRates, Failure, FailureKind
from aiguard.contract.rates import SECONDS, SLICES, VERSIONS, Tallies, Tally
from aiguard.events import Run


def rates_of(tally: Tally, now: float = 0.0) -> ContractRates:
    """Return what is counted."""
    return tally.rates(now)


def test_a_new_tally_has_counted_nothing() -> None:
    """Zeros, and no code."""
    assert rates_of(Tally()) == ContractRates(judged=0, broken=0, repaired=0, refused=0, truncated=0, codes={})


def test_everything_is_counted_by_what_it_was() -> None:
    """A refusal and a truncation break no contract, a repaired answer keeps it; each code counts once."""
    tally = Tally()
    tally.count(0.0)
    tally.note(0.0, ["range", "category", "range"])
    tally.note(0.0, ["range"])
    tally.note(0.0, ["repaired"])
    for kind in ("refusal", "content_filter", "truncated", "schema_violation"):
        tally.note(0.0, [kind])
    assert rates_of(tally) == ContractRates(
        judged=8,
        broken=3,
        repaired=1,
        refused=2,
        truncated=1,
        codes={"category": 1, "content_filter": 1, "range": 2, "refusal": 1, "schema_violation": 1, "truncated": 1},
    )


def test_an_attempt_without_an_answer_says_nothing_of_the_contract() -> None:
    """A connection that broke is no breach."""
    tally = Tally()
    tally.failed(Run(), Failure(FailureKind.CONNECTION, "component", "it failed"))
    tally.failed(Run(), Failure(FailureKind.CHECK_FAILED, "output", "it failed"))
    assert rates_of(tally).judged == rates_of(tally).broken == 1


@given(st.lists(st.tuples(st.floats(0, 3 * SECONDS), st.booleans()), max_size=60), st.floats(0, SECONDS))
def test_the_counts_are_those_of_the_last_ten_minutes(said: list[tuple[float, bool]], later: float) -> None:
    """Exact to a tenth: nothing younger than nine slices is forgotten, nothing older than ten is kept."""
    tally = Tally()
    said = sorted(said)
    for at, broken in said:
        if broken:
            tally.note(at, ["range"])
        else:
            tally.count(at)
    now = (said[-1][0] if said else 0.0) + later
    found = rates_of(tally, now)
    least = SECONDS * (1 - 1 / SLICES)
    for counted, wanted in ((found.judged, [at for at, _ in said]), (found.broken, [at for at, bad in said if bad])):
        assert sum(now - at < least - 1e-6 for at in wanted) <= counted
        assert counted <= sum(now - at <= SECONDS + 1e-6 for at in wanted)
    assert found.codes.get("range", 0) == found.broken


def test_a_clock_read_out_of_order_forgets_nothing() -> None:
    """Two threads read it, and the second one counts first."""
    tally = Tally()
    tally.count(SECONDS)
    tally.count(SECONDS - 0.001)
    assert rates_of(tally, SECONDS).judged == 2


def test_each_version_has_its_own_counts() -> None:
    """The newest last, and so many at most; one that comes again goes on."""
    tallies = Tallies()
    tallies.of("in@1").count(0.0)
    for version in range(2, VERSIONS + 1):
        tallies.of(f"in@{version}")
    tallies.of("in@1").count(0.0)
    assert tallies.rates(0.0)["in@1"].judged == 2
    tallies.of("in@new")
    found = list(tallies.rates(0.0))
    assert len(found) == VERSIONS
    assert found[-2:] == ["in@1", "in@new"]
    assert "in@2" not in found


def test_a_forked_process_begins_at_zero() -> None:
    """What the parent counted, the parent counts; a lock that it held is not held here."""
    tallies = Tallies()
    tally = tallies.of("in")
    tally.count(0.0)
    with tally._lock:
        tallies.forked()
        assert tallies.rates(0.0)["in"].judged == 0
        tallies.of("in").count(0.0)
    assert tallies.rates(0.0)["in"].judged == 1


def test_no_count_is_lost_between_threads() -> None:
    """Calls come from many."""
    tally = Tally()

    def count() -> None:
        for number in range(2000):
            at = SECONDS * number / 4000  # over half of the slices
            tally.count(at)
            tally.note(at, ["range"])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = rates_of(tally, SECONDS / 2)
    assert (found.judged, found.broken) == (16_000, 8_000)
