"""`aiguard check`: what it takes, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aiguard.check import RULES
from tests.cli.commands import run

if TYPE_CHECKING:
    from tests.check.projects import Project

FINE = """
version: 1
boundaries:
  triage:
    deadline: 2
    output: builtins:str
    fallback: [{value: unknown}]
"""
NOTED = "version: 1\nboundaries: {triage: {deadline: 2, fallback: [{value: 1}]}}\n"
WARNED = "version: 1\nboundaries: {triage: {deadline: 2, output: 'builtins:str'}}\n"
WRONG = "version: 1\nboundaries: {triage: {deadlin: 2}}\n"


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        (FINE, [], 0),
        (FINE, ["--strict"], 0),
        (NOTED, [], 0),
        (NOTED, ["--strict"], 0),
        (WARNED, [], 0),
        (WARNED, ["--strict"], 1),
        (WRONG, [], 1),
        (WRONG, ["--strict"], 1),
    ],
)
@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_the_exit_code_is_that_of_the_worst_finding(
    project: Project, text: str, options: list[str], code: int, form: str
) -> None:
    """An error fails, a warning only with `--strict`, a note never; in every format."""
    project.write("aiguard.yaml", text)
    assert run("check", *options, "--format", form).exit_code == code


def test_the_file_is_the_one_named_then_that_of_the_environment_then_the_default(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `configure` finds it."""
    for name in ("named", "environment", "aiguard"):
        project.write(f"{name}.yaml", "version: 2\n")
    assert run("check").stdout.startswith("aiguard.yaml:1:10: error: ")
    monkeypatch.setenv("AIGUARD_CONFIG", "environment.yaml")
    assert run("check").stdout.startswith("environment.yaml:1:10: error: ")
    assert run("check", "named.yaml").stdout.startswith("named.yaml:1:10: error: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            [],
            "aiguard: there is no aiguard.yaml here, and AIGUARD_CONFIG names no file: name one, or a module with",
        ),
        (["nowhere.yaml"], "aiguard: nowhere.yaml cannot be read: No such file or directory"),
        (["."], "aiguard: . cannot be read: Is a directory"),
        (
            ["--app", "nowhere"],
            "aiguard: --app nowhere: there is no module `nowhere` on Python's path, nor in the current",
        ),
        (["--app", "shop.py"], "aiguard: --app shop.py: must be `module` or `module:attribute`"),
    ],
)
def test_nothing_to_check_is_a_mistake_in_use(project: Project, arguments: list[str], said: str) -> None:
    """Exit code 2, and one line on standard error."""
    del project
    result = run("check", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1


def test_the_file_that_the_environment_names_has_to_be_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not passed over for the default."""
    project.write("aiguard.yaml", FINE)
    monkeypatch.setenv("AIGUARD_CONFIG", "nowhere.yaml")
    assert run("check").exit_code == 2


def test_a_format_that_is_none_is_a_mistake_in_use(project: Project) -> None:
    """Exit code 2, and those that there are."""
    del project
    result = run("check", "--format", "xml")
    assert result.exit_code == 2
    assert all(name in result.stderr for name in ("'text'", "'json'", "'sarif'"))


def test_code_alone_can_be_checked(project: Project) -> None:
    """Without a file, environment and code are looked at."""
    project.write("shop.py", "import aiguard\nb = aiguard.Boundary('b', owner='shop', deadline=1.0, output=str)\n")
    result = run("check", "--app", "shop")
    assert result.exit_code == 0
    assert result.stdout.startswith("shop.py:2: warning: boundary 'b': setting `fallback`: missing, so a call that")


def test_several_applications_can_be_named(project: Project) -> None:
    """Their boundaries are looked at together."""
    for name in ("one", "two"):
        project.write(f"{name}.py", f"import aiguard\nb = aiguard.Boundary('{name}', deadline=1.0)\n")
    found = json.loads(run("check", "--app", "one", "--app", "two", "--format", "json").stdout)
    assert (found["apps"], found["boundaries"]) == (["one", "two"], 2)


def test_an_application_that_cannot_be_imported_is_an_error(project: Project) -> None:
    """Told as a finding, not as a traceback."""
    project.write("shop.py", "raise ValueError('no key')\n")
    result = run("check", "--app", "shop")
    assert result.exit_code == 1
    assert result.stdout == (
        "shop.py:1: error: importing `shop` failed: ValueError: no key [import-failed]\n"
        "    raise ValueError('no key')\n"
        "1 error in 0 boundaries\n"
    )


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_what_an_application_prints_does_not_spoil_the_report(project: Project, form: str) -> None:
    """Standard output is JSON and nothing else."""
    project.write("shop.py", "print('hello')\n")
    result = run("check", "--app", "shop", "--format", form)
    assert json.loads(result.stdout)
    assert result.stderr == "hello\n"


def test_the_rules_can_be_listed(project: Project) -> None:
    """Each with its severity and what it is about, in as many lines; no file is needed."""
    del project
    result = run("check", "--rules")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[rule.id, rule.severity] for rule in RULES]
    assert all(rule.meaning in line for rule, line in zip(RULES, lines, strict=True))
    assert [line.endswith(" (--app)") for line in lines] == [rule.code for rule in RULES]


@pytest.mark.parametrize("arguments", [[], ["check"], ["schema"], ["export"]])
def test_help_fits_into_eighty_columns(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every command."""
    monkeypatch.setenv("COLUMNS", "80")
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_help_names_commands_and_options() -> None:
    """What there is can be found from there."""
    commands, options = run("--help").stdout, run("check", "--help").stdout
    assert all(f"  {name} " in commands for name in ("check", "schema", "export"))
    assert all(name in options for name in ("FILE", "--app", "--format", "--strict", "--rules", "AIGUARD_CONFIG"))


def test_the_table_of_rules_fits_a_wide_terminal() -> None:
    """A rule is a line."""
    assert max(map(len, run("check", "--rules").stdout.splitlines())) <= 120
