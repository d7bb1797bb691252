"""`explain`: why an exception is of its kind, and that what follows is what the boundary does."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
from typing import Any

import httpx2
import openai
import pytest

import aiguard
from aiguard import CircuitOpenError, ComponentError, Explanation, Failure, FailureKind, explain
from aiguard.classification import classify
from aiguard.clock import SYSTEM
from aiguard.contract.breach import Breach
from aiguard.explanation import explain_name, is_known, names_known
from aiguard.failure import COUNTED, OPENS_AT_ONCE, REASKABLE, RETRIED_BY_DEFAULT
from tests.test_classification import client_class, client_error, response


def limited(code: str, **headers: str) -> openai.RateLimitError:
    """Return what openai raises for status 429."""
    request = httpx2.Request("POST", "https://example.org")
    answer = httpx2.Response(429, request=request, headers={n.replace("_", "-"): word for n, word in headers.items()})
    return openai.RateLimitError("secret", response=answer, body={"code": code, "message": "secret"})


def test_what_decided_is_said() -> None:
    """With what follows from the kind."""
    assert explain(limited("insufficient_quota")) == Explanation(
        kind=FailureKind.QUOTA_EXHAUSTED,
        row="error code insufficient_quota",
        retried=False,
        reasked=False,
        counted=True,
        opens_at_once=True,
    )
    assert explain(limited("requests", retry_after="7")) == Explanation(
        kind=FailureKind.RATE_LIMITED,
        row="HTTP status 429",
        retried=True,
        reasked=False,
        counted=False,
        opens_at_once=False,
        retry_after=7.0,
    )


def chained(outer: Exception, inner: Exception) -> Exception:
    """Return `outer`, raised from `inner`."""
    outer.__cause__ = inner
    return outer


def undecodable() -> Exception:
    """Return what reading broken JSON raises."""
    try:
        json.loads("{")
    except ValueError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "row"),
    [
        (ConnectionResetError(), "class ConnectionError"),
        (client_class("openai", "APITimeoutError")(), "class openai.APITimeoutError"),
        (client_error(503), "HTTP status 503"),
        (
            client_error(400, response=response(x_should_retry="true")),
            "header x-should-retry: true, at HTTP status 400",
        ),
        (client_error(None, body={"error": {"code": 429}}), "HTTP status 429"),
        (undecodable(), "class json.JSONDecodeError, not raised in a client library"),
        (ExceptionGroup("", [TimeoutError(), TimeoutError()]), "all 2 of a group"),
        (chained(KeyError(), TimeoutError()), "class TimeoutError, of TimeoutError below it"),
        (KeyError("secret"), "no row"),
        (Breach(FailureKind.REFUSAL, "secret"), "what was found in the response"),
    ],
    ids=range(10),
)
def test_every_basis_has_its_words(error: Exception, row: str) -> None:
    """And none of the exception's."""
    assert explain(error).row == row


def test_an_error_of_a_boundary_is_explained_by_what_it_contains() -> None:
    """The component's exception where there is one, else the stage that decided."""
    cause = limited("insufficient_quota")
    failure = Failure(FailureKind.QUOTA_EXHAUSTED, "component", "…", None, cause)
    found = explain(ComponentError(failure))
    assert (found.kind, found.row) == (
        FailureKind.QUOTA_EXHAUSTED,
        "error code insufficient_quota",
    )
    found = explain(CircuitOpenError(Failure(FailureKind.CIRCUIT_OPEN, "breaker", "…", 3.0)))
    assert (found.kind, found.row, found.retry_after) == (
        FailureKind.CIRCUIT_OPEN,
        "the boundary's own: stage breaker",
        3.0,
    )


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_what_has_no_kind_has_none(error: BaseException) -> None:
    """It is never counted, retried or answered by a rung."""
    found = explain(error)
    assert (found.kind, found.retried, found.counted, found.opens_at_once) == (None, False, False, False)


@pytest.mark.parametrize("kind", sorted(set(FailureKind)))
def test_what_follows_is_what_the_boundary_does(kind: FailureKind) -> None:
    """By the same sets that the stages ask."""
    found = explain(ComponentError(Failure(kind, "component", "…")))
    assert (found.retried, found.reasked, found.counted, found.opens_at_once) == (
        kind in RETRIED_BY_DEFAULT,
        kind in REASKABLE,
        kind in COUNTED,
        kind in OPENS_AT_ONCE,
    )


def test_an_overload_that_asks_for_a_pause_is_not_counted() -> None:
    """It is the cooldown's affair."""
    assert explain(client_error(503)).counted
    assert not explain(client_error(503, response=response(retry_after="7"))).counted


class Hostile(Exception):  # noqa: N818 - what it is
    """Nothing of it can be read."""

    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError(name)

    def __str__(self) -> str:
        raise AssertionError("a message was read")

    __repr__ = __str__


def test_nothing_raises_and_no_message_is_read() -> None:
    """Whatever the exception does when it is looked at."""
    error = Hostile("secret")
    assert explain(error).kind is FailureKind.UNCLASSIFIED
    assert classify(error, SYSTEM).kind is FailureKind.UNCLASSIFIED


def test_an_explanation_cannot_be_changed() -> None:
    """It may be kept."""
    found = explain(KeyError())
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.row = "other"  # type: ignore[misc]


# --- by name


@pytest.mark.parametrize(
    ("name", "status", "code", "kind", "row"),
    [
        ("openai.RateLimitError", 429, "insufficient_quota", "quota_exhausted", "error code insufficient_quota"),
        ("openai.RateLimitError", 429, None, "rate_limited", "HTTP status 429"),
        ("openai.RateLimitError", None, None, "rate_limited", "class openai.RateLimitError"),
        ("openai.APITimeoutError", None, None, "timeout", "class openai.APITimeoutError"),
        ("ConnectionResetError", None, None, "connection", "class ConnectionError"),
        ("litellm.ContextWindowExceededError", 400, None, "context_length", None),
        ("unheard.Error", None, None, "unclassified", "no row"),
        ("unheard.Error", 503, None, "overloaded", "HTTP status 503"),
        ("int", None, None, "unclassified", "no row"),
        (
            "json.JSONDecodeError",
            None,
            None,
            "malformed_output",
            "class json.JSONDecodeError; malformed_transport where it is raised in a client library",
        ),
    ],
)
def test_a_name_is_enough(name: str, status: int | None, code: str | None, kind: str, row: str | None) -> None:
    """What needs an exception to be seen is said."""
    found = explain_name(name, status, code)
    assert found.kind == kind
    assert row is None or found.row == row


@pytest.mark.parametrize("name", ["", "a b", "a..b", "1.b", "x" * 300])
def test_what_is_no_name_is_refused(name: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=r"write it as `package\.Class`"):
        explain_name(name)


def test_every_name_known_is_one() -> None:
    """Each can be asked for again."""
    names = set(names_known())
    assert len(names) > 200
    for name in names:
        assert is_known(name), name
        explain_name(name)


def test_nothing_is_imported_to_explain() -> None:
    """No client library, and none of the frameworks."""
    code = (
        "import sys, aiguard; before = set(sys.modules);"
        "from aiguard.explanation import explain_name;"
        "explain_name('openai.RateLimitError', 429); aiguard.explain(KeyError());"
        "new = {module.partition('.')[0] for module in set(sys.modules) - before};"
        "assert not new & {'openai', 'anthropic', 'google', 'httpx2'}, new"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert aiguard.explain is explain
