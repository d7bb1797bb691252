"""YAML 1.2, read and written; nothing that a file can hold raises."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aiguard.config.yaml_text import read_yaml, write_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.config.text import Flaw, Node

FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of PyYAML's two parsers in turn."""
    if request.param == "python":
        monkeypatch.setitem(sys.modules, "yaml._yaml", None)  # as where PyYAML was built without libyaml
    elif not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    return str(request.param)


def read(text: str) -> Any:
    """Return the plain data of a text without flaws."""
    node, flaws = read_yaml(text.encode())
    assert not flaws
    assert node is not None
    return node.plain()


def flaws_of(text: str | bytes) -> list[tuple[str, str]]:
    """Return what is wrong with a text: place and reason."""
    _, flaws = read_yaml(text if isinstance(text, bytes) else text.encode())
    return [(f"{flaw.mark.line}:{flaw.mark.column}", flaw.reason) for flaw in flaws]


def check_flaws(text: str, flaws: list[Flaw]) -> None:
    """Each stands within the text, or at its end, and says one sentence."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert flaws == sorted(flaws)
    for (line, column), reason in flaws:
        assert reason
        assert reason.isprintable()
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1


# --- what it means


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[
            (word, word)
            for word in ("on", "off", "yes", "no", "On", "OFF", "y", "N", "tRUE", "nULL", "None", "<<", "=")
        ],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[(word, None) for word in ("null", "Null", "NULL", "~", "", "!!null ''", "# only a comment")],
        *[(number, int(number)) for number in ("0", "12", "-3", "+4", "012", "-0", "089", "9" * 500)],
        ("0o17", 15),
        ("0x1F", 31),
        *[
            (number, float(number))
            for number in ("1.", "1.5", ".5", "-.5", "+.5", "1e3", "1E-3", "-1.5e+3", "0.0", "01e2")
        ],
        *[(text, math.inf) for text in (".inf", "+.Inf", ".INF")],
        ("-.inf", -math.inf),
        *[(text, text) for text in ("1_000", "1:30", "1:30:00.5", "0b11", "-0x1F", "0o8", "0xg", "-0o7", "1e", "e3")],
        *[(text, text) for text in (".", "+", "+-1", "..5", "1.2.3", "inf", "nan", "-.nan", "١٢")],
        *[(text, text) for text in ("2020-01-01", "2020-01-01T00:00:00Z")],
        *[(f'"{text}"', text) for text in ("true", "1", "null", "1e3", "~", "")],
        ("'it''s'", "it's"),
        (r'"\x41\u00e9\U0001F600\/\t\0"', "A\u00e9\U0001f600/\t\0"),
        ("!!str 1", "1"),
        ("!!int '12'", 12),
        ("!!float 1", 1.0),
        ("!!float .inf", math.inf),
        ("!!bool 'true'", True),
        ("!!map {a: !!seq [1]}", {"a": [1]}),
        ("|\n  a\n   b\n", "a\n b\n"),
        (">-\n  a\n  b\n", "a b"),
        ("a\n b", "a b"),
        ("%YAML 1.2\n---\na\n...\n", "a"),
        ('{"a":1,"b":[true,null]}', {"a": 1, "b": [True, None]}),
        ("a: &x [1]\nb: *x\nc: &x 2\nd: *x", {"a": [1], "b": [1], "c": 2, "d": 2}),
        ("a: &k key\n*k : 1", {"a": "key", "key": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("a: 1\rb: 2", {"a": 1, "b": 2}),
        ("\ufeffa: 1", {"a": 1}),
        ("on: off\nno: yes", {"on": "off", "no": "yes"}),
        ("'<<': 1\n\"1\": 2\n'': 3", {"<<": 1, "1": 2, "": 3}),
        ("- 1\n-\n- - 2", [1, None, [2]]),
        ("? a\n? b\n: 1", {"a": None, "b": 1}),
    ],
)
def test_a_text_means_what_yaml_1_2_says(text: str, value: object) -> None:
    """Words of YAML 1.1, dates and numbers with colons are text."""
    found = read(text)
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number() -> None:
    """In its three spellings."""
    assert all(math.isnan(item) for item in read("[.nan, .NaN, .NAN]"))


MARKED = """\
version: 1
boundaries:
  # the first
  a:
    deadline: 2.5
    retry: {attempts: 3, on: [a, 'b']}
    "fall\\u0062ack":
      - call: m:f
      -
        value: |
          text
    none:
  😀: &x text
  c: *x
