"""The gate: whether the boundary may run at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.errors import HaltedError
from aiguard.failure import Failure, FailureKind

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed
    from aiguard.switch import Switch


class GateStage:
    """Turn calls away while the switch is off."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `HaltedError` if the boundary is off, also where it was switched off while the call ran."""
        switch = self.switch
        if switch.off:
            raise self._halted()
        value = await proceed(call)
        if switch.off:
            raise self._halted()
        return value

    def _halted(self) -> HaltedError:
        return HaltedError(Failure(FailureKind.HALTED, "gate", "the boundary is switched off"))
