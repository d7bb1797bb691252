"""The runner, on a module of six lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

THING = """
LIMIT = 3
def made(step):
    def count(up_to):
        n = 0
        while n < up_to:
            n += step
        return n
    return count
count = made(1)
def is_many(n):
    return n > LIMIT or n > 1000
"""

TESTS = """
import thing
def test_it_counts(): assert thing.count(5) == 5
def test_many(): assert thing.is_many(4) and not thing.is_many(3)
"""

DRIVER = """
import json, sys
from tests.mutants import running
from tests.mutants.changes import mutants
running.CPU = 0.3
asked = json.loads(sys.argv[1])
source = open("thing.py").read()
bench = running.Bench(["test_thing.py"])
clean = bench.clean(["test_thing.py"])
found = [mutant for mutant in mutants(source) if mutant.becomes in asked]
changes = [running.Change("thing", "thing.py", m.where, lambda m=m: m.compiled(source, "thing.py")) for m in found]
quick = bench.quick(["test_thing.py"], changes)
afresh = [bench.run(["test_thing.py"], change) for change in changes]
told = {m.becomes: (q and q.how, a.how, a.failed or a.hung) for m, q, a in zip(found, quick, afresh)}
json.dump([clean.status, sorted(clean.seconds), "thing" in sys.modules, told], sys.stdout)
"""

MUTANTS = [
    ("return n >= LIMIT or n > 1000", "killed", "killed", "test_many"),
    ("return n > LIMIT", "survived", "survived", None),
    ("LIMIT = 4", None, "killed", "test_many"),
    ("count = made(2)", None, "killed", "test_it_counts"),
    ("n -= step", "survived", "endless", "test_it_counts"),  # the function was made before its maker was changed
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What became of every mutant of the module."""
    folder = tmp_path_factory.mktemp("thing")
    for name, text in (("thing.py", THING), ("test_thing.py", TESTS), ("conftest.py", "")):
        (folder / name).write_text(text)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", DRIVER, json.dumps([row[0] for row in MUTANTS])]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    answer: list[Any] = json.loads(ran.stdout)
    assert (folder / "thing.py").read_text() == THING
    return answer


def test_as_it_is_the_tests_pass(told: list[Any]) -> None:
    """Each is run and timed, in another process: nothing of the module is ever imported here."""
    assert told[:3] == [0, ["test_thing.py::test_it_counts", "test_thing.py::test_many"], False]


@pytest.mark.parametrize(("becomes", "quick", "afresh", "by"), MUTANTS)
def test_a_mutant_is_killed_survives_or_never_ends(
    told: list[Any], becomes: str, quick: str | None, afresh: str, by: str | None
) -> None:
    """What is no function's code, or was read before, is found out with the module imported afresh."""
    assert told[3][becomes] == [quick, afresh, by and f"test_thing.py::{by}"]
