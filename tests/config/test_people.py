"""The sections `directory` and `control` of a file."""

from __future__ import annotations

from textwrap import dedent

import pytest

from aiguard import Owner, Policy, PolicyError
from aiguard.config.configuration import Configuration
from aiguard.config.people import NOBODY, People, Person, Team

FILE = """
version: 1
directory:
  people:
    anna: {name: Anna Example, contact: anna@example.org}
    ben: {name: Ben Example, runbook: https://ben.example}
  teams:
    support-ml: {members: [anna, ben], runbook: https://support.example}
    search: {members: [ben]}
control: {halt: [support-ml], resume: [anna]}
"""


def people(text: str = FILE) -> People:
    """Return who is in a file."""
    return Configuration("aiguard.yaml", dedent(text).lstrip().encode(), {}).checked().people


def refused(text: str) -> list[str]:
    """Return what is wrong with a file, line by line."""
    with pytest.raises(PolicyError) as caught:
        people(text)
    return [str(problem) for problem in caught.value.problems]


def test_a_file_says_who_there_is() -> None:
    """People by user name, teams by name, and who may do what."""
    assert people() == People(
        people={
            "anna": Person("anna", "Anna Example", "anna@example.org"),
            "ben": Person("ben", "Ben Example", runbook="https://ben.example"),
        },
        teams={
            "support-ml": Team("support-ml", ("anna", "ben"), "https://support.example"),
            "search": Team("search", ("ben",)),
        },
        control={"halt": ("support-ml",), "resume": ("anna",)},
    )


@pytest.mark.parametrize("text", ["version: 1", "version: 1\nboundaries: {}"])
def test_a_file_without_these_sections_names_nobody(text: str) -> None:
    """And nothing is held against it."""
    assert people(text) is NOBODY


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """With its place; contacts stay unsaid."""
    text = """
        version: 1
        directory:
          people:
            anna: {name: Anna Example, contact: anna@example.org}
            ana: {name: anna example}
            ben: {contact: ben@example.org}
            "a b ": {name: Other}
            "": {name: Nobody}
            carl: {name: Carl, phone: 7}
            dora: {name: "Do\\nra", runbook: 7}
          teams:
            anna: {members: [anna]}
            support-ml: {members: [ana, ana, bne, 7]}
            empty: {members: []}
            search: {runbook: https://x}
            other: [anna]
            more: {members: anna}
          groups: {}
        control:
          halt: [suport-ml, anna, anna]
          stop: [anna]
        """
    told = refused(text)
    expected = [
        ("aiguard.yaml:5:17: ", "section `directory.people.ana.name`='anna example': 'anna' has this name already"),
        ("aiguard.yaml:6:10: ", "section `directory.people.ben`: `name` is required"),
        ("aiguard.yaml:7:5: ", "must be one line of printable characters, without spaces around it"),
        ("aiguard.yaml:8:5: ", "section `directory.people`: a name is empty"),
        ("aiguard.yaml:9:24: ", "section `directory.people.carl.phone`: no such setting"),
        ("aiguard.yaml:10:18: ", "section `directory.people.dora.name`='Do\\nra': must be one line"),
        ("aiguard.yaml:10:37: ", "section `directory.people.dora.runbook`=7: must be a text: write it in quotes"),
        ("aiguard.yaml:12:5: ", "section `directory.teams.anna`: is a person too"),
        ("aiguard.yaml:13:33: ", "section `directory.teams.support-ml.members[1]`='ana': stands there twice"),
        ("aiguard.yaml:13:38: ", "='bne': is no person of the directory; did you mean `ben`?"),
        ("aiguard.yaml:13:43: ", "section `directory.teams.support-ml.members[3]`=7: must be a name"),
        ("aiguard.yaml:14:22: ", "section `directory.teams.empty.members`: is empty: nobody would answer"),
        ("aiguard.yaml:15:13: ", "section `directory.teams.search`: `members` is required"),
        ("aiguard.yaml:16:12: ", "must be a mapping with the keys members, runbook"),
        ("aiguard.yaml:17:21: ", "section `directory.teams.more.members`='anna': must be a list of names"),
        ("aiguard.yaml:18:3: ", "section `directory.groups`: no such key"),
        ("aiguard.yaml:20:10: ", "='suport-ml': is neither a team nor a person of the directory; did you mean"),
        ("aiguard.yaml:20:27: ", "section `control.halt[2]`='anna': stands there twice"),
        ("aiguard.yaml:21:3: ", "section `control.stop`: no such key"),
    ]
    for (place, said), line in zip(expected, told, strict=True):
        assert line.startswith(place), line
        assert said in line
    assert "ben@example.org" not in "\n".join(told)


def test_two_people_of_one_user_name_are_refused() -> None:
    """As every key that stands twice."""
    text = "version: 1\ndirectory:\n  people:\n    anna: {name: Anna}\n    anna: {name: Other}\n"
    (line,) = refused(text)
    assert line.startswith("aiguard.yaml:5:5: ")


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (None, None),
        ("support-ml", Owner(team="support-ml", runbook="https://support.example")),
        ("search", Owner(team="search")),
        ("ben", Owner(person="ben", runbook="https://ben.example")),
        (Owner(person="anna"), Owner(person="anna")),
        (
            Owner(team="support-ml", person="anna"),
            Owner(team="support-ml", person="anna", runbook="https://support.example"),
        ),
        (
            Owner(team="support-ml", person="ben"),
            Owner(team="support-ml", person="ben", runbook="https://ben.example"),
        ),
        (Owner(team="support-ml", runbook="https://own"), Owner(team="support-ml", runbook="https://own")),
        ("nobody", None),
        (Owner(team="search", person="anna"), None),
    ],
)
def test_an_owner_is_looked_up_with_its_runbook(given: Owner | str | None, known: Owner | None) -> None:
    """The boundary's own wins, then the person's, then the team's."""
    assert people().owner(given) == known


@pytest.mark.parametrize(
    ("owner", "why"),
    [
        ("support-ml", None),
        ("suport-ml", "'suport-ml' is neither a team nor a person of the directory; did you mean `support-ml`?"),
        (Owner(team="anna"), "'anna' is no team of the directory"),
        (Owner(person="bne"), "'bne' is no person of the directory; did you mean `ben`?"),
        (Owner(team="search", person="anna"), "'anna' is no member of the team 'search'"),
    ],
)
def test_an_owner_who_is_nobody_is_told_with_the_nearest(owner: Owner | str, why: str | None) -> None:
    """A person of a team is one of its members."""
    assert people().why_unknown(owner) == why


@pytest.mark.parametrize("code", [Policy(owner="support-ml"), Policy()])
def test_a_policy_has_its_owner_as_the_directory_knows_them(code: Policy) -> None:
    """Whether the file's block, its defaults or the code alone names it."""
    text = FILE + "defaults: {owner: support-ml}\n"
    configuration = Configuration("aiguard.yaml", text.lstrip().encode(), {}).checked()
    assert configuration.policy("triage", code).owner == Owner(team="support-ml", runbook="https://support.example")


def test_an_owner_whom_the_directory_does_not_know_stays_as_given() -> None:
    """`aiguard check` tells of it, and strict mode refuses it."""
    configuration = Configuration("aiguard.yaml", FILE.lstrip().encode(), {}).checked()
    code = Policy(owner="nobody")
    assert configuration.policy("triage", code) is code
