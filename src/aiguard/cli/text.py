"""Findings for people, as a compiler shows them."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from aiguard.check import Severity
from aiguard.cli.printable import printable
from aiguard.cli.source import excerpt, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TextIO

    from aiguard.check import Finding, Report, Rule
    from aiguard.problem import Position

_STYLES: Final[Mapping[str, str]] = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}


class Piece(NamedTuple):
    """Some text and how it is shown on a terminal."""

    text: str
    style: str = ""


def show(report: Report, stream: TextIO) -> None:
    """Print a report: every finding, and how many there are."""
    _print(chain(_pieces(report.findings), _summary(report)), stream)


def show_findings(findings: Iterable[Finding], stream: TextIO) -> None:
    """Print findings alone."""
    _print(_pieces(findings), stream)


def rules(known: Iterable[Rule]) -> str:
    """Return the table of rules."""
    rows = [(rule.id, rule.severity, rule.meaning + (" (--app)" if rule.code else "")) for rule in known]
    return "\n".join(f"{name:<24}{severity:<9}{meaning}" for name, severity, meaning in rows)


def _print(pieces: Iterable[Piece], stream: TextIO) -> None:
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        stream.write("".join(piece.text for piece in pieces))
        return
    from rich.console import Console
    from rich.text import Text

    Console(file=stream).print(Text.assemble(*pieces), soft_wrap=True, end="")


def _pieces(findings: Iterable[Finding]) -> Iterator[Piece]:
    files: dict[str, tuple[str, ...]] = {}
    for finding in findings:
        position, severity = finding.problem.position, finding.severity
        if position is not None:
            yield Piece(f"{_place(position)}: ", "bold")
        yield Piece(f"{severity}: ", _STYLES[severity])
        yield Piece(printable(finding.message))
        yield Piece(f" [{finding.rule.id}]\n", "dim")
        if position is not None:
            if position.source not in files:
                files[position.source] = lines_of(position.source)
            yield from _excerpt(files[position.source], position, _STYLES[severity])


def _excerpt(lines: tuple[str, ...], position: Position, style: str) -> Iterator[Piece]:
    found = excerpt(lines, position)
    if found is None:
        return
    line, column = found
    yield Piece(f"    {line}\n")
    if column >= 0:
        yield Piece(f"    {_blank(line[:column])}^\n", style)


def _place(position: Position) -> str:
    parts = [position.source, *(str(number) for number in position[1:] if number)]
    return printable(":".join(parts))


def _blank(text: str) -> str:
    """Return spaces as wide as `text` is on a terminal."""
    if text.isascii():
        return " " * len(text)
    from rich.cells import cell_len

    return " " * cell_len(text)


def _summary(report: Report) -> Iterator[Piece]:
    counts = [(report.count(severity), severity) for severity in get_args(Severity)]
    said = ", ".join(f"{number} {severity}{'s' if number > 1 else ''}" for number, severity in counts if number)
    boundaries = f"{report.boundaries} {'boundary' if report.boundaries == 1 else 'boundaries'}"
    yield Piece(f"{said or 'nothing found'} in {boundaries}\n", "bold")
    if not report.apps:
        yield Piece("no code was looked at: name the module that declares the boundaries with --app\n", "dim")
