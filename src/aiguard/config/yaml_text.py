"""YAML 1.2 as text: read into nodes that know where they stand, written from plain data."""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiguard.config.text import Flaw, Mark, Node, UnreadableError, decode, mark_at, no_pause
from aiguard.config.yaml_events import events
from aiguard.config.yaml_nodes import FLOAT, INT, TAG, Composer

if TYPE_CHECKING:
    from collections.abc import Callable

    import yaml

_SHOWN: Final = 20  # a text with more unwelcome characters is no text
_PIECE: Final = 2**15  # characters looked at between two breaths

# beside what YAML forbids: what some readers take for a line break or a byte order mark, and others do not
_UNWELCOME: Final = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def read_yaml(data: bytes, breathe: Callable[[], None] = no_pause) -> tuple[Node | None, list[Flaw]]:
    """
    Read a YAML 1.2 document.

    Where the versions of YAML differ, 1.2 holds: `on`, `off`, `yes` and `no` are text, and so are `1_000`, `1:30` and
    dates; `012` is twelve.

    Args:
        data: UTF-8.
        breathe: Called every few hundred values.

    Returns:
        The document, `None` where it cannot be read, and all that is wrong with it, in the order of the text.
    """
    text = decode(data)
    if isinstance(text, Flaw):
        return None, [text]
    text = text.replace("\r", "\n")
    flaws = _unwelcome(text, breathe)
    if flaws:
        return None, flaws
    composer = Composer()
    try:
        composer.compose(events(text), breathe)
    except UnreadableError as error:
        return None, sorted([*composer.flaws, error.flaw])
    start = Mark(1, 1)
    return composer.root or Node(None, start, start), sorted(composer.flaws)


def _unwelcome(text: str, breathe: Callable[[], None]) -> list[Flaw]:
    """Return a flaw for each of the first characters that must not stand in the text as they are."""
    flaws: list[Flaw] = []
    for start in range(0, len(text), _PIECE):
        breathe()
        for found in islice(_UNWELCOME.finditer(text, start, start + _PIECE), _SHOWN - len(flaws)):
            code = f"{ord(found[0]):04X}"
            reason = f"the character U+{code} cannot stand here: remove it, or write `\\u{code}` in double quotes"
            flaws.append(Flaw(mark_at(text, found.start()), reason))
    return flaws


def write_yaml(data: Any) -> str:
    """
    Return `data` as YAML that `read_yaml` reads back the same: mappings and lists in blocks, keys in their order.

    Readers of YAML 1.1 read it the same too: `"off"`, `"012"` and `"1:30"` are quoted.

    Args:
        data: What JSON can hold; infinity, NaN and tuples too.

    Raises:
        yaml.YAMLError: It holds something else.
    """
    import yaml

    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": float("inf")}
    return str(yaml.dump(data, Dumper=_dumper(), default_flow_style=False, **options))


@cache
def _dumper() -> type[yaml.SafeDumper]:
    import yaml

    known: dict[Any, Any] = yaml.SafeDumper.yaml_representers
    kinds = (type(None), bool, int, float, list, tuple, dict, None)  # the last one refuses all others

    class Dumper(yaml.SafeDumper):
        yaml_representers: ClassVar[dict[Any, Any]] = {kind: known[kind] for kind in kinds}

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - what is used twice is written twice
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the signature is PyYAML's
            super().increase_indent(flow, indentless=False)  # lists are indented below their key

    def text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = '"' if _UNWELCOME.search(text) else "|" if "\n" in text else None
        return dumper.represent_scalar(f"{TAG}str", text, style=style)

    Dumper.add_representer(str, text)
    numbers = re.compile(f"(?:{INT.pattern}|{FLOAT.pattern})$")
    Dumper.add_implicit_resolver(f"{TAG}float", numbers, list("+-.0123456789"))
    Dumper.add_implicit_resolver(f"{TAG}bool", re.compile("[yYnN]$"), list("yYnN"))  # PyYAML knows the rest
    return Dumper
