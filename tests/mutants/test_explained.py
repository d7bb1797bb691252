"""What is known of the mutants that survive."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.campaign import LEDGER, MODULES
from tests.mutants.changes import mutants
from tests.mutants.explained import entry, explanations

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, text: str) -> Path:
    """Write the file."""
    path = folder / "survivors.toml"
    path.write_text(text)
    return path


def test_what_is_printed_for_a_survivor_is_read_back_as_its_explanation(tmp_path: Path) -> None:
    """Only the reason has to be written."""
    second = mutants('def f(a):\n  a("x")\n  a("x")\n')[-1]
    text = entry("stages/circuit", second, "equivalent").replace('reason = ""', 'reason = "nobody reads it"')
    ((key, explanation),) = explanations(written(tmp_path, text)).items()
    assert key == ("stages/circuit", *second.key)
    assert (second.nth, explanation.kind, explanation.reason) == (2, "equivalent", "nobody reads it")


ONE = """
[[survivor]]
module = "stages/line"
where = "f"
code = "a()"
becomes = ["pass", "b()"]
kind = "cost"
reason = "because of that"
"""


def test_one_reason_may_explain_several_mutants_of_a_statement(tmp_path: Path) -> None:
    """Each is known by itself."""
    found = explanations(written(tmp_path, ONE))
    assert set(found) == {("stages/line", "f", "a()", "pass", 1), ("stages/line", "f", "a()", "b()", 1)}
    assert len(set(found.values())) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ONE + ONE, "explained twice"),
        (ONE.replace("cost", "luck"), "'luck' is none of equivalent, cost"),
        (ONE.replace("because of that", ""), "no reason"),
    ],
)
def test_what_explains_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A kind that there is not, no reason, or the same mutant twice."""
    with pytest.raises(ValueError, match=message):
        explanations(written(tmp_path, text))


def test_the_file_names_modules_that_are_changed() -> None:
    """It can be read, and says nothing of others; whether its mutants are there is for `make mutants` to say."""
    assert {explanation.module for explanation in explanations(ROOT / LEDGER).values()} <= set(MODULES)


def test_every_module_and_its_tests_are_there() -> None:
    """What was renamed is renamed here."""
    named = [f"src/aiguard/{name}.py" for name in MODULES] + [test for tests in MODULES.values() for test in tests]
    assert [name for name in named if not (ROOT / name).exists()] == []