"""


def test_each_node_knows_its_place() -> None:
    """Value and key; of a list item the value twice, of a block mapping its first key, of an alias the alias."""
    node, flaws = read_yaml(MARKED.encode())
    assert not flaws
    assert {path: (tuple(node.mark), tuple(node.key)) for path, node in leaves(node)} == {
        "": ((1, 1), (1, 1)),
        ".version": ((1, 10), (1, 1)),
        ".boundaries": ((4, 3), (2, 1)),
        ".boundaries.a": ((5, 5), (4, 3)),
        ".boundaries.a.deadline": ((5, 15), (5, 5)),
        ".boundaries.a.retry": ((6, 12), (6, 5)),
        ".boundaries.a.retry.attempts": ((6, 23), (6, 13)),
        ".boundaries.a.retry.on": ((6, 30), (6, 26)),
        ".boundaries.a.retry.on[0]": ((6, 31), (6, 31)),
        ".boundaries.a.retry.on[1]": ((6, 34), (6, 34)),
        ".boundaries.a.fallback": ((8, 7), (7, 5)),
        ".boundaries.a.fallback[0]": ((8, 9), (8, 9)),
        ".boundaries.a.fallback[0].call": ((8, 15), (8, 9)),
        ".boundaries.a.fallback[1]": ((10, 9), (10, 9)),
        ".boundaries.a.fallback[1].value": ((10, 16), (10, 9)),
        ".boundaries.a.none": ((12, 10), (12, 5)),
        ".boundaries.😀": ((13, 6), (13, 3)),
        ".boundaries.c": ((14, 6), (14, 3)),
    }


def leaves(node: Node | None, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node with its path."""
    assert node is not None
    yield path, node
    if isinstance(node.value, dict):
        for name, item in node.value.items():
            yield from leaves(item, f"{path}.{name}")
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from leaves(item, f"{path}[{index}]")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing", "---\n", "--- ~\n...\n", "\ufeff"])
def test_an_empty_document_is_nothing(text: str) -> None:
    """A node without a value, not the absence of one."""
    assert read(text) is None


# --- what is wrong with it

DEEP = "more than 100 mappings and lists inside each other"
TWICE = "this key stands above already, in line 1"
TAB = "a tab cannot stand here: indent and separate with spaces, or quote the text"
MERGE = "YAML 1.2 has no merge `<<`: what boundaries share belongs in the `defaults` block"
TAG = "this tag means nothing here: leave it out, or quote text that begins with `!`"
COLON = "a second `: ` in one line, or wrong indentation; text with `: ` needs quotes"
UNFIT = "does not fit what began in line 1: check indentation, quotes and brackets"
STRAY = "does not belong to what stands above: check indentation, quotes and brackets"
NAMELESS = "`&` and `*` need a name after them: quote text that begins with one"
BLOCK = "after `|` or `>` only `-`, `+` or a digit from 1 to 9: the text begins on the next line, indented"


def unwelcome(character: str) -> str:
    """Return what is said of a character."""
    code = f"{ord(character):04X}"
    return f"the character U+{code} cannot stand here: remove it, or write `\\u{code}` in double quotes"


