"""
The pages of the documentation; on some of them files, samples and commands belong together, in the order of the page.

A block whose first line is a comment with a file's name is that file; any other block of Python is a program, and what
stands below it as `text` is what it prints; a `console` block is what a shell shows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}

IN_A_FOLDER = {"checking.md", "configuration.md", "last-good.md", "reload.md"}
"""Pages whose files, samples and commands belong together; on all other pages each sample stands by itself."""

LONGEST = 60
"""Seconds that a sample or a command may take: none takes two, but machines are busy."""


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of a table that begins with a word of the code."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]


class Step(NamedTuple):
    """
    Something that a page does in its folder.

    Attributes:
        kind: `file`, `program` or `shell`.
        text: What is written, run or typed.
        shown: What the page says comes of it; empty for a file.
        start: Where `shown` begins on the page.
        name: The file's name.
    """

    kind: str
    text: str
    shown: str
    start: int
    name: str = ""


_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"# ([\w./-]+\.\w+)\n")
_PROMPT = "$ "


def steps(page: str) -> Iterator[Step]:
    """Yield what a page does, in its order."""
    for found in _FENCE.finditer(page):
        language, text, shown = found[1], found[2], found[3] or ""
        name = _NAME.match(text)
        if name is not None:
            yield Step("file", text, "", 0, name[1])
        elif language == "python":
            yield Step("program", text, shown, found.start(3))
        elif language == "console":
            typed = [line.removeprefix(_PROMPT) for line in text.splitlines() if line.startswith(_PROMPT)]
            yield Step("shell", "\n".join(typed), text, found.start(2))


class Folder:
    """
    Where a page does what it does.

    Args:
        path: An empty folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIGUARD")}
        # modules are written anew within the second by which compiled ones are told from old ones
        own = {"PYTHONDONTWRITEBYTECODE": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self._environ = kept | own

    def do(self, step: Step) -> str:
        """Return what comes of a step."""
        if step.kind == "file":
            path = self._path / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text, encoding="utf-8")
            return ""
        if step.kind == "program":
            program = [sys.executable, "-W", "error", "-c", step.text]
            return self._run(program, check=True).stdout  # what it logs is not shown
        lines = ["last=0"]
        for command in step.text.splitlines():
            lines += [f"printf '%s\\n' {quote(_PROMPT + command)}", f"(exit $last); {command}", "last=$?"]
        return self._run(["sh", "-c", f"exec 2>&1\n{chr(10).join(lines)}"]).stdout

    def _run(self, command: list[str], *, check: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self._path, env=self._environ, capture_output=True, text=True, timeout=LONGEST, check=check
        )
