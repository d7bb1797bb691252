"""`aiguard export`: the file that says what the code says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiguard.check.declarations import declarations
from aiguard.config.configuration import Configuration
from aiguard.config.yaml_text import read_yaml
from tests.cli.commands import run

if TYPE_CHECKING:
    from tests.check.projects import Project

SHOP = """
from aiguard import Boundary, Breaker, Retry, guard

def rules(ticket): ...

@guard("triage", deadline=2.0, output=str, retry=Retry(attempts=2), fallback=[rules, "unknown"])
def triage(ticket): ...

embed = Boundary("embed", deadline=0.5, breaker=Breaker())
"""


def test_the_file_says_what_the_code_says(project: Project) -> None:
    """Setting by setting; what the code leaves to the defaults is left to them."""
    project.write("shop.py", SHOP)
    result = run("export", "--app", "shop")
    assert (result.exit_code, result.stderr) == (0, "")
    node, flaws = read_yaml(result.stdout.encode())
    assert flaws == []
    assert node is not None
    assert not result.stdout.endswith("\n\n")
    assert node.plain() == {
        "version": 1,
        "boundaries": {
            "triage": {
                "deadline": 2.0,
                "output": "builtins:str",
                "retry": {"attempts": 2},
                "fallback": [{"call": "shop:rules"}, {"value": "unknown"}],
            },
            "embed": {"deadline": 0.5, "breaker": {}},
        },
    }


def test_what_was_exported_changes_nothing(project: Project) -> None:
    """Laid over the code it came from, every policy is what it was."""
    project.write("shop.py", SHOP)
    written = run("export", "--app", "shop").stdout
    configuration = Configuration("aiguard.yaml", written.encode(), {}).checked()
    for name, (_, declared) in declarations().items():
        assert configuration.policy(name, declared.policy) == declared.policy
    project.write("aiguard.yaml", written)
    assert run("check", "--app", "shop", "aiguard.yaml").stdout.count("error") == 0


def test_what_the_file_says_is_not_exported(project: Project) -> None:
    """An application that configures itself exports its code, not the file it reads."""
    project.write("aiguard.yaml", "version: 1\nboundaries: {embed: {deadline: 9}}\n")
    project.write("shop.py", "import aiguard\naiguard.configure()\n" + SHOP)
    assert "deadline: 0.5" in run("export", "--app", "shop").stdout


def test_what_has_no_form_in_a_file_is_told(project: Project) -> None:
    """On standard error, with the line of the declaration; nothing is printed."""
    project.write(
        "shop.py",
        """
        from aiguard import Boundary

        a = Boundary("a", deadline=1.0, fallback=[lambda ticket: ticket])
        b = Boundary("b", deadline=1.0, fallback=[object()])
        """,
    )
    result = run("export", "--app", "shop")
    assert (result.exit_code, result.stdout) == (1, "")
    told = [line for line in result.stderr.splitlines() if not line.startswith(" ")]
    assert told[0].startswith("shop.py:3: error: boundary 'a': setting `fallback[0]`=<function <lambda> at 0x")
    assert told[0].endswith(": has no form in a file: no import path leads to it [invalid]")
    assert told[1].startswith("shop.py:4: error: boundary 'b': setting `fallback[0]`=<object object at 0x")
    assert len(told) == 2


def test_an_application_that_cannot_be_imported_is_told(project: Project) -> None:
    """As by `check`."""
    project.write("shop.py", "raise ValueError('no key')\n")
    result = run("export", "--app", "shop")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("shop.py:1: error: importing `shop` failed: ValueError: no key")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "aiguard: name a module that declares boundaries, with --app\n"),
        (["--app", "nowhere"], "aiguard: --app nowhere: there is no module `nowhere` on Python's path, nor in the"),
        (["--app", "empty"], "aiguard: importing empty declares no boundary\n"),
    ],
)
def test_nothing_to_export_is_a_mistake_in_use(project: Project, arguments: list[str], said: str) -> None:
    """Exit code 2, in one line."""
    project.write("empty.py", "")
    result = run("export", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
