"""What both languages share: places, nodes, bytes that are text or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard.config.text import Flaw, Mark, Node, decode, mark_at


@pytest.mark.parametrize(
    ("index", "mark"), [(0, (1, 1)), (1, (1, 2)), (2, (1, 3)), (3, (2, 1)), (4, (3, 1)), (5, (3, 2)), (6, (3, 3))]
)
def test_a_place_counts_from_one(index: int, mark: tuple[int, int]) -> None:
    """A line break ends its own line; columns are characters, whatever their width."""
    assert mark_at("ü😀\n\n→b", index) == mark


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\xef\xbb\xbfa: 1", "a: 1"),
        (b"a\r\nb\r", "a\nb\r"),
        (b"\r\r\n", "\r\n"),
        ("ü😀\u2028\x00".encode(), "ü😀\u2028\x00"),
    ],
)
def test_utf8_is_read_without_its_mark(data: bytes, text: str) -> None:
    """Windows's line breaks are no others; all else is left to the language."""
    assert decode(data) == text


@pytest.mark.parametrize(
    ("data", "mark", "word"),
    [
        (b"\xff", (1, 1), "0xFF"),
        (b"a: 1\nb: \xe9\n", (2, 4), "0xE9"),
        ("ü😀\r\n😀".encode() + b"\xc3", (2, 2), "0xC3"),
        (b"\xef\xbb\xbfa\xff", (1, 2), "0xFF"),
        (b"a: \xed\xa0\x80", (1, 4), "0xED"),  # half a surrogate pair
        (b"\xc0\x80", (1, 1), "0xC0"),
        ("a: 1".encode("utf-16"), (1, 1), "UTF-16"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", (1, 1), "UTF-16"),
        (b"\xfe\xff\x00a", (1, 1), "UTF-16"),
    ],
)
def test_what_is_no_utf8_is_told_with_its_place(data: bytes, mark: tuple[int, int], word: str) -> None:
    """The first byte that does not fit."""
    flaw = decode(data)
    assert isinstance(flaw, Flaw)
    assert flaw.mark == mark
    assert word in flaw.reason


@given(st.binary(max_size=40))
def test_any_bytes_are_text_or_a_flaw(data: bytes) -> None:
    """And never an exception."""
    assert isinstance(decode(data), str | Flaw)


def test_a_node_gives_new_plain_data() -> None:
    """What is done to it does not reach the node."""
    mark = Mark(1, 1)
    node = Node({"a": Node([Node(1, mark, mark), Node(None, mark, mark)], mark, mark)}, mark, mark)
    plain = node.plain()
    assert plain == {"a": [1, None]}
    plain["a"].append(2)
    assert node.plain() == {"a": [1, None]}