@pytest.mark.parametrize(
    ("text", "flaws"),
    [
        # keys
        ("a: 1\nb: 2\na: 3\na: 4", [("3:1", TWICE), ("4:1", TWICE)]),
        ("a: {b: 1, 'b': 2}\nc: {d: [{e: 1, e: 2}]}", [("1:11", TWICE), ("2:16", TWICE.replace("1", "2"))]),
        (
            "1: a\ntrue: b",
            [
                ("1:1", 'a key must be text: write "1", in quotes'),
                ("2:1", 'a key must be text: write "true", in quotes'),
            ],
        ),
        ("? \n: 1", [("1:2", "a key must be text")]),
        (f"{'1' * 41}: a", [("1:1", "a key must be text")]),
        (
            "[a]: b\nc: 1\nc: 2",
            [("1:1", "a key must be text, not a list or a mapping"), ("3:1", TWICE.replace("1", "2"))],
        ),
        ("? {a: {b: 1, b: 2}}\n: x", [("1:3", "a key must be text, not a list or a mapping"), ("1:14", TWICE)]),
        ("a: &x [1]\n*x : 2", [("2:1", "a key must be text")]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  <<: [*x]", [("3:3", MERGE), ("4:3", MERGE)]),
        # tags
        ("a: !!python/object/apply:os.system ['true']", [("1:4", TAG)]),
        (
            "a: !mine x\nb: !!binary aGk=\nc: !!timestamp 2020-01-01\nd: ! 1",
            [("1:4", TAG), ("2:4", TAG), ("3:4", TAG), ("4:4", TAG)],
        ),
        ("a: !!seq {}\nb: !!map []\nc: !!set {}", [("1:4", TAG), ("2:4", TAG), ("3:4", TAG)]),
        (
            "a: !!int x\nb: !!bool yes\nc: !!null x",
            [(f"{line}:4", "this is not what its tag says") for line in (1, 2, 3)],
        ),
        ("a: !!float 0x1", [("1:4", "this is not what its tag says")]),
        ("a: !x!y z", [("1:4", "`!` begins a tag, and this is none: quote text that begins with it")]),
        # anchors and aliases
        ("a: *x", [("1:4", "no anchor of this name stands above it")]),
        ("a: &x [*x]", [("1:8", "stands inside what it refers to")]),
        (
            "a: &x {b: [1, *x]}\nc: *x\nd: *y",
            [("1:15", "stands inside what it refers to"), ("3:4", "no anchor of this name stands above it")],
        ),
        ("a: *.py", [("1:5", NAMELESS)]),
        ("a: & b", [("1:5", NAMELESS)]),
        # documents
        ("a: 1\n---\nb: 2", [("2:1", "a second document begins here: a file holds one")]),
        ("--- 1\n--- 2", [("2:1", "a second document begins here: a file holds one")]),
        ("a: 1\n...\nb: 2", [("3:1", STRAY)]),
        # numbers
        (
            f"a: {'9' * 501}\nb: 0x{'f' * 500}\nc: {'1' * 5000}",
            [(f"{line}:4", "a whole number of more than 500 digits") for line in (1, 2, 3)],
        ),
        # indentation, quotes, brackets
        ("a: b: c", [("1:5", COLON)]),
        ("a: 1\n  b: 2", [("2:4", COLON)]),
        ("a:\n  b: 1\n c: 2", [("3:2", UNFIT)]),
        ("- a\nb: 1", [("2:1", UNFIT)]),
        ("a: 'x' y", [("1:8", UNFIT)]),
        ("a: ]", [("1:4", UNFIT)]),
        ("{a: 1}}", [("1:7", STRAY)]),
        ("a: 1\nb\nc: 2", [("2:1", "neither `key: value` nor `- item`, or not indented like its neighbours")]),
        ("a: 1\na: 2\nb: 'x", [("2:1", TWICE), ("3:4", "this quote is never closed")]),
        ('a: "x\nb: 1\n', [("1:4", "this quote is never closed")]),
        ("a: 'x\n---\n", [("1:4", "this quote is not closed before the next document")]),
        ("a: [1, 2", [("1:9", "`,` or `]` is missing: the list was opened in line 1")]),
        ("a:\n  {b: 1\nc: 2", [("3:2", "`,` or `}` is missing: the mapping was opened in line 2")]),
        ("a: [,]", [("1:5", "a value is missing here")]),
        ("a: - b", [("1:4", "a list cannot begin here: put `- ` on a line of its own")]),
        ("a: ? b", [("1:4", "`? ` cannot stand here: quote the text")]),
        ("a: @b", [("1:4", "text cannot begin with @ unless it is quoted")]),
        ("a: `b`", [("1:4", "text cannot begin with ` unless it is quoted")]),
        ("a: %b", [("1:4", "text cannot begin with % unless it is quoted")]),
        ("%YAML x\n---\na", [("1:7", "a line that begins with `%` is no setting: quote the text")]),
        ("a: |x\n  b", [("1:5", BLOCK)]),
        ("a: >0\n  b", [("1:5", BLOCK)]),
        # tabs
        ("a:\n\tb: 1", [("2:1", TAB)]),
        ("a:\n  - 1\n\t- 2", [("3:1", TAB)]),
        ("\ta: 1", [("1:1", TAB)]),
        ("a: |\n\tb", [("2:1", TAB)]),
        # characters
        ("a: 1\x00\nb: \x07", [("1:5", unwelcome("\x00")), ("2:4", unwelcome("\x07"))]),
        *[(f"a: '{one}'", [("1:5", unwelcome(one))]) for one in "\x85\u2028\u2029\ufeff\ufffe\x7f\x0b"],
        (r'a: "\x4"', [("1:7", r"too few digits: `\x` has 2, `\u` has 4, `\U` has 8")]),
        (
            r'a: "\U00110000"',
            [("1:7", r"this escape is no character; one above U+FFFF is `\U` and 8 digits, or itself")],
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, flaws: list[tuple[str, str]]) -> None:
    """One plain sentence each, in the order of the text."""
    assert flaws_of(text) == flaws


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[" * 101, "1:101"),
        ("[" * 100_000, "1:101"),
        ("- " * 100_000, "1:201"),
        ("{a: " * 100_000, "1:401"),
        ("[a: " * 100_000, "1:201"),
        ("? " * 100_000, "1:201"),
        ("- - - &a [" + "[" * 90 + "]" * 90 + "]\n- - - - - - - - - - *a", "2:21"),
        ("k0: &k0 [1]\n" + "".join(f"k{one}: &k{one} [*k{one - 1}]\n" for one in range(1, 300)), "100:12"),
    ],
)
def test_no_text_is_nested_too_deep_to_be_told(text: str, place: str) -> None:
    """Neither parser, nor the reader, nor an alias of an alias gets to the end of a stack."""
    assert flaws_of(text)[-1] == (place, DEEP)


def test_a_hundred_levels_are_read() -> None:
    """The limit itself is allowed."""
    found = read("[" * 100 + "]" * 100)
    for _ in range(99):
        (found,) = found
    assert found == []


def test_a_second_document_is_not_even_read() -> None:
    """What is wrong in it does not matter."""
    assert len(flaws_of("--- 1\n--- " + "[" * 100_000)) == 1


def test_aliases_cannot_multiply_without_end() -> None:
    """Values count as often as they are used; what a file of ordinary size needs is far below."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]" for below, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    ((place, reason),) = flaws_of("\n".join(lines))
    assert place == "6:8"
    assert "200,000" in reason


@pytest.mark.parametrize(("text", "place"), [(r'a: "\ud800"', "1:7"), (r'a: "x\ud83d\ude00"', "1:8")])
def test_half_a_surrogate_pair_is_no_character(text: str, place: str, parser: str) -> None:
    """Not even both halves, as JSON writes them. One parser tells of the escape, the other of the value."""
    ((found, _),) = flaws_of(text)
    assert found == (place if parser == "libyaml" else "1:4")


@pytest.mark.parametrize("text", ["a:\tb", "a: 1\t# c", "a: 1\t", '{\n\t"a": 1\n}'])
def test_tabs_between_values_are_read_where_libyaml_is(text: str, parser: str) -> None:
    """The parser in Python refuses them, with the right reason; inside quotes both read them."""
    assert [reason for _, reason in flaws_of(text)] == ([] if parser == "libyaml" else [TAB])
    assert read("a: 'x\ty'\nb: |\n  z\t\n# \t") == {"a": "x\ty", "b": "z\t\n"}


@pytest.mark.parametrize("data", [b"a: \xff", "a: 1".encode("utf-16"), b"a: \xed\xa0\x80"])
def test_what_is_no_text_is_told(data: bytes) -> None:
    """One flaw, and no document."""
    node, flaws = read_yaml(data)
    assert node is None
    assert len(flaws) == 1


def test_a_file_of_another_kind_is_told_in_twenty_flaws() -> None:
    """A million more would help nobody."""
    assert len(flaws_of("a: 1\n" + "\x00" * 1_000_000)) == 20


@pytest.mark.parametrize(
    ("text", "value"), [("a: 1\na: 2\nb: 3", {"a": 1, "b": 3}), ("1: a", {"1": "a"}), ("a: !x b", {"a": "b"})]
)
def test_what_is_usable_beside_a_flaw_is_read(text: str, value: object) -> None:
    """So that all else that is wrong with it can be told at once."""
    node, flaws = read_yaml(text.encode())
    assert flaws
    assert node is not None
    assert node.plain() == value


# --- how it is read


def test_others_may_go_on_while_it_is_read() -> None:
    """A breath at least every 64 steps of the parser."""
    breaths = 0

    def breathe() -> None:
        nonlocal breaths
        breaths += 1

    read_yaml(("- [a, b]\n" * 1000).encode(), breathe)
    assert breaths >= 4 * 1000 / 64


def boundaries(count: int) -> bytes:
    """Return a file of so many boundaries with twenty settings each."""
    block = """
    owner: support-ml
    risk: high
    deadline: 2.5
    attempt_timeout: 0.8
    retry: {attempts: 3, on: [timeout, connection]}
    reask: 1
    breaker:
      failure_rate: 0.5
      minimum_calls: 10
      window: 60.0
    bulkhead:
      limit: 16
      queue: 32
    fallback:
      - call: "myapp.rules:triage"
      - value: {category: other, priority: normal}
    isolation: thread
"""
    return ("version: 1\nboundaries:\n" + "".join(f"  boundary-{one}:{block}" for one in range(count))).encode()


@pytest.mark.parametrize("parser", ["libyaml"], indirect=True)
def test_reading_takes_about_the_time_of_yaml_s_own_fastest_loader() -> None:
    """Places, checks and all; twice its time is room for a busy machine."""
    data = boundaries(200)
    ours, theirs = [], []
    for _ in range(5):
        start = time.process_time()
        read_yaml(data)
        between = time.process_time()
        yaml.load(data, yaml.CSafeLoader)
        ours.append(between - start)
        theirs.append(time.process_time() - between)
    assert min(ours) < 2 * min(theirs)


@pytest.mark.parametrize(("times", "fits"), [(149, True), (197, True), (198, False)])
def test_a_thousand_boundaries_of_fifty_settings_fit(times: int, fits: bool) -> None:  # noqa: FBT001 - a column of a table
    """The bound is at 200,000 values, counted as often as they are used; an alias is as many as it stands for."""
    thousand = f"a: &a [{'1, ' * 1000}]"
    assert (not flaws_of(f"{thousand}\nb: [{'*a, ' * times}]\nc: [{'1, ' * 990}]")) is fits


# --- what is written

LIKE_YAML_1_1 = ["on", "Off", "yes", "NO", "y", "N", "0777", "1:30", "1_000", "0b11", "2020-01-01", "<<", "=", "1.5_0"]
LIKE_YAML_1_2 = ["true", "1", "null", "1e3", "~", "", "0o17", "0x1F", ".5e3", ".inf", ".nan", "012", "089", "1.", "-.5"]
LIKE_SYNTAX = [
    "- a",
    "a: b",
    "a #b",
    "#",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "'",
    '"',
    "%",
    "@",
    "`",
    "{",
    "[",
    ",",
    "? a",
    ":",
    "---",
    "...",
]
LIKE_NOTHING = [
    " a",
    "a ",
    "\n",
    "a\n",
    "a\n\n",
    "\na",
    " a\nb",
    "a\n b\n",
    "a \nb",
    "\t",
    "a\tb",
    "\r",
    "\x00",
    "\x85",
    "\u2028",
    "\ufeff",
    "😀",
    "\x7f",
]

TEXTS = st.one_of(
    st.text(max_size=20),
    st.text("ab \n\t-:#'\"{}[],&*!|>%@`?.~=<\r\x85\u2028\ufeff01eEx_+", max_size=12),
    st.sampled_from(LIKE_YAML_1_1 + LIKE_YAML_1_2 + LIKE_SYNTAX + LIKE_NOTHING),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@FUZZ
@given(VALUES)
@example([LIKE_YAML_1_1, LIKE_YAML_1_2, LIKE_SYNTAX, LIKE_NOTHING])
@example({text: text for text in LIKE_YAML_1_1 + LIKE_YAML_1_2 + LIKE_SYNTAX + LIKE_NOTHING})
@example({"x" * 500: 10**400, "": [[], {}, [[]], [{}]], "long": "word " * 100})
@example([0.0, -0.0, 1e16, 1e-7, 1.5e300, 5e-324, math.inf, -math.inf])
def test_what_is_written_is_read_back(value: Any) -> None:
    """The same values of the same types, in the same order; by a reader of YAML 1.1 too."""
    text = write_yaml(value)
    assert repr(read(text)) == repr(value)
    assert repr(yaml.safe_load(text)) == repr(value)


def test_nan_is_written_and_read_back() -> None:
    """It equals nothing, so it has a test of its own."""
    assert math.isnan(read(write_yaml({"a": math.nan}))["a"])


def test_what_is_written_is_readable() -> None:
    """Blocks, keys in their order, quotes only where they are needed."""
    value = {
        "version": 1,
        "boundaries": {
            "triage": {
                "deadline": 2.0,
                "mode": "off",
                "owner": "support-ml",
                "review_by": "2027-01-01",
                "retry": {"on": ["timeout", "connection"], "wait": None},
                "fallback": [{"call": "myapp.rules:triage"}, {"value": {"note": "one\ntwo\n"}}],
            }
        },
    }
    assert write_yaml(value) == WRITTEN


WRITTEN = """\
version: 1
boundaries:
  triage:
    deadline: 2.0
    mode: 'off'
    owner: support-ml
    review_by: '2027-01-01'
    retry:
      'on':
        - timeout
        - connection
      wait: null
    fallback:
      - call: myapp.rules:triage
      - value:
          note: |
            one
            two
"""


def test_what_stands_twice_is_written_twice() -> None:
    """No anchors: each block is whole."""
    shared = ["a"]
    assert write_yaml({"b": shared, "c": shared}) == "b:\n  - a\nc:\n  - a\n"


@pytest.mark.parametrize("value", [object(), {"a": b"x"}, {1, 2}, {"a": time.struct_time(range(9))}])
def test_what_json_cannot_hold_is_not_written(value: object) -> None:
    """Else it would be read back as something else."""
    with pytest.raises(yaml.YAMLError):
        write_yaml(value)


# --- nothing raises

VALID = boundaries(2) + MARKED.split("\n", 2)[2].encode()
PIECES = [
    *[
        "a",
        "1",
        ": ",
        ":",
        "- ",
        "? ",
        "\n",
        "\n  ",
        " ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        '"',
        "#",
        " #",
        "|",
        ">",
        "&x ",
        "*x",
    ],
    *["!", "!!str ", "<<", "\\", "%", "@", "\t", "\r", "\r\n", "---\n", "...\n", "~", ".inf", "0x", "é", "😀"],
    *["\ufeff", "\u2028", "\x00"],
]


@st.composite
def mutated(draw: st.DrawFn, data: bytes, pieces: list[str]) -> bytes:
    """Draw `data` with a few pieces cut out of it, put into it, or moved."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(changed)))
        stop = draw(st.integers(start, min(start + 8, len(changed))))
        put = draw(
            st.sampled_from(pieces).map(str.encode)
            | st.binary(max_size=3)
            | st.just(bytes(changed[start : start + 20]))
        )
        changed[start:stop] = put
    return bytes(changed)


@FUZZ
@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from(PIECES), max_size=25).map(lambda pieces: "".join(pieces).encode())
    | mutated(VALID, PIECES)
)
def test_no_bytes_raise(data: bytes) -> None:
    """What is wrong is told, with a place within the text; what cannot be read has something wrong."""
    node, flaws = read_yaml(data)
    assert node is not None or flaws
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        assert len(flaws) == 1
    else:
        check_flaws(text, flaws)
    if node is not None:
        write_yaml(node.plain())
