"""Giving a target inputs until its time is over."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

BATCH = 200
"""Inputs between two looks at the clock."""


def fuzzed(target: Target, seconds: float, first: int) -> int:
    """
    Give `target` inputs for so many seconds, from the seeds `first` on; return how many they were.

    Raises:
        Exception: What the first input that fails makes it raise, with the smallest such input in a note.
    """
    gc.collect()
    gc.freeze()  # whatever is there already is none of the target's: each collection would go through it
    until = time.monotonic() + seconds
    inputs = 0

    def once(given_input: Any) -> None:
        nonlocal inputs
        inputs += 1
        target.judge(given_input)

    batch = first
    while time.monotonic() < until:
        quiet = settings(
            max_examples=BATCH,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        seed(batch)(quiet(given(target.inputs)(once)))()
        batch += 1
    return inputs
