"""From the events of a YAML parser to nodes: what unquoted text means in YAML 1.2, and what a file must not do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.config.text import DEEPEST, LONGEST, TOO_DEEP, TOO_LONG, Flaw, Mark, Node, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from yaml import Event

_MOST: Final = 200_000  # values, aliases counted as often as they are used: 1,000 boundaries of 50 settings fit thrice
_EVERY: Final = 64  # events between two breaths
_LONGEST_SHOWN: Final = 40  # characters

TAG: Final = "tag:yaml.org,2002:"
_COLLECTIONS: Final = {dict: f"{TAG}map", list: f"{TAG}seq"}
_FLOAT_TAG: Final = f"{TAG}float"
_SCALARS: Final = {f"{TAG}null": type(None), f"{TAG}bool": bool, f"{TAG}int": int, _FLOAT_TAG: float}
_WORDS: Final[dict[str, float | bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_FIRST_OF_NUMBERS: Final = frozenset("+-.0123456789")
INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES: Final = {"0o": 8, "0x": 16}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _Anchored(NamedTuple):
    """What an anchor names: the value, how many values it is in all, how deep they are nested."""

    value: Any
    size: int
    height: int


class _Open:
    """A mapping or list whose end was not read yet."""

    __slots__ = ("anchor", "before", "height", "key", "key_mark", "value", "wants_key")

    def __init__(self, value: dict[str, Node] | list[Node], before: int, anchor: str | None) -> None:
        self.value = value
        self.before = before  # how many values were read before it
        self.anchor = anchor
        self.height = 1
        self.wants_key = isinstance(value, dict)
        self.key: str | None = None  # of the next value; None where that value is dropped
        self.key_mark = Mark(1, 1)


class Composer:
    """
    Makes nodes of events; without recursion, so that no text is nested too deep for it.

    Attributes:
        root: The document, as far as it was read; `None` where there is none.
        flaws: What is wrong with it and did not end the reading.
    """

    def __init__(self) -> None:
        import yaml

        self.root: Node | None = None
        self.flaws: list[Flaw] = []
        self._open: list[_Open] = []
        self._here: _Open | None = None  # the innermost
        self._anchors: dict[str, _Anchored | None] = {}  # None while what it names is open
        self._count = 0
        self._steps: dict[type[Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: lambda event: self._begin(event, {}),
            yaml.SequenceStartEvent: lambda event: self._begin(event, []),
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }

    def compose(self, events: Iterable[Event], breathe: Callable[[], None]) -> None:
        """Read all events. Raises `UnreadableError` where reading cannot go on."""
        steps = self._steps
        for number, event in enumerate(events):
            if not number % _EVERY:
                breathe()
            step = steps.get(type(event))
            if step is not None:
                step(event)

    def _flaw(self, mark: Mark, reason: str) -> None:
        self.flaws.append(Flaw(mark, reason))

    # --- one event each

    def _document(self, event: Any) -> None:
        if self.root is not None:
            raise UnreadableError(Flaw(_mark(event), "a second document begins here: a file holds one"))

    def _scalar(self, event: Any) -> None:
        mark = _mark(event)
        text = event.value
        if not text.isascii() and _SURROGATE.search(text):
            self._flaw(mark, "half a surrogate pair is no character")
            text = _SURROGATE.sub("\ufffd", text)
        value: Any = text
        if event.tag is not None:
            value = self._tagged(event.tag, text, mark)
        elif event.implicit[0]:
            value = self._unquoted(text, mark)
        here = self._here
        if here is not None and here.wants_key:
            if text == "<<" and event.implicit[0]:
                here.wants_key = False
                reason = "YAML 1.2 has no merge `<<`: what boundaries share belongs in the `defaults` block"
                self._flaw(mark, reason)
            else:
                self._key(here, value, text, mark)
        else:
            self._place(value, mark, 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, 1, 0)

    def _begin(self, event: Any, value: dict[str, Node] | list[Node]) -> None:
        mark = _mark(event)
        if event.tag is not None and event.tag != _COLLECTIONS[type(value)]:
            self._no_tag(mark)
        if len(self._open) == DEEPEST:
            raise UnreadableError(Flaw(mark, TOO_DEEP))
        before = self._count
        here = self._here
        if here is not None and here.wants_key:
            here.wants_key = False
            self._count += 1
            self._flaw(mark, "a key must be text, not a list or a mapping")
        else:
            self._place(value, mark, 1)
        self._here = _Open(value, before, event.anchor)
        self._open.append(self._here)
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _end(self, _: Event) -> None:
        ended = self._open.pop()
        self._here = self._open[-1] if self._open else None
        if self._here is not None and self._here.height <= ended.height:
            self._here.height = ended.height + 1
        if ended.anchor is not None and self._anchors[ended.anchor] is None:
            self._anchors[ended.anchor] = _Anchored(ended.value, self._count - ended.before, ended.height)

    def _alias(self, event: Any) -> None:
        mark = _mark(event)
        known = self._anchors.get(event.anchor)
        if known is None:
            inside = event.anchor in self._anchors
            self._flaw(mark, "stands inside what it refers to" if inside else "no anchor of this name stands above it")
            known = _Anchored(None, 1, 0)
        here = self._here
        if here is not None and here.wants_key:
            self._key(here, known.value, "", mark)
            return
        if len(self._open) + known.height > DEEPEST:
            raise UnreadableError(Flaw(mark, TOO_DEEP))
        if here is not None and here.height <= known.height:
            here.height = known.height + 1
        self._place(known.value, mark, known.size)

    # --- keys and values

    def _key(self, here: _Open, value: object, text: str, mark: Mark) -> None:
        here.wants_key = False
        here.key_mark = mark
        if not isinstance(value, str):
            named = 0 < len(text) <= _LONGEST_SHOWN
            self._flaw(mark, f'a key must be text: write "{text}", in quotes' if named else "a key must be text")
            value = text or None
        nodes: Any = here.value
        if value in nodes:
            self._flaw(mark, f"this key stands above already, in line {nodes[value].key.line}")
        else:
            here.key = value

    def _place(self, value: Any, mark: Mark, size: int) -> None:
        self._count += size
        if self._count > _MOST:
            raise UnreadableError(Flaw(mark, f"more than {_MOST:,} values, counted wherever an alias repeats them"))
        here = self._here
        if here is None:
            self.root = Node(value, mark, mark)
        elif isinstance(here.value, list):
            here.value.append(Node(value, mark, mark))
        else:
            here.wants_key = True
            if here.key is not None:
                here.value[here.key] = Node(value, mark, here.key_mark)
                here.key = None

    def _unquoted(self, text: str, mark: Mark) -> str | float | bool | None:
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _FIRST_OF_NUMBERS:
            return text
        if INT.fullmatch(text):
            if len(text) > LONGEST:
                self._flaw(mark, TOO_LONG)
                return None
            return int(text, _BASES.get(text[:2], 10))
        return float(text) if FLOAT.fullmatch(text) else text

    def _tagged(self, tag: str, text: str, mark: Mark) -> str | float | bool | None:
        if tag == f"{TAG}str":
            return text
        if tag not in _SCALARS:
            self._no_tag(mark)
            return text
        if tag == _FLOAT_TAG and FLOAT.fullmatch(text):
            return float(text)
        value = self._unquoted(text, mark)
        if type(value) is not _SCALARS[tag]:
            self._flaw(mark, "this is not what its tag says")
        return value

    def _no_tag(self, mark: Mark) -> None:
        self._flaw(mark, "this tag means nothing here: leave it out, or quote text that begins with `!`")


def _mark(event: Any) -> Mark:
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1)
