"""Answers that are made to cost time or memory: text, each by a name that says what it is."""

from __future__ import annotations

from time import process_time
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


ITEMS: Final = (
    *(
        "1",
        "-1",
        "1.5",
        "1e300",
        "0.1",
        "null",
        '""',
        '"b"',
        '"aaaaaaaa"',
        "[]",
        "{}",
        "[[1]]",
        "[[[[[[]]]]]]",
        "[1,2]",
    ),
    *('{"a":1}', '{"a":{}}', '{"a":[1,"x"]}', '{"k":"2"}', '{"k":"9"}', '{"":{"":{}}}', '{"kids":[]}', '"a@b.c"'),
    *('"http://a.b"', '"2020-01-01"', '"1.5"', '{"k":"n","kids":[{"k":"2"}]}'),
)
"""What an array is made of."""

LETTERS: Final = ("a", "1", "=", ".", "-", "@", "aa ", "a.", "a:", "::", "%41", "\\n", "\\u0041", "é", "0x")
"""What a string is made of, to lead a pattern or a format astray."""


def documents(size: int) -> dict[str, str]:
    """Return hostile JSON of about `size` letters: whole, or whole but for a slip."""
    found: dict[str, str] = {}
    for item in ITEMS:
        array = _array(item, size)
        found |= {f"{item} in an array": array, f"{item} in an array with a slip": f"```json\n{array[:-1]},]\n```"}
    for letters in LETTERS:
        text = repeated(letters, size - size % len(letters))
        found |= {f"a string of {letters}": f'["{text}"]', f"a field of {letters}": f'{{"a":"{text}"}}'}
        found[f"strings of {letters}"] = _array(f'"{text[:60]}"', size)
    for depth in (45, 198):
        half = depth // 2
        found |= {
            f"wide below {depth} arrays": "[" * depth + "1," * (size // 2 - depth) + "1" + "]" * depth,
            f"wide below {depth} levels": _levels('{"kids":[', "]}", half, '{"a":1}', size),
            f"misfits below {depth} levels": _levels('{"k":"n","kids":[', "]}", half, '{"k":"0"}', size),
            f"deep and wide, {depth} levels": _levels("[", "]", half, "[" * half + "null" + "]" * half, size),
            f"{depth} objects in each other": _array('{"a":' * depth + "null" + "}" * depth, size),
            f"{depth} arrays in each other": _array("[" * (depth - 9) + "1" + "]" * (depth - 9), size),
        }
    found |= {
        "numbers of one hash": "[" + ",".join([str(index * PRIME) for index in range(size // 24)]) + "]",
        "keys of one hash": "{" + ",".join([f'"{index * PRIME}":1' for index in range(size // 28)]) + "}",
        "numbers": "[" + ",".join(map(str, range(size // 6))) + "]",
        "fractions": "[" + ",".join([f"{index}.5" for index in range(size // 8)]) + "]",
        "arrays of numbers": "[" + ",".join([f"[{index}]" for index in range(size // 8)]) + "]",
        "keys": "{" + ",".join([f'"{index}":1.5' for index in range(size // 12)]) + "}",
        "keys for NaN": "{" + ",".join([f'"{index}":NaN' for index in range(size // 12)]) + "}",
        "three values": " and ".join([_array("[]", size // 3 - index) for index in range(3)]),
        "numbers of 4000 digits": _array("1" * 4000, size),
    }
    return found


PRIME: Final = 2**61 - 1
"""What Python takes the hash of a number by."""


def _array(item: str, size: int) -> str:
    return "[" + ",".join([item] * max(size // (len(item) + 1), 1)) + "]"


def _levels(opening: str, closing: str, depth: int, item: str, size: int) -> str:
    wide = _array(item, size - depth * (len(opening) + len(closing)))[1:-1]
    return opening * depth + wide + closing * depth


COUNTING: Final = 0.0003
"""Seconds of CPU that it takes to count to 20000 where the documented times were measured."""


def allowed(seconds: float) -> float:
    """Return `seconds`, or as much more as this machine is slower just now than the one they were measured on."""
    began = process_time()
    sum(range(20_000))
    return seconds * max(1.0, (process_time() - began) / COUNTING)


def repeated(unit: str, size: int) -> str:
    """Return `unit` over and over, `size` letters of it."""
    return (unit * (size // len(unit) + 1))[:size]
