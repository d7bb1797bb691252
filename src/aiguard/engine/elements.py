"""The contract of a boundary's elements, from its policy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiguard.contract import OutputContract
from aiguard.contract.elements import ElementContract
from aiguard.errors import PolicyError
from aiguard.problem import Problem, shown

if TYPE_CHECKING:
    from aiguard.policy import Policy


def elements_of(name: str, policy: Policy) -> ElementContract:
    """Return what `stream="elements"` holds each element to. Raises `PolicyError` where `output` is not `list[…]`."""
    output = policy.output
    if output is None:
        reason = "required with `stream` ('elements'): `list[…]` of what each element is"
        raise PolicyError(Problem(reason, name, "output"))
    try:
        return ElementContract(output if isinstance(output, OutputContract) else OutputContract(output))
    except PolicyError as error:
        problems = [replace(one, setting="output", value=one.value or shown(output)) for one in error.problems]
        raise PolicyError(*problems).of(name) from None
