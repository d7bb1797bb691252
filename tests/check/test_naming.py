"""Whether file, environment and code speak of the same boundaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.check.projects import of, told

if TYPE_CHECKING:
    from tests.check.projects import Project

SHOP = """
from aiguard import Boundary, guard

@guard("ticket-triage", owner="shop", deadline=2.0, output=str, fallback=[""])
def triage(ticket):
    return ticket

embed = Boundary("embed", owner="shop", deadline=1.0, output=str, fallback=[""])
pending = Boundary("pending", owner="shop", output=str, fallback=[""])
"""


def test_a_boundary_that_no_code_declares_is_an_error(project: Project) -> None:
    """With the nearest that the code does declare, at its line."""
    project.write("shop.py", SHOP)
    report = project.check("version: 1\nboundaries:\n  ticket-triag: {}\n  other: {}\n", "shop")
    assert [line for line in told(report) if " unknown-boundary " in line] == [
        "aiguard.yaml:3:3 unknown-boundary ticket-triag",
        "aiguard.yaml:4:3 unknown-boundary other",
    ]
    assert of(report, "unknown-boundary") == [
        "boundary 'ticket-triag': no code that was imported declares it; did you mean `ticket-triage`?",
        "boundary 'other': no code that was imported declares it",
    ]


def test_a_boundary_that_the_file_does_not_name_is_a_warning(project: Project) -> None:
    """At the line of the declaration."""
    project.write("shop.py", SHOP)
    report = project.check("version: 1\nboundaries: {embed: {}, pending: {deadline: 1}}\n", "shop")
    assert told(report) == ["shop.py:3:0 unlisted-boundary ticket-triage"]


def test_without_a_file_no_boundary_is_missing_in_it(project: Project) -> None:
    """What there is to check is the code alone."""
    project.write("shop.py", SHOP)
    assert of(project.check(None, "shop"), "unlisted-boundary") == []


def test_a_boundary_that_nobody_gives_a_deadline_is_an_error(project: Project) -> None:
    """File and code laid over each other leave it pending; the defaults are enough to end that."""
    project.write("shop.py", SHOP)
    report = project.check("version: 1\nboundaries: {embed: {}, pending: {}, ticket-triage: {}}\n", "shop")
    assert told(report) == ["aiguard.yaml:2:25 no-deadline pending.deadline"]
    defaults = "version: 1\ndefaults: {deadline: 3}\nboundaries: {embed: {}, pending: {}, ticket-triage: {}}\n"
    assert told(project.check(defaults, "shop")) == []


def test_a_variable_that_speaks_of_no_boundary_is_a_warning(project: Project) -> None:
    """Where another boundary of either reading is there, it speaks of that."""
    project.write("shop.py", SHOP)
    file = "version: 1\nboundaries: {embed: {}, pending: {deadline: 1}, ticket-triage: {}}\n"
    report = project.check(
        file, "shop", AIGUARD__TICKET_TRIAG__DEADLINE="3", AIGUARD__EMBED__DEADLINE="2", AIGUARD__FAR__OFF__DEADLINE="1"
    )
    assert told(report) == [
        "AIGUARD__FAR__OFF__DEADLINE unknown-variable None",
        "AIGUARD__TICKET_TRIAG__DEADLINE unknown-variable None",
    ]
    assert of(report, "unknown-variable") == [
        "no boundary is called FAR__OFF in the environment",
        "no boundary is called TICKET_TRIAG in the environment; did you mean `TICKET_TRIAGE`?",
    ]


def test_a_variable_is_told_of_once(project: Project) -> None:
    """However many ways there are to read it."""
    project.write("shop.py", SHOP)
    report = project.check(None, "shop", AIGUARD__FAR__RETRY__RETRY__ATTEMPTS="1", AIGUARD__FAR__RETRY__ATTEMPTS="1")
    assert [message.split()[4] for message in of(report, "unknown-variable")] == ["FAR", "FAR__RETRY"]


def test_a_rung_that_names_no_guarded_function_is_an_error(project: Project) -> None:
    """Such a boundary is refused at its first call only: the file may be read before the code."""
    project.write("shop.py", SHOP)
    file = """
        version: 1
        boundaries:
          pending: {deadline: 1}
          ticket-triage: {fallback: [{boundary: embd}, {boundary: embed}, {value: ""}]}
          embed: {fallback: [{boundary: pending}, {value: ""}]}
        """
    report = project.check(file, "shop")
    assert told(report) == [
        "aiguard.yaml:4:30 unknown-boundary ticket-triage.fallback[0]",
        "aiguard.yaml:4:48 unknown-boundary ticket-triage.fallback[1]",
        "aiguard.yaml:5:22 unknown-boundary embed.fallback[0]",
    ]
    assert [message.replace(": setting", "") for message in of(report, "unknown-boundary")] == [
        "boundary 'ticket-triage' `fallback[0]`: no code that was imported declares 'embd'; did you mean `embed`?",
        "boundary 'ticket-triage' `fallback[1]`: the boundary 'embed' guards no function that could answer",
        "boundary 'embed' `fallback[0]`: the boundary 'pending' guards no function that could answer",
    ]


def test_a_rung_that_names_a_guarded_function_is_left_alone(project: Project) -> None:
    """Wherever in the code it is."""
    project.write("shop.py", SHOP)
    file = "version: 1\nboundaries: {embed: {fallback: [{boundary: ticket-triage}, {value: ''}]}}\n"
    assert of(project.check(file, "shop"), "unknown-boundary") == []


def test_names_that_the_environment_cannot_tell_apart_are_an_error(project: Project) -> None:
    """At the second of them, also where no file names it."""
    project.write(
        "shop.py", "from aiguard import Boundary\na = Boundary('a.b', deadline=1)\nb = Boundary('a-b', deadline=1)\n"
    )
    report = project.check(None, "shop")
    assert "shop.py:3:0 invalid a-b" in told(report)
    assert "the environment cannot tell it from 'a.b'" in of(report, "invalid")[0]


def test_names_are_not_compared_where_importing_failed(project: Project) -> None:
    """What comes after the line that raised is not known."""
    project.write("shop.py", SHOP + "raise ValueError\n")
    report = project.check("version: 1\nboundaries: {other: {}}\n", "shop", AIGUARD__FAR__DEADLINE="3")
    assert [line.split()[1] for line in told(report)] == ["no-deadline", "import-failed"]


def test_names_are_not_compared_without_code(project: Project) -> None:
    """A file alone says nothing of what the code declares."""
    assert told(project.check("version: 1\nboundaries: {other: {}}\n", AIGUARD__FAR__DEADLINE="3")) == []
