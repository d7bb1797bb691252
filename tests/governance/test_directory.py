"""Who acts, and who may."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aiguard import Owner, PolicyError
from aiguard.config.people import Person
from aiguard.governance.directory import Directory, Listed

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
version: 1
defaults: {owner: support-ml, risk: low, output: "nowhere:Answer"}
boundaries:
  triage: {risk: high, output: "nowhere:Triage", fallback: [{call: "nowhere:rules"}], deadlin: 3}
  embed: {owner: {team: search, person: ben}}
  odd: {risk: hihg, owner: [anna]}
  empty:
  a b: {risk: low}
directory:
  people: {anna: {name: Anna Example}, ben: {name: Ben Example}, carl: {name: Carl Example}}
  teams: {support-ml: {members: [anna, ben]}, search: {members: [ben], runbook: https://search.example}}
control: {halt: [support-ml, carl], resume: [anna]}
"""


def directory(tmp_path: Path, text: str = FILE) -> Directory:
    """Read a file of this text."""
    path = tmp_path / "aiguard.yaml"
    path.write_text(text, encoding="utf-8")
    return Directory.of_file(path)


def test_it_is_read_without_the_application(tmp_path: Path) -> None:
    """Nothing that the file names is imported, and what is wrong with a policy is no matter to who halts."""
    read = directory(tmp_path)
    assert read.boundaries == {
        "triage": Listed("support-ml", "high"),
        "embed": Listed(Owner(team="search", person="ben"), "low"),
        "odd": Listed(None, "high"),
        "empty": Listed("support-ml", "low"),
    }
    assert read.risk == "low"
    assert read.person_of("anna") == Person("anna", "Anna Example")
    assert read.person_of("nobody") is None
    assert read.owner("search") == Owner(team="search", runbook="https://search.example")


@pytest.mark.parametrize(
    ("user", "teams", "halts", "resumes"),
    [
        ("anna", ("support-ml",), True, True),
        ("ben", ("support-ml", "search"), True, False),
        ("carl", (), True, False),
        ("nobody", (), False, False),
        ("support-ml", (), False, False),
    ],
)
def test_who_may_is_who_is_listed(
    tmp_path: Path,
    user: str,
    teams: tuple[str, ...],
    halts: bool,  # noqa: FBT001 - a column of the table
    resumes: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A person, or a team that they are of; a user who is called as a team is, is not that team."""
    read = directory(tmp_path)
    assert read.teams_of(user) == teams
    assert (read.may("halt", user), read.may("resume", user)) == (halts, resumes)


def test_without_rules_nobody_is_listed(tmp_path: Path) -> None:
    """What that means is for who asks to say."""
    read = directory(tmp_path, FILE.partition("control:")[0])
    assert (read.control, read.may("halt", "anna")) == ({}, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "version: 1\ndirectory: {people: {a: {name: A}, b: {name: A}}}\n",
            "aiguard.yaml:2:46: section `directory.peo",
        ),
        ("version: 1\ncontrol: {halt: [anna]}\n", "aiguard.yaml:2:18: section `control.halt[0]`='anna': is neither"),
        ("version: 2\n", "aiguard.yaml:1:10: section `version`=2"),
        ("version: 1\nboundaries: {a: {b: c\n", "aiguard.yaml:"),
    ],
)
def test_a_file_that_names_people_wrongly_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """With the place of all that is wrong: nobody could tell who may."""
    with pytest.raises(PolicyError) as caught:
        directory(tmp_path, text)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """By name."""
    with pytest.raises(PolicyError, match=r"aiguard\.yaml: cannot be read: No such file"):
        Directory.of_file(tmp_path / "aiguard.yaml")


def test_who_acts_is_who_the_operating_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not who the environment says."""
    for variable in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "anna")
    assert Directory.acting() == pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser becomes another user")
@pytest.mark.parametrize(("user", "name"), [(65534, pwd.getpwuid(65534).pw_name), (54321, "54321")])
def test_it_is_the_effective_user(user: int, name: str) -> None:
    """Of one whom the system has no name for, the number: it names nobody of a directory."""
    code = (
        f"import os; from aiguard.governance.directory import Directory; os.seteuid({user}); print(Directory.acting())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == name
