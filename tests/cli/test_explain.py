"""`aiguard explain`: what an exception amounts to, by its name."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.commands import run
from tests.pages import PAGES

KEYS = {
    "version",
    "name",
    "known",
    "kind",
    "row",
    "retried",
    "reasked",
    "counted",
    "opens_at_once",
    "nearest",
}


def test_it_says_kind_row_and_what_follows() -> None:
    """In a line each."""
    result = run("explain", "openai.RateLimitError", "--status", "429", "--code", "insufficient_quota")
    assert result.exit_code == 0
    assert result.stdout == (
        "kind      quota_exhausted\nrow       error code insufficient_quota\nretried   no\nbreaker   opens at once\n"
    )


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("TimeoutError", ["retried   yes, by default", "breaker   counts it"]),
        ("openai.RateLimitError", ["retried   yes, by default", "breaker   does not count it"]),
        ("langchain_core.OutputParserException", ["retried   by reask", "breaker   does not count it"]),
    ],
)
def test_what_follows_is_in_words(name: str, lines: list[str]) -> None:
    """Retried by default, by `reask`, or not; opened, counted, or not."""
    assert run("explain", name).stdout.splitlines()[2:] == lines


def test_a_name_that_nobody_knows_is_unclassified_and_the_nearest_are_named() -> None:
    """The one that was perhaps meant first."""
    result = run("explain", "openai.RatelimitError")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "kind      unclassified"
    assert lines[-1].startswith(
        "note      openai.RatelimitError has no row of its own; did you mean openai.RateLimitError, "
    )
    assert run("explain", "KeyError").stdout.splitlines()[-1] == "note      KeyError has no row of its own"


def test_json_has_the_same() -> None:
    """With every key, always."""
    data = json.loads(run("explain", "openai.RatelimitError", "--status", "503", "--json").stdout)
    assert data.keys() == KEYS
    assert (data["version"], data["known"], data["kind"], data["row"]) == (1, False, "overloaded", "HTTP status 503")
    assert data["nearest"][0] == "openai.RateLimitError"
    known = json.loads(run("explain", "openai.RateLimitError", "--json").stdout)
    assert (known["known"], known["nearest"], known["retried"], known["counted"]) == (True, [], True, False)


def test_the_page_shows_what_is_printed() -> None:
    """Every command of the page, as it stands."""
    shown = re.findall(r"```console\n\$ aiguard (explain .*)\n((?:.+\n)*)```", PAGES["failure-kinds.md"])
    assert shown
    for command, printed in shown:
        assert run(*command.split()).stdout == printed


@pytest.mark.parametrize("arguments", [("not a name",), ("x.Y", "--status", "7"), ("x.Y", "--status", "many"), ()])
def test_what_cannot_be_is_refused(arguments: tuple[str, ...]) -> None:
    """With exit code 2."""
    assert run("explain", *arguments).exit_code == 2
