"""A file as its sections, whatever stands in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from aiguard.config.json_text import read_json
from aiguard.config.text import Node, no_pause
from aiguard.config.toml_text import read_toml
from aiguard.config.yaml_text import read_yaml
from aiguard.problem import Position, Problem, nearest, shown

if TYPE_CHECKING:
    from aiguard.config.text import Flaw, Mark

VERSION: Final = 1
SECTIONS: Final = ("version", "defaults", "boundaries", "directory", "control")

Read = Callable[[bytes, Callable[[], None]], "tuple[Node | None, list[Flaw]]"]
READERS: Final[Mapping[str, Read]] = {".yaml": read_yaml, ".yml": read_yaml, ".json": read_json, ".toml": read_toml}


@dataclass(frozen=True, slots=True)
class Document:
    """
    What a file holds.

    Attributes:
        file: Its name.
        sections: Its sections by name; those that there are not are left out, as is all of a file that cannot be read.
        problems: What is wrong with its text, its version and the names of its sections.
    """

    file: str
    sections: dict[str, Node]
    problems: tuple[Problem, ...]

    def at(self, mark: Mark) -> Position:
        """Return where a mark of its text is."""
        return Position(self.file, *mark)


def document_of(file: str, data: bytes, breathe: Callable[[], None] = no_pause) -> Document:
    """Read what is in `file`, whose ending says how; nothing that it names is imported."""

    def at(mark: Mark) -> Position:
        return Position(file, *mark)

    suffix = PurePath(file).suffix.lower()
    if suffix not in READERS:
        return Document(file, {}, (Problem(f"must end in one of {', '.join(READERS)}", position=Position(file)),))
    root, flaws = READERS[suffix](data, breathe)
    problems = [Problem(flaw.reason, position=at(flaw.mark)) for flaw in flaws]
    if root is None:
        return Document(file, {}, tuple(problems))
    if not isinstance(root.value, dict):
        reason = f"must be a mapping with the sections {', '.join(SECTIONS)}"
        return Document(file, {}, (*problems, Problem(reason, position=at(root.mark))))
    for key, node in root.value.items():
        if key not in SECTIONS:
            reason = f"section `{key}`: no such section{nearest(key, SECTIONS)}"
            problems.append(Problem(reason, position=at(node.key)))
    version = root.value.get("version")
    if version is None:
        problems.append(Problem(f"`version: {VERSION}` is required", position=at(root.mark)))
    elif type(version.value) is not int or version.value != VERSION:
        reason = f"section `version`={shown(version.plain())}: this version of aiguard reads version {VERSION}"
        problems.append(Problem(reason, position=at(version.mark)))
    return Document(file, root.value, tuple(problems))
