"""
The pytest plugin of aiguard: faults for tests that ask for them, chaos for a whole run.

It stands beside the package and imports it when a test needs it: loaded at the start of every run, it costs those that
never use it nothing, and leaves aiguard to be measured by their coverage.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from aiguard.testing.plugin import Faults

USUAL_RATE: Final = 0.1

_INJECTED: Final = pytest.StashKey[list[Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("aiguard", "faults at the boundaries of aiguard")
    group.addoption(
        "--aiguard-chaos",
        nargs="?",
        type=_rate,
        const=USUAL_RATE,
        default=None,
        metavar="RATE",
        help=f"let this part of all attempts at every boundary meet a fault, by chance; {USUAL_RATE:g} without a RATE",
    )
    group.addoption(
        "--aiguard-seed",
        type=int,
        default=None,
        metavar="SEED",
        help="what the chance of a run begins with: repeats it",
    )
    parser.addini(
        "aiguard_leaks",
        "fail a test of `aiguard_faults` that leaves permits taken or threads running behind",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed, and make the marks known."""
    if config.option.aiguard_seed is None:
        told = getattr(config, "workerinput", {}).get("aiguard_seed")
        drawn = int.from_bytes(os.urandom(4), "big")  # noqa: TID251 - where chance begins
        config.option.aiguard_seed = drawn if told is None else told
    config.addinivalue_line(
        "markers",
        "aiguard_chaos(fault=…, boundary=None, rate=0.1, times=None, seed=…): faults while this test runs, "
        "with or without --aiguard-chaos",
    )
    config.addinivalue_line("markers", "aiguard_no_chaos: this test is spared by --aiguard-chaos")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the seed of the run."""
    node.workerinput["aiguard_seed"] = node.config.option.aiguard_seed


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say how to see the same chaos again."""
    rate = config.option.aiguard_chaos
    if rate is None:
        return None
    return f"aiguard: chaos; the same again: --aiguard-chaos={rate:g} --aiguard-seed={config.option.aiguard_seed}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Run a test among faults, where it or the whole run asks for them."""
    rate = item.config.option.aiguard_chaos
    mark = item.get_closest_marker("aiguard_chaos")
    if (rate is None and mark is None) or item.get_closest_marker("aiguard_no_chaos") is not None:
        yield
        return
    from aiguard.testing.plugin import chaos  # noqa: PLC0415 - only now it is needed

    settings: dict[str, Any] = {"rate": USUAL_RATE if rate is None else rate, "seed": _seed(item)}
    if mark is not None:
        settings.update(mark.kwargs)
    with chaos(*(mark.args if mark is not None else ()), **settings) as injected:
        item.stash.setdefault(_INJECTED, []).append(injected)
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None]:
    """Say of a test that failed what was injected, and how to see the same again."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined] # an old-style wrapper is sent one
    injected = [one for one in item.stash.get(_INJECTED, []) if one.hits]
    if report.failed and injected:
        again = f"the same again: --aiguard-seed={item.config.option.aiguard_seed}"
        if item.config.option.aiguard_chaos is not None:
            again += f" --aiguard-chaos={item.config.option.aiguard_chaos:g}"
        report.sections.append(("injected by aiguard", "\n".join([*map(repr, injected), again])))


@pytest.fixture
def aiguard_faults(request: pytest.FixtureRequest) -> Generator[Faults]:
    """Inject faults until the test ends: `aiguard_faults(boundary, fault, …)`, with the arguments of `inject`."""
    from aiguard.testing.plugin import Faults  # noqa: PLC0415 - only now it is needed

    injected = request.node.stash.setdefault(_INJECTED, [])
    faults = Faults(_seed(request.node), injected)
    yield faults
    faults.end()
    left = faults.left_behind() if request.config.getini("aiguard_leaks") else []
    if left:
        pytest.fail("\n".join(left), pytrace=False)


def _seed(item: pytest.Item) -> str:
    """Return the seed of one test: the same whatever runs beside it."""
    return f"{item.config.option.aiguard_seed}/{item.nodeid}"


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate from 0 to 1; write --aiguard-chaos=RATE")
    return rate
