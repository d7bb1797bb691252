"""The page of clients says what the tables of the tests say, and each environment holds what it says."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from pathlib import Path

import pytest

from tests.clients import matrix
from tests.clients.catalogue import CLIENTS

ENVIRONMENTS = {
    ".venv": "test",
    ".venv-3.13": "test",
    ".venv-clients-frameworks": "clients-frameworks",
    ".venv-clients-openai2": "clients-openai2",
    ".venv-clients-torch": "clients-torch",
}
HERE = ENVIRONMENTS.get(Path(sys.prefix).name)


def test_the_page_says_what_the_tables_say() -> None:
    """`python -m tests.clients --write` would change nothing."""
    text = matrix.PAGE.read_text(encoding="utf-8")
    assert matrix.page(text) == text


@pytest.mark.skipif(HERE is None, reason="an environment of somebody else's")
def test_every_client_of_this_environment_is_here_in_its_version() -> None:
    """So that none is skipped without anybody's notice, and the page's versions are those that were run."""
    pins = matrix.pinned(str(HERE))
    for client in CLIENTS:
        if HERE in client.environments:
            for module in (client.module, *client.needs):
                importlib.import_module(module)
            for name in (client.name, *client.beside):
                assert importlib.metadata.version(name).partition("+")[0] == pins[name], name  # "+cpu" is a build
