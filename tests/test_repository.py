"""What holds for the files around the source."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = sorted(ROOT.glob("requirements/*.txt"))
CONSTRAINTS = sorted(ROOT.glob("constraints*.txt"))
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads(PYPROJECT)


def lines(path: Path) -> list[str]:
    """Return what stands in a requirements file, without comments and blank lines."""
    stripped = (re.sub(r"(^|\s)#.*", "", line).strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in stripped if line]


def project(requirement: str) -> str:
    """Return the normalised name of what a requirement asks for."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]).lower()


PINNED = {project(line) for line in lines(ROOT / "constraints.txt")}


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda path: path.name)
def test_constraints_pin_by_name_and_version_alone(path: Path) -> None:
    """A constraint is a name and one version: no address, hash, marker or option."""
    odd = [line for line in lines(path) if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*", line)]
    assert odd == []


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda path: path.name)
def test_constraints_are_sorted_and_unique(path: Path) -> None:
    """Every distribution is pinned once, in the order of its name."""
    names = [project(line) for line in lines(path)]
    assert names == sorted(set(names))


@pytest.mark.parametrize("path", [path for path in CONSTRAINTS if path.stem != "constraints"], ids=lambda p: p.name)
def test_an_environment_has_versions_of_its_own_only_where_it_needs_them(path: Path) -> None:
    """What its own file pins is pinned in another version for everyone else, and the file belongs to an environment."""
    assert (ROOT / "requirements" / path.name.removeprefix("constraints-")).exists()
    own, shared = set(lines(path)), set(lines(ROOT / "constraints.txt"))
    assert {project(line) for line in own} <= PINNED
    assert own & shared == set()


@pytest.mark.parametrize("path", [*CONSTRAINTS, ROOT / "pyproject.toml", *REQUIREMENTS], ids=lambda p: p.name)
def test_no_file_names_a_package_index(path: Path) -> None:
    """Where packages come from is the business of whoever installs them."""
    assert not re.search(r"://|--(extra-)?index.url|--find-links|--hash|file:", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_environment_is_pinned(path: Path) -> None:
    """What a requirements file names, the constraints pin."""
    named = [line for line in lines(path) if not line.startswith("-")]
    assert [line for line in named if project(line) not in PINNED] == []


def test_every_dependency_is_pinned() -> None:
    """What users get is pinned for our own runs."""
    extras = PROJECT["project"]["optional-dependencies"]
    named = [*PROJECT["project"]["dependencies"], *(line for extra in extras.values() for line in extra)]
    own = PROJECT["project"]["name"]
    assert [line for line in named if project(line) not in PINNED | {own}] == []


def test_every_ignored_rule_has_a_reason() -> None:
    """A rule that is switched off says why, on its line."""
    section = PYPROJECT.split("[tool.ruff.lint]\n")[1].split("[tool.ruff.lint.flake8")[0]
    ignored = re.findall(r'^\s+("[A-Z]+[0-9]*",.*)$', section, flags=re.MULTILINE)
    listed = PROJECT["tool"]["ruff"]["lint"]
    assert len(ignored) == len(listed["ignore"]) + sum(map(len, listed["per-file-ignores"].values()))
    assert [line for line in ignored if not re.fullmatch(r'"[A-Z]+[0-9]*", +# \S.{8,}', line)] == []


def test_the_changelog_knows_this_version() -> None:
    """The version in `pyproject.toml` has a section in the changelog."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{PROJECT['project']['version']}]" in changelog


def test_every_decision_is_listed() -> None:
    """A decision record can be found from the list of decisions."""
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in folder.glob("[0-9]*.md") if f"({path.name})" not in listed] == []
