"""What a control operation raises."""

from __future__ import annotations


class ControlError(Exception):
    """
    A halt, a resume or a look into the record was refused; the message says why, and what to do.

    Attributes:
        rule: Which rule refused: a word that a program can rely on.
    """

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(f"{why} (rule: {rule})")
        self.rule = rule
        self.why = why


class StoreError(ControlError):
    """The control store cannot be used: its rule is `store`, or `store-version` for one of a newer aiguard."""


class NoRecordError(StoreError):
    """Nothing was recorded yet, or what was recorded is gone."""
