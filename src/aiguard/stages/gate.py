"""The gate: whether the boundary may run at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.errors import HaltedError

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed
    from aiguard.switch import Switch


class GateStage:
    """Turn calls away, and keep their answers in, while the boundary is halted."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `HaltedError` if the boundary is halted, also where it was halted while the call ran."""
        switch, journal = self.switch, call.journal
        gate = switch.gate
        if gate.known is not switch.clear or journal.begun >= gate.due:
            why = switch.halted(journal.key)
            if why is not None:
                raise HaltedError(why)
        value = await proceed(call)
        if gate.known is not switch.clear or gate.now() >= gate.due:
            why = switch.halted(journal.key)
            if why is not None:
                del value  # what stays in is in no frame of the error
                raise HaltedError(why)
        return value
