"""TOML, read with the place of every key and value; nothing that a file can hold raises."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiguard.config.text import Mark, Node
from aiguard.config.toml_text import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.config.text import Flaw

FUZZ = settings(deadline=None)

MARKED = r"""version = 1
[defaults] # of all
deadline = 2.5
retry.attempts = 3
retry . "o\u006e" = ["timeout", 'connection',
  # the last
  "server_error", ]
[boundaries.a]
owner = '''
it's'''
wait = {kind = "fixed", and.more = [{x = [1, "]"]}, {}]}
fallback = []
[[boundaries.a.rungs]]
call = "m:f"
[[boundaries.a.rungs]]
[boundaries.a.rungs.value]
é = 0
"""


def nodes(node: Node | None, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Yield every node with its path."""
    assert node is not None
    yield path, node
    if isinstance(node.value, dict):
        for name, item in node.value.items():
            yield from nodes(item, (*path, name))
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from nodes(item, (*path, index))


def flaws_of(text: str) -> list[tuple[str, str]]:
    """Return what is wrong with a text: place and reason."""
    _, flaws = read_toml(text.encode())
    return [(f"{flaw.mark.line}:{flaw.mark.column}", flaw.reason) for flaw in flaws]


def test_each_node_knows_its_place() -> None:
    """Value and key; of a list item the value twice; of a table with a header, or in a dotted key, its name twice."""
    node, flaws = read_toml(MARKED.replace("é", '"é"').encode())
    assert not flaws
    assert {".".join(map(str, path)): (tuple(node.mark), tuple(node.key)) for path, node in nodes(node)} == {
        "": ((1, 1), (1, 1)),
        "version": ((1, 11), (1, 1)),
        "defaults": ((2, 2), (2, 2)),
        "defaults.deadline": ((3, 12), (3, 1)),
        "defaults.retry": ((4, 1), (4, 1)),
        "defaults.retry.attempts": ((4, 18), (4, 7)),
        "defaults.retry.on": ((5, 21), (5, 9)),
        "defaults.retry.on.0": ((5, 22), (5, 22)),
        "defaults.retry.on.1": ((5, 33), (5, 33)),
        "defaults.retry.on.2": ((7, 3), (7, 3)),
        "boundaries": ((8, 2), (8, 2)),
        "boundaries.a": ((8, 13), (8, 13)),
        "boundaries.a.owner": ((9, 9), (9, 1)),
        "boundaries.a.wait": ((11, 8), (11, 1)),
        "boundaries.a.wait.kind": ((11, 16), (11, 9)),
        "boundaries.a.wait.and": ((11, 25), (11, 25)),
        "boundaries.a.wait.and.more": ((11, 36), (11, 29)),
        "boundaries.a.wait.and.more.0": ((11, 37), (11, 37)),
        "boundaries.a.wait.and.more.0.x": ((11, 42), (11, 38)),
        "boundaries.a.wait.and.more.0.x.0": ((11, 43), (11, 43)),
        "boundaries.a.wait.and.more.0.x.1": ((11, 46), (11, 46)),
        "boundaries.a.wait.and.more.1": ((11, 53), (11, 53)),
        "boundaries.a.fallback": ((12, 12), (12, 1)),
        "boundaries.a.rungs": ((13, 16), (13, 16)),
        "boundaries.a.rungs.0": ((13, 16), (13, 16)),
        "boundaries.a.rungs.0.call": ((14, 8), (14, 1)),
        "boundaries.a.rungs.1": ((15, 16), (15, 16)),
        "boundaries.a.rungs.1.value": ((16, 21), (16, 21)),
        "boundaries.a.rungs.1.value.é": ((17, 7), (17, 1)),
    }


# --- any document, in any notation


