"""The recipe for transformers and sentence-transformers, with tiny models in place of those that it names."""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Bulkhead, FailureKind, guard, remaining
from aiguard.testing import fresh_registry
from tests.pages import PAGES, steps
from tests.tiny_models import LONGEST, save_classifier, save_encoder, save_generator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

for needed in ("torch", "transformers", "sentence_transformers"):
    pytest.importorskip(needed)

pytestmark = pytest.mark.filterwarnings("ignore")  # what libraries warn of is theirs

POSITIONS = 4096
"""Words that a generator goes on for: seconds."""

SHORT, GRACE = 0.3, 1.5
"""Seconds of a deadline in the middle of that, and until a busy machine is done with one more word."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be where the models are, which are looked for here first; boundaries are unknown outside a test."""
    monkeypatch.chdir(tmp_path)
    save_generator(tmp_path / "gpt2", POSITIONS)
    save_encoder(tmp_path / "all-MiniLM-L6-v2")
    with fresh_registry():
        yield tmp_path


def pipeline(task: str, model: Path | str) -> Any:
    """Return a pipeline of transformers."""
    return import_module("transformers").pipeline(task, str(model), device="cpu")


@pytest.mark.usefixtures("folder")
def test_the_recipe_of_the_page_answers() -> None:
    """As it stands there."""
    (recipe,) = (step.text for step in steps(PAGES["frameworks.md"]) if "sentence_transformers" in step.text)
    names: dict[str, Any] = {}
    exec(recipe, names)
    assert names["draft"]("all is well").startswith("all is well")
    assert names["embed"](["all is well", "fine"]).shape == (2, 8)


def test_a_thread_ends_soon_after_its_deadline(folder: Path) -> None:
    """With the time left as `max_time`; its permit is back then."""
    generate = pipeline("text-generation", folder / "gpt2")
    ended: list[str] = []

    @guard("draft", deadline=SHORT, output=str, bulkhead=Bulkhead(limit=1))
    def draft(prompt: str) -> str:
        answer = generate(prompt, min_new_tokens=POSITIONS, max_new_tokens=POSITIONS, max_time=remaining())
        ended.append(prompt)
        return str(answer[0]["generated_text"])

    began = time.monotonic()
    failure = draft.outcome("well").failure
    assert failure is not None
    assert failure.kind is FailureKind.TIMEOUT
    while (permits := draft.boundary.bulkhead) is None or permits.in_flight:
        time.sleep(0.01)
        assert time.monotonic() - began < SHORT + GRACE
    assert ended == ["well"]


def test_a_text_that_is_too_long_is_cut_where_that_is_asked_for(folder: Path) -> None:
    """A classifier's pipeline by `truncation=True`; sentence-transformers does so by itself."""
    save_classifier(folder / "bert")
    classify = pipeline("text-classification", folder / "bert")
    long = "well " * (LONGEST + 4)
    assert len(classify(long, truncation=True)) == 1
    with pytest.raises(RuntimeError):
        classify(long)
    encoder = import_module("sentence_transformers").SentenceTransformer("all-MiniLM-L6-v2", device="cpu")
    assert encoder.encode(long).tolist() == pytest.approx(encoder.encode("well " * LONGEST).tolist())
