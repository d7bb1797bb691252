"""What the pytest plugin does; it is declared in `pytest_aiguard`, which imports nothing before a test needs it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from aiguard.testing.faults import Fails, Latency, OneOf, Truncation
from aiguard.testing.injection import inject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiguard.testing.faults import Fault
    from aiguard.testing.interception import Which

CHAOS: Final = OneOf(
    Latency(0.05, jitter=0.1),
    Fails("connection"),
    Fails("timeout"),
    Fails("server_error"),
    Fails("overloaded"),
    Fails("rate_limited"),
    Truncation(),
)
"""What components do on a bad day; nothing that takes long, and no `Garbage`: pytest-xdist cannot report it."""

GRACE: Final = 1.0
"""Real seconds that what was let go has to come to rest."""

_GLANCE: Final = 0.005


class Faults:
    """
    Injects faults until the test ends.

    Args:
        seed: Of their chance.
        injected: Where they are kept.
    """

    def __init__(self, seed: str, injected: list[inject] | None = None) -> None:
        self._seed = seed
        self._open: list[inject] = []
        self._injected = [] if injected is None else injected

    def __call__(
        self,
        boundary: Which,
        fault: Fault | Sequence[Fault],
        *,
        rate: float = 1.0,
        times: int | None = None,
        seed: int | str | None = None,
    ) -> inject:
        """Inject from now on; the arguments are those of `inject`, the seed is the run's."""
        own = f"{self._seed}/{len(self._open)}" if seed is None else seed
        injected = inject(boundary, fault, rate=rate, times=times, seed=own)
        injected.__enter__()
        self._open.append(injected)
        self._injected.append(injected)
        return injected

    def end(self) -> None:
        """Inject no more, and let go of what hangs."""
        for injected in reversed(self._open):
            injected.__exit__(None, None, None)

    def left_behind(self) -> list[str]:
        """Return what boundaries that were hit have not got back, a while after."""
        pause = threading.Event()
        for _ in range(int(GRACE / _GLANCE)):
            if not self._taken():
                break
            pause.wait(_GLANCE)
        return self._taken()

    def _taken(self) -> list[str]:
        states = {pipeline.state.name: pipeline.state for injected in self._open for pipeline in injected.pipelines}
        found: list[str] = []
        for name, state in sorted(states.items()):
            threads = state.workers.abandoned + state.rung_workers.abandoned
            permits = state.permits.in_flight if state.permits is not None else 0
            if threads or permits:
                found.append(f"boundary {name!r}: {permits} permits are taken, {threads} threads left behind")
        return found


def chaos(fault: Fault | Sequence[Fault] = CHAOS, boundary: Which = None, **settings: Any) -> inject:
    """Return what a test runs among that the mark or the option is about."""
    return inject(boundary, fault, **settings)
