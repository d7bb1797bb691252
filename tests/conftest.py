"""Fixtures: virtual time, and each behaviour over all shapes."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Final

import pytest

from aiguard.testing import VirtualClock, virtual_time
from tests.shapes import SHAPES, Harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks for prices over the network, for seconds

STATE: Final = tempfile.mkdtemp(prefix="aiguard-tests-")
os.environ["XDG_STATE_HOME"] = STATE  # or a halt in force on this machine would be in force in tests
os.environ.pop("AIGUARD_STATE", None)


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(STATE, ignore_errors=True)


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """Time that passes only when everybody waits; boundaries of the test are unknown outside it."""
    with virtual_time() as clock:
        yield clock


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    """Each shape of guarded function in turn."""
    return str(request.param)


@pytest.fixture
def scenario(shape: str, clock: VirtualClock) -> Callable[..., Harness]:
    """Make a guarded component of the shape that does what the script says."""

    def make(*script: Any, **settings: Any) -> Harness:
        name = settings.pop("name", "scenario")
        return Harness(shape, clock, script, name, settings)

    return make
