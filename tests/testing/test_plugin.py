"""The pytest plugin: what it costs those that do not use it, its fixture, its marks and a run among faults."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aiguard.testing import fresh_registry
from aiguard.testing.plugin import CHAOS

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["pytester"]

BOUNDARY = """
import pytest

from aiguard import Bulkhead, guard
from aiguard.testing import Fails, Hang


@guard("triage", deadline=0.2, bulkhead=Bulkhead(limit=4), fallback=["floor"])
def triage() -> str:
    return "real"


def answers():
    raise AssertionError("answers: " + "".join(triage()[0] for _ in range(40)))
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run a test module in a pytest that has the plugin, in this process."""

    def run(tests: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(BOUNDARY + tests)
        with fresh_registry():
            return pytester.runpytest_inprocess("-p", "pytest_aiguard", "-p", "no:cacheprovider", "-vv", *options)

    return run


def test_nothing_of_aiguard_is_imported_before_it_is_needed(pytester: pytest.Pytester) -> None:
    """A run that does not use it pays nothing, and measures the coverage of all of it."""
    pytester.makepyfile("""
        import sys

        def test_it():
            assert [name for name in sys.modules if name.partition(".")[0] == "aiguard"] == []
    """)
    result = pytester.runpytest_subprocess("-p", "pytest_aiguard", "-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*aiguard:*")


def test_the_public_package_needs_neither_pytest_nor_hypothesis() -> None:
    """They are there where tests run; what is injected in a drill is not."""
    program = "import sys, aiguard.testing; assert not {'pytest', 'hypothesis'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_fixture_injects_until_the_test_ends(run: Callable[..., pytest.RunResult]) -> None:
    """With the arguments of `inject`; the next test has its component back."""
    run("""
def test_first(aiguard_faults):
    injected = aiguard_faults("triage", Fails("connection"), times=1)
    other = aiguard_faults(None, Fails("overloaded"), rate=0.0)
    assert [triage(), triage()] == ["floor", "real"]
    assert (injected.calls, injected.hits, other.calls, other.hits) == (2, 1, 1, 0)

def test_second():
    assert triage() == "real"
""").assert_outcomes(passed=2)


def test_a_failing_test_says_what_was_injected(run: Callable[..., pytest.RunResult]) -> None:
    """And how to see the same again; one that was not hit says nothing of it."""
    tests = """
def test_hit(aiguard_faults):
    aiguard_faults("triage", Fails("connection"), rate=0.5)
    answers()

def test_not_hit(aiguard_faults):
    aiguard_faults("triage", Fails("connection"), rate=0.0)
    assert triage() == "floor"
"""
    result = run(tests, "--aiguard-seed=17")
    result.assert_outcomes(failed=2)
    told = result.stdout.str()
    assert told.count("injected by aiguard") == 1
    assert "attempts met Fails(" in told
    assert "the same again: --aiguard-seed=17" in told
    assert listed(run(tests, "--aiguard-seed=17")) == listed(result) != listed(run(tests, "--aiguard-seed=18"))
    (seed,) = re.findall(r"--aiguard-seed=(\d+)", run(tests).stdout.str())
    assert seed not in {"17", "18"}


def listed(result: pytest.RunResult) -> list[str]:
    """Return what was answered, by the first letters."""
    return re.findall(r"^E\s+AssertionError: answers: (.*)$", result.stdout.str(), flags=re.MULTILINE)


def test_what_a_test_leaves_behind_fails_it_on_request(run: Callable[..., pytest.RunResult]) -> None:
    """What hung by our doing was let go; what hangs by itself holds its thread and its permit."""
    tests = """
import threading

never = threading.Event()

@guard("hangs", deadline=0.05, bulkhead=Bulkhead(limit=4), fallback=["floor"])
def hangs():
    never.wait(20)

def test_let_go(aiguard_faults):
    aiguard_faults("triage", Hang())
    assert triage() == "floor"

def test_left(aiguard_faults):
    aiguard_faults("hangs", Fails("connection"), rate=0.5, seed=4)
    assert [hangs() for _ in range(4)] == ["floor"] * 4
"""
    run(tests).assert_outcomes(passed=2)
    result = run(tests, "-o", "aiguard_leaks=true")
    result.assert_outcomes(passed=2, errors=1)
    assert re.search(r"boundary 'hangs': [1-3] permits are taken, [1-3] threads left behind", result.stdout.str())


def test_a_whole_run_among_faults(run: Callable[..., pytest.RunResult]) -> None:
    """Every boundary is hit at the rate, the header says how to see the same again, and it is the same."""
    tests = """
def test_it():
    answers()

@pytest.mark.aiguard_no_chaos
def test_spared():
    assert triage() == "real"
"""
    result = run(tests, "--aiguard-chaos=0.5", "--aiguard-seed=5")
    result.assert_outcomes(failed=1, passed=1)
    again = "the same again: --aiguard-chaos=0.5 --aiguard-seed=5"
    result.stdout.fnmatch_lines([f"aiguard: chaos; {again}", "*injected by aiguard*", "*OneOf(*"])
    assert 10 < listed(result)[0].count("f") < 30
    assert listed(run(tests, "--aiguard-chaos=0.5", "--aiguard-seed=5")) == listed(result)
    assert listed(run(tests, "--aiguard-chaos=0.5", "--aiguard-seed=6")) != listed(result)


def test_workers_share_the_seed_of_their_run(pytester: pytest.Pytester) -> None:
    """One that was drawn by chance too: the header's is that of every test, wherever it runs."""
    pytester.makepyfile(
        BOUNDARY
        + """
def test_it():
    answers()
"""
    )
    options = ("-p", "pytest_aiguard", "-p", "no:cacheprovider", "-vv", "--aiguard-chaos=0.5")
    result = pytester.runpytest_subprocess(*options, "-n", "2")
    (seed,) = set(re.findall(r"--aiguard-seed=(\d+)", result.stdout.str()))
    alone = pytester.runpytest_subprocess(*options, "--aiguard-seed", seed)
    assert listed(alone) == listed(result) != []


@pytest.mark.parametrize("rate", ["2", "-0.1", "nan", "tests"])
def test_a_rate_that_is_none_is_refused(run: Callable[..., pytest.RunResult], rate: str) -> None:
    """As a wrong option of pytest is; a path that was taken for one too."""
    result = run("", f"--aiguard-chaos={rate}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*'{rate}' is no rate from 0 to 1; write --aiguard-chaos=RATE*"])


def test_a_mark_has_its_own_faults(run: Callable[..., pytest.RunResult]) -> None:
    """With or without the option, which is the default rate then."""
    tests = """
@pytest.mark.aiguard_chaos(Fails("connection"), "triage", rate=1.0)
def test_marked():
    outcome = triage.outcome()
    assert outcome.failure.kind == "connection"

@pytest.mark.aiguard_chaos(rate=0.0)
def test_never():
    assert [triage() for _ in range(20)] == ["real"] * 20

def test_not_marked():
    assert triage() == "real"
"""
    run(tests, "--strict-markers").assert_outcomes(passed=3)
    run(tests, "--aiguard-chaos=1", "--deselect=test_a_mark_has_its_own_faults.py::test_not_marked").assert_outcomes(
        passed=2, deselected=1
    )


def test_chaos_takes_little_time() -> None:
    """A whole run lives with it: no hang, and no long wait."""
    flat: list[Any] = [fault for program in CHAOS.faults for fault in program]
    assert "Hang" not in {type(fault).__name__ for fault in flat}
    assert all(fault.seconds + fault.jitter < 0.2 for fault in flat if type(fault).__name__ == "Latency")
