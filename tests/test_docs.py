"""What the pages say is so: samples run and print what is shown, pictures are drawn from them, links lead somewhere."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import re
import runpy
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from pydantic import BaseModel

from aiguard import Failure, FailureKind, Policy, PolicyError
from aiguard.errors import error_for
from aiguard.failure import COUNTED, OPENS_AT_ONCE, REASKABLE, RETRIED_BY_DEFAULT
from aiguard.telemetry import names
from aiguard.testing import virtual_time
from docs.drawings import pictures
from tests.pages import DOCS, IN_A_FOLDER, PAGES, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = DOCS.parent
SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
SETTINGS: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "settings-table"))

CONTINUED = {"README.md"}
"""Pages whose samples are one program."""

OPTIONAL = (
    *("agents", "instructor", "langchain", "langchain_core", "langchain_openai", "litellm", "llama_index"),
    *("onnx", "onnxruntime", "pandas", "pydantic_ai", "sentence_transformers", "sklearn", "transformers"),
)
"""What a sample may import although the tests do not bring it."""

WIDEST, WIDEST_IN_GRID = 86, 58
"""Characters of a sample's line that can be read without moving it, at 1280 px."""

# --- samples


class Sample(NamedTuple):
    """A piece of Python on a page, and what stands below it as its output."""

    page: str
    number: int
    code: str
    shown: str | None


def samples() -> Iterator[Sample]:
    """Yield every sample of every page."""
    pattern = r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?"
    for page, text in PAGES.items():
        for number, found in enumerate(re.finditer(pattern, text, flags=re.DOTALL), 1):
            yield Sample(page, number, found[1], found[2])


def single(sample: Sample) -> Any:
    """Return the sample as a case of its own."""
    return pytest.param(sample, id=f"{sample.page}-{sample.number}")


SAMPLES = list(samples())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run samples as they stand, one after the other in one module, in no time; return what each prints."""
    names: dict[str, Any] = {"__name__": "sample"}
    with virtual_time() as clock:
        monkeypatch.setattr(asyncio, "run", clock.run)

        def run(sample: Sample) -> str:
            code = compile(sample.code, sample.page, "exec", dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(code, names)
            return printed.getvalue()

        yield run


@pytest.mark.parametrize("sample", [single(sample) for sample in SAMPLES if sample.page not in CONTINUED | IN_A_FOLDER])
def test_a_sample_runs_and_prints_what_is_shown(sample: Sample, run: Any) -> None:
    """Each by itself; those that change their whole process in one of their own."""
    for package in OPTIONAL:
        if re.search(rf"^(import|from) {package}\b", sample.code, flags=re.MULTILINE):
            pytest.importorskip(package)
            warnings.simplefilter("ignore", UserWarning)  # what a framework has to say of itself
    if "set_tracer_provider" in sample.code or "os.fork" in sample.code:
        command = [sys.executable, "-W", "error", "-c", sample.code]
        printed = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout
    else:
        printed = run(sample)
    assert printed == (sample.shown or "")


@pytest.mark.parametrize("page", sorted(CONTINUED))
def test_the_samples_of_a_page_are_one_program(page: str, run: Any) -> None:
    """Pasted piece by piece they print what is shown below each."""
    for sample in SAMPLES:
        if sample.page == page:
            assert run(sample) == (sample.shown or ""), f"sample {sample.number}"


@pytest.mark.parametrize("sample", [single(sample) for sample in SAMPLES])
def test_a_sample_is_read_without_moving_it(sample: Sample) -> None:
    """No line is wider than its column on the site."""
    before = PAGES[sample.page].partition(sample.code)[0]
    within = before.count('<div class="grid"') > before.count("</div>\n</div>")
    widest = WIDEST_IN_GRID if within else WIDEST
    assert [line for line in sample.code.splitlines() if len(line) > widest] == []


# --- pictures


@pytest.mark.parametrize("picture", [*pictures.DIAGRAMS, *pictures.TIMELINES])
def test_a_picture_is_what_its_sample_did(picture: str) -> None:
    """To mend: `.venv/bin/python -m docs.drawings`."""
    if picture in pictures.NEEDS_TEXTUAL:
        pytest.importorskip("textual")
    assert pictures.draw(picture) == (DOCS / "images" / f"{picture}.svg").read_text(encoding="utf-8")


def test_every_picture_is_drawn_and_shown() -> None:
    """No picture is left over, and none was made by hand but the site's own mark."""
    there = {path.stem for path in (DOCS / "images").glob("*.svg")}
    assert there - {"favicon", "overhead"} == {*pictures.DIAGRAMS, *pictures.TIMELINES}
    shown = "".join(PAGES.values()) + (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in there - {"favicon"} if f"images/{name}.svg)" not in shown] == []


