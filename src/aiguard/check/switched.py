"""Whether a boundary is switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.check.rules import SWITCHED_OFF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.check.finding import Finding
    from aiguard.check.subject import Subject


def switched(subject: Subject) -> Iterator[Finding]:
    """Find a boundary that is switched off."""
    if subject.policy.mode == "off":
        answers = "its ladder answers every call" if subject.policy.fallback else "every call raises `HaltedError`"
        yield subject.finding(SWITCHED_OFF, f"the component is not called: {answers}", "mode")
