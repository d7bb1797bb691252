"""What a program may import from aiguard, and what importing it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import aiguard
from aiguard import BoundaryError, PolicyError, errors

BUILT = {
    "Attempt",
    "Boundary",
    "Breaker",
    "Bulkhead",
    "Failure",
    "FailureKind",
    "InputContract",
    "Outcome",
    "OutputContract",
    "Policy",
    "Retry",
    "Rung",
    "boundaries",
    "get",
    "guard",
    "last_good",
    "remaining",
}
"""The names that the design promises of what is built."""


def test_every_name_is_importable() -> None:
    """What `__all__` lists is there, sorted, once."""
    assert len(set(aiguard.__all__)) == len(aiguard.__all__)
    for name in aiguard.__all__:
        assert getattr(aiguard, name) is not None


def test_every_promised_name_is_public() -> None:
    """The design's names and every error are importable from `aiguard` itself."""
    every_error = {
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and one.__module__ == "aiguard.errors" and issubclass(one, BoundaryError | PolicyError)
    }
    assert set(aiguard.__all__) >= BUILT | every_error


def test_all_is_complete() -> None:
    """Nothing is imported in `__init__` that `__all__` does not list."""
    tree = ast.parse(Path(aiguard.__file__).read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert imported == set(aiguard.__all__)
    for name in aiguard.__all__:
        assert getattr(aiguard, name) is not None


def test_what_reads_files_is_imported_by_who_has_one() -> None:
    """`import aiguard` alone loads no reader of files; the names are there all the same, and no others."""
    code = "import sys, aiguard; assert not {'aiguard.config', 'yaml'} & sys.modules.keys(); aiguard.configure"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'configuer'"):
        aiguard.configuer  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(aiguard.__all__) - {"boundaries", "get", "guard", "remaining"}))
def test_every_public_class_is_documented(name: str) -> None:
    """Who asks for help gets some."""
    assert (getattr(aiguard, name).__doc__ or "").strip()


def test_errors_are_a_tree() -> None:
    """All a component does raises a `BoundaryError`; a refused setting is a `ValueError`, misuse a `TypeError`."""
    others = {PolicyError, aiguard.MisuseError, aiguard.ControlError}
    for name in aiguard.__all__:
        one = getattr(aiguard, name)
        if isinstance(one, type) and issubclass(one, Exception) and one not in others:
            assert issubclass(one, BoundaryError)
    assert issubclass(PolicyError, ValueError)
    assert issubclass(aiguard.MisuseError, TypeError)
    assert not issubclass(PolicyError, BoundaryError)


def test_importing_aiguard_imports_no_sdk() -> None:
    """`import aiguard` in a fresh interpreter brings neither an SDK nor what is needed on first use only."""
    script = "import sys, aiguard; print(*{name.partition('.')[0] for name in sys.modules})"
    listed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "aiguard" in listed
    unwanted = {"tenacity", "yaml", "openai", "anthropic", "httpx", "httpx2", "requests", "aiohttp", "google"}
    assert not unwanted & set(listed)
    deep = "import sys, aiguard; print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    assert subprocess.run([sys.executable, "-c", deep], check=True, capture_output=True, text=True).stdout == "[]\n"
