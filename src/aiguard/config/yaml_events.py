"""A YAML text as the events of PyYAML's parser; what is wrong with it in one plain sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.config.text import Flaw, Mark, UnreadableError, mark_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yaml import Event, MarkedYAMLError

_TAB: Final = "a tab cannot stand here: indent and separate with spaces, or quote the text"

_OPENED: Final = {
    "could not find expected ':'": "neither `key: value` nor `- item`, or not indented like its neighbours",
    "unexpected end of stream": "this quote is never closed",
    "unexpected document": "this quote is not closed before the next document",
}
"""By a part of the parser's words, what is wrong with the piece of text that it had begun to read."""

_STOPPED: Final = {
    "mapping values are not allowed": "a second `: ` in one line, or wrong indentation; text with `: ` needs quotes",
    "sequence entries are not allowed": "a list cannot begin here: put `- ` on a line of its own",
    "mapping keys are not allowed": "`? ` cannot stand here: quote the text",
    "cannot start any token": "text cannot begin with {character} unless it is quoted",
    "unexpected ':'": "put a space after the `:`, or quote the text",
    "scanning an a": "`&` and `*` need a name after them: quote text that begins with one",  # an anchor, an alias
    "directive": "a line that begins with `%` is no setting: quote the text",
    " tag": "`!` begins a tag, and this is none: quote text that begins with it",
    "unknown escape": "no such escape: write `\\\\` for a backslash, or use single quotes",
    "hexdecimal": "too few digits: `\\x` has 2, `\\u` has 4, `\\U` has 8",
    "hexadecimal": "too few digits: `\\x` has 2, `\\u` has 4, `\\U` has 8",
    "escape code": "this escape is no character; one above U+FFFF is `\\U` and 8 digits, or itself",
    "block scalar": "after `|` or `>` only `-`, `+` or a digit from 1 to 9: the text begins on the next line, indented",
    "',' or ']'": "`,` or `]` is missing: the list was opened in line {line}",
    "',' or '}'": "`,` or `}}` is missing: the mapping was opened in line {line}",
    "parsing a block": "does not fit what began in line {line}: check indentation, quotes and brackets",
    "document start": "does not belong to what stands above: check indentation, quotes and brackets",
    "node content": "a value is missing here",
}
"""By a part of the parser's words, what is wrong where it stopped."""


def events(text: str) -> Iterator[Event]:
    r"""Yield the events of `text`, whose line breaks are all `\n`. Raises `UnreadableError` where it is not YAML."""
    from yaml import MarkedYAMLError

    # without a last line break the two parsers disagree on where the text ends
    parser = _parser(text if text.endswith("\n") else f"{text}\n")
    while True:
        try:
            event = parser.get_event()
        except MarkedYAMLError as error:
            raise UnreadableError(_flaw(error, text)) from None
        except ValueError:  # what chr() raises in the parser written in Python
            raise UnreadableError(Flaw(mark_at(text, parser.index), _STOPPED["escape code"])) from None
        if event is None:
            return
        yield event


def _parser(text: str) -> Any:
    """Return libyaml's parser, or where PyYAML was built without it the one in Python: slower, stricter on tabs."""
    try:
        from yaml._yaml import CParser
    except ImportError:
        from yaml.parser import Parser
        from yaml.reader import Reader
        from yaml.scanner import Scanner

        class PythonParser(Reader, Scanner, Parser):
            def __init__(self, text: str) -> None:
                Reader.__init__(self, text)
                Scanner.__init__(self)
                Parser.__init__(self)

        return PythonParser(text)
    return CParser(text)


def _flaw(error: MarkedYAMLError, text: str) -> Flaw:
    said = f"{error.context}: {error.problem}"
    stopped = error.problem_mark.index if error.problem_mark else 0
    opened = error.context_mark.index if error.context_mark else stopped
    for words, reason in _OPENED.items():
        if words in said:
            return Flaw(_mark(text, opened), reason)
    if text[stopped : stopped + 1] == "\t":
        return Flaw(_mark(text, stopped), _TAB)
    reason = next((reason for words, reason in _STOPPED.items() if words in said), "this is not YAML")
    line = _mark(text, opened).line
    return Flaw(_mark(text, stopped), reason.format(line=line, character=text[stopped : stopped + 1]))


def _mark(text: str, index: int) -> Mark:
    return mark_at(text, min(index, len(text)))
