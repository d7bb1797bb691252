"""Where the elements of an array end: wherever the text is cut, whatever it holds."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard import FailureKind
from aiguard.contract.array_scanner import ArrayScanner
from aiguard.contract.breach import Breach
from aiguard.contract.plain import DEEPEST

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)
CUTS = st.lists(st.integers(min_value=0), max_size=12)


def pieces_of(text: bytes, cuts: list[int]) -> list[bytes]:
    """Return `text` in pieces, cut at these places."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(places)]


def scanned(*pieces: bytes, prose: bool = False) -> list[bytes]:
    """Return the elements in the text of `pieces`. Raises `Breach`."""
    scanner = ArrayScanner(prose=prose)
    found = [element for piece in pieces for element in scanner.feed(piece)]
    scanner.end()
    return found


def kind_of(*pieces: bytes, prose: bool = False) -> FailureKind:
    """Return why the text of `pieces` is no array."""
    with pytest.raises(Breach) as caught:
        scanned(*pieces, prose=prose)
    return caught.value.kind


@given(values=st.lists(VALUES, max_size=5), ascii_only=st.booleans(), indent=st.sampled_from([None, 2]), cuts=CUTS)
def test_any_array_cut_anywhere_gives_exactly_its_elements(
    *, values: list[Any], ascii_only: bool, indent: int | None, cuts: list[int]
) -> None:
    """Between any two bytes: inside a number, an escape, a letter of several bytes."""
    text = json.dumps(values, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    assert [
        json.loads(element.decode("utf-8", "surrogatepass")) for element in scanned(*pieces_of(text, cuts))
    ] == values


@pytest.mark.parametrize(
    ("until", "element"),
    [
        (b'[{"a": "]}"}', b'{"a": "]}"}'),
        (b"[[1, [2]]", b"[1, [2]]"),
        (b'["a\\"]"', b'"a\\"]"'),
        (b"[1]", b"1"),
        (b"[1,", b"1"),
        (b"[ true ]", b"true "),
    ],
)
def test_an_element_is_given_with_the_byte_that_closes_it(until: bytes, element: bytes) -> None:
    """Not a byte later; a number or a word ends only where something else begins."""
    scanner = ArrayScanner()
    given = [list(scanner.feed(until[place : place + 1])) for place in range(len(until))]
    assert given == [[]] * (len(until) - 1) + [[element]]


def test_elements_before_a_fault_are_given() -> None:
    """What was closed stands, whatever follows in the same piece."""
    scanner = ArrayScanner()
    found = scanner.feed(b'["a", 1, } ')
    assert [next(found), next(found)] == [b'"a"', b"1"]
    with pytest.raises(Breach):
        next(found)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"", FailureKind.EMPTY_OUTPUT),
        (b" \n\t\r", FailureKind.EMPTY_OUTPUT),
        (b"{}", FailureKind.MALFORMED_OUTPUT),
        (b"null", FailureKind.MALFORMED_OUTPUT),
        (b"x[1]", FailureKind.MALFORMED_OUTPUT),
        (b"\xef\xbb\xbf[1]", FailureKind.MALFORMED_OUTPUT),
        (b"[1] x", FailureKind.MALFORMED_OUTPUT),
        (b"[1][2]", FailureKind.MALFORMED_OUTPUT),
        (b"[1]]", FailureKind.MALFORMED_OUTPUT),
        (b"[,1]", FailureKind.MALFORMED_OUTPUT),
        (b"[1,]", FailureKind.MALFORMED_OUTPUT),
        (b"[1,,2]", FailureKind.MALFORMED_OUTPUT),
        (b'["a" "b"]', FailureKind.MALFORMED_OUTPUT),
        (b"[{} {}]", FailureKind.MALFORMED_OUTPUT),
        (b"[}", FailureKind.MALFORMED_OUTPUT),
        (b"[x]", FailureKind.MALFORMED_OUTPUT),
        (b"[\x00]", FailureKind.MALFORMED_OUTPUT),
        (b"[", FailureKind.TRUNCATED),
        (b"[1", FailureKind.TRUNCATED),
        (b"[1,", FailureKind.TRUNCATED),
        (b'["a', FailureKind.TRUNCATED),
        (b'["a"', FailureKind.TRUNCATED),
        (b'["a\\', FailureKind.TRUNCATED),
        (b'[{"a": [1', FailureKind.TRUNCATED),
    ],
)
def test_what_is_no_array_is_refused(text: bytes, kind: FailureKind) -> None:
    """At once, or at the end where more might have come; in one piece and byte by byte."""
    assert kind_of(text) is kind
    assert kind_of(*(text[place : place + 1] for place in range(len(text)))) is kind


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
def test_nesting_is_bounded(opener: bytes) -> None:
    """Hostile depth is refused on the way down; the array itself is a level too."""
    closer = b"]" if opener == b"[" else b"}"
    fits = DEEPEST - 1
    assert scanned(b"[" + opener * fits + closer * fits + b"]") == [opener * fits + closer * fits]
    scanner = ArrayScanner()
    assert list(scanner.feed(b"[" + opener * fits)) == []
    with pytest.raises(Breach) as caught:
        list(scanner.feed(opener))
    assert caught.value.kind is FailureKind.MALFORMED_OUTPUT