class Pen:
    """Writes a document and keeps where each value and its key stand."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.marks: dict[tuple[str | int, ...], tuple[Mark, Mark]] = {}

    def one_of(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def put(self, text: str) -> Mark:
        """Write `text`; return where it begins."""
        mark = Mark(self.text.count("\n") + 1, len(self.text) - self.text.rfind("\n"))
        self.text += text
        return mark

    def put_break(self) -> None:
        self.put(self.one_of("\n", " \n", "\n\n", " # a = [1, 'x\n", "\t#\n\n# [b]\n  "))

    def put_key(self, path: tuple[str, ...]) -> Mark:
        """Write a key of one part or of several, each in one of its notations; return where the last part begins."""
        mark = Mark(0, 0)
        for index, name in enumerate(path):
            if index:
                self.put(self.one_of(".", " . ", ".\t"))
            notations = [basic(name)]
            if re.fullmatch(r"[A-Za-z0-9_-]+", name):
                notations.append(name)
            if is_literal(name):
                notations.append(f"'{name}'")
            mark = self.put(self.one_of(*notations))
        return mark

    def put_value(self, path: tuple[str | int, ...], value: Any) -> Mark:
        """Write a value as it stands behind an equals sign or in an array."""
        if isinstance(value, dict):
            return self.put_inline(path, value)
        if isinstance(value, list):
            return self.put_array(path, value)
        if isinstance(value, str):
            notations = [basic(value), f'"""\n{basic(value)[1:-1]}"""', f'"""{several_lines(value)}"""']
            if is_literal(value):
                notations.append(f"'{value}'")
            if is_literal(value.replace("\n", "").replace("\t", "")):
                notations.append(f"'''\n{value}'''")
            return self.put(self.one_of(*notations))
        if isinstance(value, bool):
            return self.put(json.dumps(value))
        if isinstance(value, int):
            return self.put(self.one_of(str(value), f"{value:_}", f"{value:+}", *([hex(value)] if value >= 0 else [])))
        return self.put(self.one_of(repr(value), f"{value:+}"))

    def put_array(self, path: tuple[str | int, ...], value: list[Any]) -> Mark:
        mark = self.put("[")
        for index, item in enumerate(value):
            self.put(self.one_of("", " ", "\n", " # ]\n\t"))
            place = self.put_value((*path, index), item)
            self.marks[*path, index] = (place, place)
            self.put(self.one_of("", " ", "\n", " # ,\n"))
            if index < len(value) - 1 or self.draw(st.booleans()):
                self.put(",")
        self.put(self.one_of("", " ", "\n", "#\n") + "]")
        return mark

    def put_inline(self, path: tuple[str | int, ...], value: dict[str, Any]) -> Mark:
        mark = self.put("{" + self.one_of("", " "))
        for index, (name, item) in enumerate(value.items()):
            self.put(self.one_of(", ", ",", " , ") if index else "")
            self.put_setting((*path, name), (name,), item)
        self.put(self.one_of("", " ") + "}")
        return mark

    def put_setting(self, path: tuple[str | int, ...], key: tuple[str, ...], value: Any) -> None:
        """Write one setting; a table with one entry perhaps as a dotted key."""
        if isinstance(value, dict) and len(value) == 1 and self.draw(st.booleans()):
            ((name, item),) = value.items()
            self.put_setting((*path, name), (*key, name), item)
            return
        at = self.put_key(key)
        self.put(self.one_of("=", " = ", "\t= "))
        self.marks[path] = (self.put_value(path, value), at)

    def put_table(self, path: tuple[str | int, ...], header: tuple[str, ...], value: dict[str, Any]) -> None:
        """Write what is in a table: its settings, then tables below it that have headers of their own."""
        later = {name for name, item in value.items() if self.draw(st.booleans()) and has_header(item)}
        for name, item in value.items():
            if name not in later:
                self.put(self.one_of("", "  "))
                self.put_setting((*path, name), (name,), item)
                self.put_break()
        for name in later:
            items = value[name]
            inner = (*path, name)
            if isinstance(items, dict):
                self.put(self.one_of("[", "[ "))
                at = self.put_key((*header, name))
                self.put(self.one_of("]", " ]"))
                self.put_break()
                self.marks[inner] = (at, at)
                self.put_table(inner, (*header, name), items)
                continue
            for index, item in enumerate(items):
                self.put(self.one_of("[[", "[[ "))
                at = self.put_key((*header, name))
                self.put(self.one_of("]]", " ]]"))
                self.put_break()
                self.marks.setdefault(inner, (at, at))
                self.marks[*inner, index] = (at, at)
                self.put_table((*inner, index), (*header, name), item)


def has_header(value: Any) -> bool:
    """Whether a value can be written as a table, or as an array of tables."""
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def basic(text: str) -> str:
    """Return `text` as a basic string of one line."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def several_lines(text: str) -> str:
    """Return `text` as it may stand between three quotes, with line breaks and single quotes as they are."""
    escaped = basic(text)[1:-1]
    written = re.sub(r"(?<!\\)((?:\\\\)*)\\n", "\\1\n", escaped)
    written = re.sub(r'(?<!\\)((?:\\\\)*)\\"(?!\\?")', r'\1"', written)
    return "\\\n  " + written if not written.startswith((" ", "\n", "\t")) else escaped