# --- the site


def headings(path: Path) -> set[str]:
    """Return the anchors of a page that are the same on the site (Python-Markdown) and on a forge."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    words = [re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles]
    return {re.sub(r"[-\s]+", "-", word) for word in words} & {word.replace(" ", "-") for word in words}


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *(DOCS / page for page in PAGES)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Relative links point to files and headings that are there, from a page of the site to the site."""
    text = re.sub(r"(```|`).*?\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert page == ROOT / "README.md" or target.is_relative_to(DOCS), link
        assert not anchor or anchor in headings(target), link


def test_every_page_is_in_the_navigation() -> None:
    """Decision records are found from their own list."""

    def paths(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for inner in entry.values() if isinstance(entry, dict) else entry:
                yield from paths(inner)

    listed = list(paths(SITE["nav"]))
    assert sorted(listed) == [page for page in sorted(PAGES) if not page.startswith("decisions/0")]


def test_the_home_page_lists_every_page() -> None:
    """Read on a forge, a page is found without the navigation."""
    home = PAGES["README.md"]
    assert [page for page in PAGES if not page.startswith("decisions/0") and f"]({page})" not in home] == ["README.md"]


def test_the_site_is_built_strictly_and_fetches_nothing() -> None:
    """A warning fails the build, a broken anchor is a warning, and no font comes from elsewhere."""
    assert SITE["strict"] is True
    assert set(SITE["validation"].values()) == {"warn"}
    assert "anchors" in SITE["validation"]
    assert SITE["theme"]["font"] is False


# --- tables


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
    title = SETTINGS["TITLES"].get(model, f"`{model.__name__}`")
    section = PAGES["settings.md"].partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    shown = {row[0].strip("`"): row for row in rows(section)}
    if issubclass(model, BaseModel):
        defaults = {
            name: None if field.is_required() else repr(field.get_default(call_default_factory=True))
            for name, field in model.model_fields.items()
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
        elif name == "retry_budget":
            assert cell == "`RetryBudget()`"
        else:
            assert cell == ("required" if default is None else f"`{default}`")
        assert shown[name][2]
        assert shown[name][3]


def test_every_reason_belongs_to_a_setting() -> None:
    """A setting that is renamed takes its reason along."""
    known = {f"{model.__name__}.{name}" for model in SETTINGS["MODELS"] for name in SETTINGS["fields_of"](model)}
    assert set(SETTINGS["REASONS"]) <= known


def test_what_is_not_built_is_said() -> None:
    """Each value of a setting that is said not to be there is refused."""
    values = re.findall(r'`(\w+)="(\w+)"`', PAGES["limits.md"].partition("## Not built")[2].partition("## Left out")[0])
    assert values
    for setting, value in values:
        with pytest.raises(PolicyError):
            Policy(**{setting: value})


def test_every_form_of_a_setting_is_explained() -> None:
    """The words of the tables of settings are those of the table above them."""
    intro, _, generated = PAGES["settings.md"].partition(SETTINGS["START"])
    legend = re.findall(r"^\| (.*?) \|", intro, flags=re.MULTILINE)[1:]
    known = {word for cell in legend for word in [cell, *cell.split(", ")]}
    forms = {row[2] for row in rows(generated)}
    assert {form for form in forms if not form.startswith('`"')} - known == set()


def test_telemetry_tells_every_name() -> None:
    """Whatever leaves the process stands on its page, and no name stands there that is not in the code."""
    ours = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    page = PAGES["telemetry.md"]
    told = set(re.findall(r"`?((?:aiguard|gen_ai)\.[a-z_.]+|error\.type|server\.address)(?: <\w+>|`| =)", page))
    assert told <= ours
    assert {name for name in ours if "." in name} <= told
    assert {name for name in ours if f"`{name}`" not in page and "." not in name} <= {names.SCOPE}