def test_siblings_are_not_depth() -> None:
    """What was closed is not counted any more."""
    assert len(scanned(b"[[" + b"[],{}," * 1000 + b"[]]," * 1 + b"1]")) == 2


def test_what_was_given_is_forgotten() -> None:
    """It holds the element under way, not the array."""
    scanner = ArrayScanner()
    list(scanner.feed(b"["))
    for _ in range(1000):
        assert list(scanner.feed(b'"' + b"x" * 98 + b'",')) != []
        assert scanner.held <= 101


@pytest.mark.parametrize(
    "text",
    [
        b'Here it is:\n```json\n[1, "a"]\n```\nAnything else?',
        b'[1, "a"]',
        b'As in {"a": [3]} and in [note] or [see [4]]: [1, "a"] (that was all [really])',
        b'[ \n 1, "a"]',
        b'it {ends} "here": [1, "a"] {"x": [2]}',
        b'[tea] [nothing] [1, "a"]',
    ],
)
def test_in_prose_the_array_is_found(text: bytes) -> None:
    """The first outermost bracket behind which an array can begin, wherever the text is cut."""
    expected = [b"1", b'"a"']
    assert scanned(text, prose=True) == expected
    assert scanned(*(text[place : place + 1] for place in range(len(text))), prose=True) == expected


@pytest.mark.parametrize(
    ("text", "elements"),
    [(b"so: [true, false]", [b"true", b"false"]), (b"so: [null]", [b"null"]), (b"so: []", []), (b"[ " * 1 + b" ]", [])],
)
def test_words_and_nothing_may_be_an_array_too(text: bytes, elements: list[bytes]) -> None:
    """The words of JSON, not others that begin alike."""
    assert scanned(text, prose=True) == elements
    assert scanned(*(text[place : place + 1] for place in range(len(text))), prose=True) == elements


def test_much_white_space_behind_a_bracket_is_an_array() -> None:
    """No more than a little is looked at before it is decided."""
    assert scanned(b"so: [" + b" " * 100 + b"1]", prose=True) == [b"1"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"", FailureKind.EMPTY_OUTPUT),
        (b"  \n", FailureKind.EMPTY_OUTPUT),
        (b"I cannot do that.", FailureKind.MALFORMED_OUTPUT),
        (b'{"items": [1]}', FailureKind.MALFORMED_OUTPUT),
        (b"[note] no more", FailureKind.MALFORMED_OUTPUT),
        (b"so: [", FailureKind.TRUNCATED),
        (b"so: [tr", FailureKind.TRUNCATED),
        (b"so: [1, 2", FailureKind.TRUNCATED),
        (b"so: {oh [1]", FailureKind.TRUNCATED),
        (b"[1] and {oh", FailureKind.TRUNCATED),
        (b"[1] or [2]", FailureKind.AMBIGUOUS_OUTPUT),
        (b"[1] or []", FailureKind.AMBIGUOUS_OUTPUT),
    ],
)
def test_prose_without_one_array_is_refused(text: bytes, kind: FailureKind) -> None:
    """None, half of one, or more than one."""
    assert kind_of(text, prose=True) is kind
    assert kind_of(*(text[place : place + 1] for place in range(len(text))), prose=True) is kind


def test_brackets_of_the_prose_are_not_kept() -> None:
    """However much stands in them."""
    scanner = ArrayScanner(prose=True)
    list(scanner.feed(b"so {"))
    for _ in range(100):
        list(scanner.feed(b"x" * 100))
        assert scanner.held <= 100