def is_literal(text: str) -> bool:
    """Whether `text` can stand in single quotes."""
    return text.isprintable() and "'" not in text


NAMES = st.sampled_from(["a", "b-1", "3", "", "on call", "é", 'q"q', "it's", "a.b", "\\", "#", "x\ty", "]", "="])
STRINGS = st.text("ab \\\"'#=[]{},.\n\té😀", max_size=8)
VALUES = st.recursive(
    STRINGS | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, Any], dict[tuple[str | int, ...], tuple[Mark, Mark]]]:
    """Draw a document, what it means, and where value and key of each node stand."""
    plain = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    pen = Pen(draw)
    pen.put_table((), (), plain)
    return pen.text, plain, pen.marks


@FUZZ
@given(documents(), st.sampled_from(["\n", "\r\n"]))
def test_every_mark_points_at_its_text(
    document: tuple[str, dict[str, Any], dict[tuple[str | int, ...], tuple[Mark, Mark]]], line_break: str
) -> None:
    """In every notation: quotes of all kinds, dotted keys, inline tables, arrays over lines, headers, comments."""
    text, plain, marks = document
    node, flaws = read_toml(text.replace("\n", line_break).encode())
    assert not flaws
    assert node is not None
    assert node.plain() == plain
    found = {path: (item.mark, item.key) for path, item in nodes(node)}
    assert {path: found[path] for path in marks} == marks


# --- what it means, what is wrong with it


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("# nothing\n\n", {}),
        ("\ufeffa = 1", {"a": 1}),
        ("a = 1\r\n[b]\r\n", {"a": 1, "b": {}}),
        ('a = """x"""""', {"a": 'x""'}),
        ("a = ''''x''''", {"a": "'x'"}),
        ('a = """"""', {"a": ""}),
        ("a = ''''''", {"a": ""}),
        (r'a = """\"""x"""', {"a": '"""x'}),
        ('a = ["\\\\", "]", \'\\\']', {"a": ["\\", "]", "\\"]}),
        ("a = +1_0\nb = 0o17\nc = 0xFF\nd = 0b1\ne = -0.0\nf = 1e3\ng = +inf", None),
        ("a.b.c = 1\na.d = 2\n[x.y]\n[x]\n[x.y.z]", {"a": {"b": {"c": 1}, "d": 2}, "x": {"y": {"z": {}}}}),
        ("[[a.b]]\n[a.b.c]\nd=1\n[[a.b.e]]\n[[a.b]]", {"a": {"b": [{"c": {"d": 1}, "e": [{}]}, {}]}}),
        ("a = [[], [[]], [{}], {b = []},]", {"a": [[], [[]], [{}], {"b": []}]}),
        ("a = {b.c = 1, b.d = 2, \"b\".'e' = {}}", {"a": {"b": {"c": 1, "d": 2, "e": {}}}}),
        ("".join(f"a{one} = 1\n" for one in range(1000)), None),
        (f"a = '{'. ' * 1000}'", None),
        ("a = " + "[" * 99 + "]" * 99, None),
        ("[" + ".".join(["a"] * 99) + "]", None),
    ],
)
def test_a_text_means_what_tomllib_says(text: str, value: object) -> None:
    """Its types too."""
    node, flaws = read_toml(text.encode())
    assert not flaws
    assert node is not None
    assert repr(node.plain()) == repr(tomllib.loads(text.removeprefix("\ufeff")))
    assert value is None or node.plain() == value


