"""What comes from elsewhere, fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return `text` with nothing in it that a terminal would act on."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
