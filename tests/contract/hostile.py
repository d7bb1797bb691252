"""Answers that are made to cost time or memory: text, each by a name that says what it is."""

from __future__ import annotations

from typing import Final

UNITS: Final = (
    *("[", "{", "]", '"', "\\", '\\"', ",", ":", " ", "\n", "`", "1", "-", "é", "\u2028", "\x00", "\ud800", "\ufeff"),
    *("[]", "{}", "[[]]", "{},", ",]", "1,", "1e9", "NaN,", "null,", '""', '",', '\\"[', '{"', '{"a":', '"a":1,'),
    *('{"a":1}\n', '{"a":1,}', '{"b":["', '"\\ud800",', "[1,],", "```\n", "```json\n{}\n```\n", " ```", "[ ", "a\n"),
)
"""What is written over and over again."""


def answers(size: int) -> dict[str, str]:
    """Return hostile answers of about `size` letters."""
    found = {f"{unit!r} again and again": repeated(unit, size) for unit in UNITS}
    found |= {f"[ and {unit!r}": "[" + repeated(unit, size) for unit in UNITS}
    found |= {f'[" and {unit!r}': '["' + repeated(unit, size) for unit in UNITS}
    found |= {
        "bad items": f"[{'1,' * (size // 2)}1]",
        "bad objects": f"[{'{},' * (size // 3)}{{}}]",
        "one key again and again": "{" + '"a":1,' * (size // 6) + '"a":1}',
        "many keys": "{" + ",".join([f'"k{index}":"x"' for index in range(size // 12)]) + "}",
        "a long number": "1" * size,
        "a long fraction": f"0.{'1' * size}",
        "a long exponent": f"1e{'9' * size}",
        "a pattern's trap": f'{{"trap":"{"a" * size}b"}}',
        "many strings": "[" + '"x",' * (size // 4) + '"x"]',
        "commas at the end of each": "[" + "[1,]," * (size // 5) + "]",
        "a fence with a slip": "```json\n[" + "1," * (size // 2) + "]\n```",
        "half of many pairs": '["' + "\\ud800" * (size // 6) + '"]',
        "as deep as it goes": "[" * 199 + "]" * 199 + " " * size,
        "spaces before a comma": f"[1{' ' * size},]",
        "a fence that never ends": f"```json\n{' ' * size}",
    }
    return found


def repeated(unit: str, size: int) -> str:
    """Return `unit` over and over, `size` letters of it."""
    return (unit * (size // len(unit) + 1))[:size]
