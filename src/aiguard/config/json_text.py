"""JSON: held to its own rules, then read as the YAML that it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from aiguard.config.text import Flaw, Mark, Node, decode, no_pause
from aiguard.config.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

# YAML has no halves of a character; `json.dumps` writes every character above U+FFFF as two of them
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")


def read_json(data: bytes, breathe: Callable[[], None] = no_pause) -> tuple[Node | None, list[Flaw]]:
    """Read a JSON document; returns it, and what is wrong with it, as `read_yaml` does."""
    text = decode(data)
    if isinstance(text, Flaw):
        return None, [text]
    try:
        json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return None, [Flaw(Mark(error.lineno, error.colno), f"this is not JSON: {error.msg}")]
    except RecursionError:
        pass  # too deep: told by who reads it next, with its place
    except ValueError as error:
        return None, [Flaw(Mark(1, 1), str(error))]
    return read_yaml(_PAIR.sub(_joined, text).encode(errors="surrogatepass"), breathe)


def _refuse(constant: str) -> None:
    raise ValueError(f"this is not JSON: it holds {constant}, which is no number of JSON")


def _joined(found: re.Match[str]) -> str:
    return found[1] + str(json.loads(f'"{found[2]}"'))
