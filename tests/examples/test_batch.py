"""The batch, with a small stand-in for the classifier; `make examples` runs it with the real one."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, get_args

import pytest

from examples.batch import batch as module
from examples.batch.model import __file__ as model_file
from examples.batch.records import ATTACHMENT, EMPTY, NOTHING, records
from examples.ticket_triage.tickets import load

if TYPE_CHECKING:
    from collections.abc import Iterator


class Scores(list[float]):
    """As much of a row of numbers as the batch looks at."""

    def argmax(self) -> int:
        """Return where the largest is."""
        return self.index(max(self))


class Model:
    """Sorts by the first letter; hangs on some texts, and fails on what is none."""

    classes_ = ("billing", "technical")

    def __init__(self) -> None:
        self.released = Event()

    def predict_proba(self, texts: list[str]) -> list[Scores]:
        """Return how sure it is of each category."""
        (text,) = texts
        if text.startswith("hang"):
            self.released.wait(60)
        return [Scores([0.9, 0.1] if text.startswith("a") else [0.1, 0.9] if text.startswith("b") else [0.5, 0.5])]


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The batch's module, its boundary as new, with the stand-in."""
    batch, model = importlib.reload(module), Model()
    monkeypatch.setattr(batch, "model", lambda: model)
    yield batch
    model.released.set()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Forty tickets, four of them odd, and where their labels go."""
    texts: dict[int, str | None] = {4: None, 9: "hang on, my parcel is late", 14: "hmm", 19: "hmm, an invoice"}
    lines = [json.dumps({"id": number, "text": texts.get(number, "ab"[number % 2])}) for number in range(40)]
    source = tmp_path / "tickets.jsonl"
    source.write_text("\n".join(lines), encoding="utf-8")
    return source, tmp_path / "labels.jsonl"


def rows(target: Path) -> list[dict[str, Any]]:
    """Read the labels."""
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def test_each_ticket_has_one_line_in_order(batch: Any, files: tuple[Path, Path]) -> None:
    """Whatever the model does to some of them; the summary counts every line."""
    summary = batch.run(*files)
    assert [row["id"] for row in rows(files[1])] == list(range(40))
    assert summary.total() == 40
    assert summary["model"] == Counter(row["by"] for row in rows(files[1]))["model"] > 0


@pytest.mark.parametrize(
    ("number", "label"),
    [
        (4, {"category": "other", "confidence": None, "by": "value", "failure": "unclassified"}),
        (9, {"category": "shipping", "confidence": None, "by": "rules", "failure": "timeout"}),
        (14, {"category": "other", "confidence": None, "by": "value", "failure": "check_failed"}),
        (19, {"category": "billing", "confidence": None, "by": "rules", "failure": "check_failed"}),
    ],
)
def test_what_the_model_cannot_do_the_ladder_does(
    batch: Any, files: tuple[Path, Path], number: int, label: dict[str, Any]
) -> None:
    """No text, one that hangs, and those it is not sure of: rules where they know, else a constant."""
    batch.run(*files)
    assert rows(files[1])[number] == {"id": number, **label}


def test_a_sure_answer_is_the_model_s(batch: Any) -> None:
    """With the category of the largest probability, and that as the confidence."""
    outcome = batch.categorise.outcome("about a bill")
    assert batch.row(outcome) == {"category": "billing", "confidence": 0.9, "by": "model", "failure": None}


@pytest.mark.parametrize("cut", [0, 1, 17, 600, -1])
def test_a_run_goes_on_where_another_was_killed(batch: Any, files: tuple[Path, Path], cut: int) -> None:
    """Wherever in the file it was cut off: half a line is written anew, a whole one is kept."""
    source, target = files
    batch.run(source, target)
    whole = target.read_bytes()
    target.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    assert batch.run(source, target).total() == 40 - kept
    assert [row["id"] for row in rows(target)] == list(range(40))
    assert target.read_bytes().splitlines()[:kept] == whole.splitlines()[:kept]


def test_a_finished_run_has_nothing_to_do(batch: Any, files: tuple[Path, Path]) -> None:
    """To start it again changes nothing."""
    batch.run(*files)
    labels = files[1].read_bytes()
    assert batch.run(*files).total() == 0
    assert files[1].read_bytes() == labels


def test_training_lines_are_well_formed(batch: Any) -> None:
    """Every category has the same number of them, no text occurs twice, and none is among the tickets."""
    lines = Path(model_file).with_name("training.jsonl").read_text(encoding="utf-8").splitlines()
    labelled = [json.loads(line) for line in lines]
    counts = Counter(line["category"] for line in labelled)
    assert set(counts) == set(get_args(batch.Label.model_fields["category"].annotation))
    assert set(counts.values()) == {14}
    assert len({line["text"] for line in labelled} | {ticket.text for ticket in load()}) == len(labelled) + 30


def test_records_are_as_said() -> None:
    """Names are distinct; in each hundred one has no text, one an empty one, one a large one."""
    made = list(records(200))
    assert len({record["id"] for record in made}) == 200
    for hundred in (made[:100], made[100:]):
        assert hundred[NOTHING]["text"] is None
        assert hundred[EMPTY]["text"] == ""
        assert len(hundred[ATTACHMENT]["text"]) > 500_000
        assert sum(1 for record in hundred if record["text"] and len(record["text"]) < 1000) == 97