DEEP = "more than 100 mappings and lists inside each other"
LONG = "a whole number of more than 500 digits"
DATE = "a date or time is text here: write it in quotes"
ABOVE = "this key stands above already"
TABLE_ABOVE = "this table stands above already, or a value that nothing can be added to"
NO_STATEMENT = "neither `key = value` nor `[table]`; a key of other letters than a to z needs quotes"
NO_KEY = "a key is missing here; one of other letters than a to z needs quotes"
NO_VALUE = "this is no value: text needs quotes; `true`, `false`, `inf` and `nan` are in small letters"
RETURN = "a carriage return alone ends no line in TOML: remove it"
NOT_CLOSED = "this quote is never closed"
NOT_CLOSED_HERE = "this quote is not closed in its line"
CONTROL = "a control character cannot stand here: remove it, or write it as an escape"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        # statements
        ("a = 1\nb", "2:2", "`=` is missing after the key"),
        ("é = 1", "1:1", NO_STATEMENT),
        ("a = 1\n= 2", "2:1", NO_STATEMENT),
        ("a. = 1", "1:4", NO_KEY),
        ("[]", "1:2", NO_KEY),
        ("a = 1 2", "1:7", "something follows the value: one setting a line"),
        ("a = 1\rb = 2", "1:6", RETURN),
        ("a = 1\r\n\r\r\n", "2:1", RETURN),
        ("[a\nb = 1", "1:3", "the header of a table is not closed"),
        ("[[a]\nb = 1", "1:4", "the header of a table is not closed"),
        # twice
        ("a = 1\n  a = [\n1,\n'\\n']", "2:3", ABOVE),
        ("a = 1\na.b = 2", "2:1", ABOVE),
        ("a = 1\n[a]", "2:1", ABOVE),
        ("a = 1\n[[a]]", "2:1", ABOVE),
        ("[a]\n[b]\n\n [a] # x", "4:2", TABLE_ABOVE),
        ("[[a]]\n[a]", "2:1", TABLE_ABOVE),
        ("a = {}\n[a.b]", "2:1", TABLE_ABOVE),
        ("a = []\n[[a]]", "2:1", "adds to a value that is complete where it stands above"),
        ("[a.b.c]\n[a]\nb.c.d = 1", "3:1", "adds to a table that has its own header above: put it below that"),
        ("a = {b = 1, b = 2}", "1:18", "this key stands twice in the inline table"),
        # values
        ("a =", "1:4", NO_VALUE),
        ("a = True", "1:5", NO_VALUE),
        ("a = on", "1:5", NO_VALUE),
        ("a = [1 2]", "1:8", "`,` or `]` is missing"),
        ("a = [1,\n2", "2:2", "`,` or `]` is missing"),
        ("a = {b = 1 c = 2}", "1:12", "`,` or `}` is missing"),
        # quotes
        ("a = 'x", "1:5", NOT_CLOSED),
        ('a = "x', "1:5", NOT_CLOSED),
        ("a = 'x\nb = 'y'", "1:5", NOT_CLOSED_HERE),
        ("a = \"it's\nb = 1", "1:5", NOT_CLOSED_HERE),
        ("a = '''x\ny\n", "1:5", NOT_CLOSED),
        ('a = "x"\nb = """x\ny""\n', "2:5", NOT_CLOSED),
        (r'a = "\q"', "1:6", r"no such escape: write `\\` for a backslash, or use single quotes"),
        (r'a = "\u00"', "1:6", r"too few digits: `\u` has 4, `\U` has 8"),
        (r'a = "\ud800"', "1:6", "this escape is no character"),
        # characters
        ('a = "\x00"', "1:6", CONTROL),
        ("a = 'x\x7f'", "1:7", "a control character cannot stand here: remove it"),
        ("# \x01", "1:3", "a control character cannot stand here: remove it"),
        ("a = \u00a01", "1:5", NO_VALUE),
        # numbers and dates
        (f"a = 1\nb = {'9' * 5000}", "2:5", LONG),
        (f"a = 1\nb = {'9' * 501}", "2:5", LONG),
        (f"a = 0x{'f' * 600}", "1:5", LONG),
        ("a = 2020-01-01", "1:5", DATE),
        ("a = [\n 2020-01-01 10:00:00Z, ]", "2:2", DATE),
        ("a = {b = 10:00:00.5}", "1:10", DATE),
        ("a = 2020-02-30", "1:5", "this date or time does not exist; one that does would be text, in quotes"),
        # depth
        ("a = " + "[" * 100 + "]" * 100, "1:104", DEEP),
        ("a = " + "[" * 100_000, "1:105", DEEP),
        ("a = " + "{b = [" * 300, "1:305", DEEP),
        ("a = " + "{b = [" * 60 + "]}" * 60, "1:304", DEEP),
        ("a" + ".a" * 20_000 + " = 1", "1:202", DEEP),
        ("[" + "a." * 100 + "a]", "1:200", DEEP),
        ("[[" + "a." * 98 + "a]]", "1:199", DEEP),
        ("[" + "a." * 50 + "a]\n" + "b." * 50 + "b = 1", "2:97", DEEP),
        ("[" + "a." * 50 + "a]\nc = {" + "b." * 50 + "b = 1}", "2:100", DEEP),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, place: str, reason: str) -> None:
    """One plain sentence, at what is wrong rather than where tomllib noticed it."""
    assert flaws_of(text) == [(place, reason)]


