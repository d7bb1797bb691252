"""What the pages on configuration say is so: they can be followed, and their tables are held to the code."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
import yaml

import aiguard
from aiguard import Policy
from aiguard.check import RULES
from aiguard.config import reading
from aiguard.config.configuration import Configuration
from aiguard.config.ladder_form import RUNGS
from aiguard.config.writing import write
from aiguard.config.yaml_text import read_yaml
from aiguard.testing import fresh_registry
from tests.pages import IN_A_FOLDER, PAGES, Folder, Step, rows, steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# --- following a page


@pytest.mark.parametrize("page", sorted(IN_A_FOLDER))
def test_a_page_can_be_followed(page: str, tmp_path: Path) -> None:
    """Whoever writes its files, runs its samples and types its commands, in its order, sees what it shows."""
    folder = Folder(tmp_path)
    for number, step in enumerate(steps(PAGES[page]), 1):
        assert folder.do(step) == step.shown, f"step {number}: {step.text}"


_READS_THE_DEFAULT = re.compile(r"configure\((watch=True)?\)|(aiguard check|show\.py)(?! \S+\.(yaml|toml))")


@pytest.mark.parametrize("page", sorted(IN_A_FOLDER))
def test_every_file_of_policies_on_a_page_is_loaded(page: str) -> None:
    """By a sample or a command below it, before it is written anew: what is shown was not only typed."""

    def loads(step: Step, name: str) -> bool:
        default = name == "aiguard.yaml" and _READS_THE_DEFAULT.search(step.text)
        return step.kind != "file" and (name in step.text or bool(default))

    waiting: set[str] = set()
    for step in steps(PAGES[page]):
        if step.kind == "file" and step.name.endswith((".yaml", ".toml")) and not step.name.startswith("."):
            assert step.name not in waiting
            waiting.add(step.name)
        waiting = {name for name in waiting if not loads(step, name)}
    assert waiting == set()


COMMAND = re.compile(r"(?:run|entry): (aiguard [^#\n]*)")


def test_what_other_programs_are_told_to_run_works(tmp_path: Path) -> None:
    """The commands in the files for CI and for pre-commit, in the folder of their page."""
    folder = Folder(tmp_path)
    commands = []
    for step in steps(PAGES["checking.md"]):
        if step.kind == "file":
            folder.do(step)
        if step.name.startswith("."):
            assert yaml.safe_load(step.text)
            commands += COMMAND.findall(step.text)
    shown = [folder.do(Step("shell", f"{command.strip()} > out; echo $?", "", 0)) for command in commands]
    assert [text.splitlines()[-1] for text in shown] == ["0", "0"]


# --- tables

_PAUSES = """
import tenacity

WORTH_IT = tenacity.retry_if_exception_type(OSError)

def longer(state):
    return state.attempt_number

def is_calm(answer):
    return not answer.urgent
"""


@pytest.fixture
def myapp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the table of forms names: aiguard, tenacity, the module on the page, one beside it, another boundary."""
    folder = Folder(tmp_path)
    tickets = next(step for step in steps(PAGES["configuration.md"]) if step.name == "myapp/tickets.py")
    folder.do(tickets)
    folder.do(Step("file", _PAUSES, "", 0, "myapp/pauses.py"))
    monkeypatch.syspath_prepend(tmp_path)
    package = importlib.import_module("myapp.pauses")
    tickets_module = importlib.import_module("myapp.tickets")
    with fresh_registry():

        @aiguard.guard("smaller-model", deadline=1.0)
        async def smaller_model(ticket: str) -> str:
            return ticket

        own = {"myapp": sys.modules["myapp"], "is_calm": package.is_calm, "smaller_model": smaller_model}
        yield vars(tenacity) | {name: getattr(aiguard, name) for name in aiguard.__all__} | vars(tickets_module) | own
    for name in [name for name in sys.modules if name.partition(".")[0] == "myapp"]:
        del sys.modules[name]


FORMS = [row for row in rows(PAGES["configuration.md"]) if re.match(r"`\w+=", row[0])]


def test_every_setting_with_a_form_of_its_own_is_in_the_table() -> None:
    """Those that a reader of files has a function for, and every group."""
    told = " ".join(cell for row in FORMS for cell in row)
    known = [*reading.FORMS, "retry", "breaker", "bulkhead", *RUNGS]
    assert [name for name in known if not re.search(rf"\b{name}[:=]", told)] == []


@pytest.mark.parametrize("row", FORMS, ids=lambda row: row[0].strip("`"))
def test_a_form_in_the_file_says_what_the_code_says(row: list[str], myapp: dict[str, Any]) -> None:
    """Both are the same policy, or, where what they are made of is not compared, the same file for `aiguard export`."""
    setting, _, code = row[0].strip("`").partition("=")
    expected = Policy(**{setting: eval(code, myapp)})
    for form in re.findall(r"`([^`]+)`", row[1]):
        text = f"version: 1\nboundaries: {{t: {{{setting}: {form}}}}}"
        read = Configuration("a.yaml", text.encode(), {}).checked().policy("t", Policy())
        assert read == expected or write({"t": read}) == write({"t": expected})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pair
        for row in rows(PAGES["configuration.md"])
        if row not in FORMS
        for pair in zip(*(re.findall(r"`([^`]+)`", cell) for cell in row), strict=True)
    ],
)
def test_yaml_is_read_as_the_page_says(written: str, meant: str) -> None:
    """By the reader of files."""
    node, flaws = read_yaml(written.encode())
    assert node is not None
    (read,) = node.plain().values()
    assert (repr(read), flaws) == (repr(ast.literal_eval(meant)), [])


def test_every_rule_of_the_check_has_its_row() -> None:
    """In the order of the code, and with a word on what to do."""
    told = [row for row in rows(PAGES["checking.md"]) if len(row) == 5]
    known = [[f"`{rule.id}`", rule.severity, rule.meaning, "yes" if rule.code else ""] for rule in RULES]
    assert [row[:4] for row in told] == known
    assert all(row[4] for row in told)
