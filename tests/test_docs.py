"""What the pages say is so: samples run, tables are the code's, links lead somewhere."""

from __future__ import annotations

import dataclasses
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from aiguard import Failure, FailureKind
from aiguard.errors import error_for
from aiguard.failure import COUNTED, OPENS_AT_ONCE, REASKABLE, RETRIED_BY_DEFAULT
from aiguard.telemetry import names
from aiguard.testing import fresh_registry

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md"))}
SAMPLES = [
    pytest.param(page, sample, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, sample in enumerate(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL), 1)
]
LINKED = sorted({ROOT / "README.md", *DOCS.rglob("*.md")} - {DOCS / "decisions" / "0000-template.md"})
SETTINGS: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "settings-table"))


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row that begins with a word of the code."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]


@pytest.mark.parametrize(("page", "sample"), SAMPLES)
def test_a_sample_runs(page: str, sample: str) -> None:
    """Each by itself; those that set a provider up, of which a process has one, in a process of their own."""
    if "set_tracer_provider" in sample:
        subprocess.run([sys.executable, "-W", "error", "-c", sample], check=True, timeout=60)
        return
    with fresh_registry():
        exec(compile(sample, page, "exec"), {"__name__": "sample"})


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Relative links point to files that are there."""
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    files = [link.partition("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert [file for file in files if not (page.parent / file).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_listed(page: str) -> None:
    """A page can be found from the list of pages."""
    assert page == "README.md" or f"]({page})" in PAGES["README.md"]


KINDS = rows(PAGES["failure-kinds.md"])


def test_every_kind_has_its_row() -> None:
    """In the order of the vocabulary."""
    assert [row[0] for row in KINDS] == [f"`{kind}`" for kind in FailureKind]


@pytest.mark.parametrize("row", KINDS, ids=lambda row: row[0].strip("`"))
def test_a_kind_is_what_its_row_says(row: list[str]) -> None:
    """Error, retry and breaker, as the code has them."""
    kind = FailureKind(row[0].strip("`"))
    errors = [type(error_for(Failure(kind, "component", ""))).__name__]
    if kind is FailureKind.TIMEOUT:
        errors.insert(0, "DeadlineExceededError")  # where the clock was ours
    assert re.findall(r"`(\w+)`", row[2]) == errors
    again = "yes" if kind in RETRIED_BY_DEFAULT else "by `reask`" if kind in REASKABLE else "no"
    assert row[3].startswith(again)
    counted = "opens at once" if kind in OPENS_AT_ONCE else "yes" if kind in COUNTED else "no"
    assert row[4].startswith(counted)


def test_the_settings_are_the_models() -> None:
    """To mend: `.venv/bin/python scripts/settings-table`."""
    assert f"{SETTINGS['START']}{SETTINGS['tables']()}{SETTINGS['END']}" in PAGES["settings.md"]


@pytest.mark.parametrize("model", SETTINGS["MODELS"], ids=lambda model: model.__name__)
def test_no_setting_is_missing_and_defaults_are_right(model: type) -> None:
    """Read from the page, held against the fields themselves."""
    title = "guard" if model.__name__ == "Policy" else model.__name__
    section = re.split(r"^## ", PAGES["settings.md"], flags=re.MULTILINE)[1:]
    shown = {row[0].strip("`"): row for part in section if part.startswith(f"`{title}") for row in rows(part)}
    if issubclass(model, BaseModel):
        defaults = {
            name: None if field.is_required() else repr(field.default) for name, field in model.model_fields.items()
        }
    else:
        assert dataclasses.is_dataclass(model)
        defaults = {
            field.name: None if field.default is dataclasses.MISSING else repr(field.default)
            for field in dataclasses.fields(model)
        }
    assert list(shown) == list(defaults)
    for name, default in defaults.items():
        cell = shown[name][1]
        if name == "on":
            assert cell == "[these](failure-kinds.md)"
        elif name == "deadline":
            assert cell == "required"
        else:
            assert cell == ("required" if default is None else f"`{default}`")
        assert shown[name][2]
        assert shown[name][3]


def test_every_reason_belongs_to_a_setting() -> None:
    """A setting that is renamed takes its reason along."""
    known = {f"{model.__name__}.{name}" for model in SETTINGS["MODELS"] for name in SETTINGS["fields_of"](model)}
    assert set(SETTINGS["REASONS"]) <= known


def test_telemetry_tells_every_name() -> None:
    """Whatever leaves the process stands on its page, and no name stands there that is not in the code."""
    ours = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    page = PAGES["telemetry.md"]
    told = set(re.findall(r"`(aiguard\.[a-z_.]+|error\.type)(?: <\w+>)?`", page))
    assert told <= ours
    assert {name for name in ours if "." in name} <= told
    assert {name for name in ours if f"`{name}`" not in page and "." not in name} <= {names.SCOPE}
