"""Spans of requests to providers, as whoever adds tokens up finds them; and others that draw them."""

from __future__ import annotations

import gc
import importlib.util
import warnings
from contextlib import contextmanager
from inspect import isclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.telemetry.conftest import Recorded

_USAGE = ("gen_ai.usage", "llm.usage", "llm.token_count")
"""In whichever words a span says how many tokens were used."""

_STAY = (
    "openai._client",
    "openai.resources.chat.completions.completions",
    "openai.resources.embeddings",
    "openai.resources.responses.responses",
)
"""Where instrumentations of OpenAI's SDK, told to uninstrument it, leave what they have put there."""

_PATCHED = ("cancel", "create", "parse", "request", "retrieve", "stream")


def billed(recorded: Recorded) -> list[Any]:
    """Return the spans that whoever adds tokens up would count."""
    gc.collect()
    return [span for span in recorded.spans if any(name.startswith(_USAGE) for name in span.attributes or ())]


def assert_drawn_once(recorded: Recorded, *, by_aiguard: bool) -> None:
    """Hold that one span has the usage of the one request that was sent, and whose it is."""
    spans = billed(recorded)
    assert len(spans) == 1, [(span.name, dict(span.attributes or {})) for span in recorded.spans]
    assert (spans[0].instrumentation_scope.name == "aiguard") is by_aiguard, spans[0].instrumentation_scope.name


@contextmanager
def instrumented(module: str, name: str, recorded: Recorded) -> Iterator[Any]:
    """Have the same requests drawn by somebody else too; skip where that is not installed."""
    if not _is_installed(module):
        pytest.skip(f"{module} is not installed: `make test-telemetry`")
    before = _methods(_STAY) if module.endswith(".openai") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        instrumentor = getattr(importlib.import_module(module), name)()
        instrumentor.instrument(tracer_provider=recorded.provider, skip_dep_check=True)
    try:
        yield instrumentor
    finally:
        instrumentor.uninstrument()
        for (cls, attribute), value in before.items():
            setattr(cls, attribute, value)


def _methods(modules: Sequence[str]) -> dict[tuple[type, str], Any]:
    classes = [value for name in modules for value in vars(importlib.import_module(name)).values() if isclass(value)]
    return {(cls, name): value for cls in classes for name, value in vars(cls).items() if name in _PATCHED}


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package around it
        return False
