"""The names from outside that a function's code reads, without running it."""

from __future__ import annotations

import dis
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.check.statically import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

_GLOBALS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_READS: Final = _GLOBALS | {"LOAD_DEREF", "LOAD_CLASSDEREF"}
_STEPS: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})

_PER_CALL: Final = "with_options"
"""The method by which a call of the clients that Stainless generates sets its own number of retries."""


class Read(NamedTuple):
    """
    Something from outside that a function reads.

    Attributes:
        name: What it is called there.
        thing: What it is.
        attributes: What is read off it, one after the other.
    """

    name: str
    thing: Any
    attributes: tuple[str, ...]


def reads(fn: FunctionType) -> Iterator[Read]:
    """Yield what `fn` reads of its module and of the functions around it; not what says how often to try itself."""
    cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=False))
    for chain, of_module in _chains(fn.__code__):
        name, *rest = chain
        if of_module:
            thing = fn.__globals__.get(name, MISSING)
        elif name in cells:
            try:
                thing = cells[name].cell_contents
            except ValueError:  # nothing was put into it yet
                continue
        else:
            continue  # of a function inside this one
        if thing is not MISSING:
            yield Read(name, thing, tuple(rest))


def _chains(code: CodeType) -> Iterator[tuple[list[str], bool]]:
    """Yield names with the attributes read off them, and whether each is the module's; those of code inside it too."""
    chain: list[str] = []
    of_module = False
    sets_retries = any(type(const) is tuple and "max_retries" in const for const in code.co_consts)
    for instruction in dis.get_instructions(code):
        if instruction.opname in _STEPS and chain:
            chain.append(instruction.argval)
            continue
        if chain and not (sets_retries and _PER_CALL in chain):
            yield chain, of_module
        chain = [instruction.argval] if instruction.opname in _READS else []
        of_module = instruction.opname in _GLOBALS
    for const in code.co_consts:
        if type(const) is CodeType:
            yield from _chains(const)