def test_all_dates_are_told_and_what_is_written_is_kept() -> None:
    """So that all else that is wrong with the file can be told at once."""
    node, flaws = read_toml(b"a = 2020-01-01 # x\nb = [10:00:00]\nc = 1")
    assert [tuple(flaw.mark) for flaw in flaws] == [(1, 5), (2, 6)]
    assert node is not None
    assert node.plain() == {"a": "2020-01-01", "b": ["10:00:00"], "c": 1}


def test_what_a_newer_tomllib_may_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notation that the walk does not know is a flaw, not a crash."""
    monkeypatch.setattr(tomllib, "loads", lambda *_, **__: {"a": 1, "é": 2})
    assert flaws_of("a = 1\n é = 2") == [("2:2", "Python reads this as TOML, and aiguard does not know it")]


@pytest.mark.parametrize("data", [b"a = '\xff'", "a = 1".encode("utf-16"), b"a = '\xed\xa0\x80'"])
def test_what_is_no_text_is_told(data: bytes) -> None:
    """One flaw, and no document."""
    node, flaws = read_toml(data)
    assert node is None
    assert len(flaws) == 1


def test_others_may_go_on_while_it_is_read() -> None:
    """A breath at each number with a point while tomllib reads, then one at least every 64 settings."""
    breaths = 0

    def breathe() -> None:
        nonlocal breaths
        breaths += 1

    read_toml("".join(f"a{one} = 1\nb{one} = 1.5\n" for one in range(1000)).encode(), breathe)
    assert breaths >= 1000 + 2000 // 64


# --- nothing raises

PIECES = [
    *[
        "a",
        "1",
        " = ",
        "=",
        ".",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        "\n",
        " ",
        "#",
        "'",
        '"',
        "'''",
        '"""',
        "\\",
        "\\u0",
    ],
    *[
        "a.b",
        "a = 1\n",
        "[a]\n",
        "[[a]]\n",
        "true",
        "inf",
        "0x",
        "1.5",
        "2020-01-01",
        "10:00",
        "T",
        "Z",
        "_",
        "-",
        "+",
        "é",
    ],
    *["\t", "\r", "\r\n", "\x00", "\ufeff", "\u2028"],
]


@st.composite
def mutated(draw: st.DrawFn, text: str) -> bytes:
    """Draw `text` with a few pieces cut out of it, put into it, or moved."""
    changed = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(changed)))
        stop = draw(st.integers(start, min(start + 8, len(changed))))
        moved = st.just(changed[start : start + 20])
        put = draw(st.sampled_from(PIECES).map(str.encode) | st.binary(max_size=3) | moved)
        changed = changed[:start] + put + changed[stop:]
    return changed


def check_flaws(text: str, flaws: list[Flaw]) -> None:
    """Each stands within the text, or at its end, and says one sentence."""
    lines = text.replace("\r\n", "\n").split("\n")
    assert flaws == sorted(flaws)
    for (line, column), reason in flaws:
        assert reason.isprintable()
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1


@FUZZ
@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from(PIECES), max_size=25).map(lambda pieces: "".join(pieces).encode())
    | mutated(MARKED.replace("é", '"é"'))
)
@example(b"\r\r\n")
def test_no_bytes_raise(data: bytes) -> None:
    """What tomllib refuses is told, with a place within the text; what it reads is read the same, or is too much."""
    node, flaws = read_toml(data)
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        assert node is None
        assert len(flaws) == 1
        return
    check_flaws(text, flaws)
    try:
        plain = tomllib.loads(text)
    except ValueError:
        assert node is None
        assert len(flaws) == 1
    else:
        assert node is not None
        assert flaws or repr(node.plain()) == repr(plain)
