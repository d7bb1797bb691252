"""The libraries that a guarded client may be of."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(params=["httpx2", "httpx"])
def library(request: pytest.FixtureRequest) -> Any:
    """Each library in turn, where it is installed."""
    return pytest.importorskip(request.param)
