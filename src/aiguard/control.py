"""Halting boundaries and letting them run again, as `aiguard halt` and `aiguard resume` do."""

from aiguard.governance.control import Halted, Resumed, halt, halts, resume
from aiguard.halts import EVERY, Halt

__all__ = ["EVERY", "Halt", "Halted", "Resumed", "halt", "halts", "resume"]
