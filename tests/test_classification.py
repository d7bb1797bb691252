"""What exceptions mean: builtins, fabricated clients' classes, HTTP statuses, headers, and hostile objects."""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures.process
import email.message
import http
import json
import socket
import ssl
import types
import urllib.error
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from aiguard import FailureKind as Kind
from aiguard.classification import BY_CLASS, class_name, classify, status_of

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock


def client_class(package: str, name: str, *bases: type[BaseException]) -> type[Any]:
    """Return a class that looks like one of a client library's, which is not installed here."""
    return type(name, bases or (Exception,), {"__module__": f"{package}._exceptions"})


def client_error(status: int | None = None, /, **attributes: Any) -> Exception:
    """Return an exception as SDKs raise them: status, response, body."""
    error = client_class("anysdk", "APIStatusError")("secret text")
    if status is not None:
        error.status_code = status
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def response(**headers: str) -> types.SimpleNamespace:
    """Return a response with these headers, underscores for hyphens."""
    return types.SimpleNamespace(headers={name.replace("_", "-"): value for name, value in headers.items()})


def kind_of(error: BaseException, clock: VirtualClock) -> Kind:
    """Return the kind of `error`."""
    return classify(error, clock).kind


# --- by class


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), Kind.TIMEOUT),
        (ConnectionError(), Kind.CONNECTION),
        (ConnectionResetError(), Kind.CONNECTION),
        (ConnectionRefusedError(), Kind.CONNECTION),
        (BrokenPipeError(), Kind.CONNECTION),
        (socket.gaierror(), Kind.CONNECTION),
        (ssl.SSLError(), Kind.CONNECTION),
        (OSError(), Kind.CONNECTION),
        (asyncio.IncompleteReadError(b"", 3), Kind.CONNECTION),
        (PermissionError(), Kind.UNCLASSIFIED),
        (FileNotFoundError(), Kind.UNCLASSIFIED),
        (concurrent.futures.BrokenExecutor(), Kind.WORKER_CRASHED),
        (concurrent.futures.process.BrokenProcessPool(), Kind.WORKER_CRASHED),
        (ValueError(), Kind.UNCLASSIFIED),
        (TypeError(), Kind.UNCLASSIFIED),
        (KeyError(), Kind.UNCLASSIFIED),
        (RuntimeError(), Kind.UNCLASSIFIED),
        (StopIteration(), Kind.UNCLASSIFIED),
        (AssertionError(), Kind.UNCLASSIFIED),
        (MemoryError(), Kind.UNCLASSIFIED),
        (RecursionError(), Kind.UNCLASSIFIED),
        (Exception(), Kind.UNCLASSIFIED),
        (asyncio.InvalidStateError(), Kind.UNCLASSIFIED),
        (json.JSONDecodeError("no", "", 0), Kind.MALFORMED_OUTPUT),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), Kind.MALFORMED_OUTPUT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_builtins(clock: VirtualClock, error: Exception, kind: Kind) -> None:
    """Each builtin that components raise has its kind; what nobody can know is `unclassified`."""
    assert kind_of(error, clock) is kind


@pytest.mark.parametrize(("package", "name"), sorted(row for row in BY_CLASS if row[0] not in {"builtins", "asyncio"}))
def test_every_row_of_a_client_library_is_matched_by_name(clock: VirtualClock, package: str, name: str) -> None:
    """A class of that package and name, and a subclass of it from anywhere, is recognised without an import."""
    cls = client_class(package, name)
    derived = client_class("elsewhere", "Derived", cls)
    assert kind_of(cls(), clock) is BY_CLASS[package, name]
    assert kind_of(derived(), clock) is BY_CLASS[package, name]


def test_the_first_match_along_the_mro_decides(clock: VirtualClock) -> None:
    """A read timeout is a transport error too: the nearer class wins."""
    transport = client_class("httpx", "TransportError")
    timeout = client_class("httpx", "TimeoutException", transport)
    assert kind_of(client_class("httpx", "ReadTimeout", timeout)(), clock) is Kind.TIMEOUT
    assert kind_of(client_class("httpx", "ReadError", transport)(), clock) is Kind.CONNECTION


def test_a_class_of_the_same_name_from_elsewhere_is_not_meant(clock: VirtualClock) -> None:
    """Package and name are looked up together."""
    assert kind_of(client_class("mycode", "TransportError")(), clock) is Kind.UNCLASSIFIED
    assert kind_of(client_class("myopenai", "APITimeoutError")(), clock) is Kind.UNCLASSIFIED


def test_a_cause_is_looked_into(clock: VirtualClock) -> None:
    """An SDK that wraps what it met says by its cause what happened; `__context__` says nothing."""
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = ConnectionResetError()
    assert kind_of(wrapped, clock) is Kind.CONNECTION
    beside = RuntimeError("beside")
    beside.__context__ = ConnectionResetError()
    assert kind_of(beside, clock) is Kind.UNCLASSIFIED


def test_a_chain_without_end_is_left(clock: VirtualClock) -> None:
    """A cycle of causes, or a very long chain, ends the search."""
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one
    assert kind_of(one, clock) is Kind.UNCLASSIFIED


def test_the_failure_names_the_outer_class_and_no_text(clock: VirtualClock) -> None:
    """The message is safe to log: class and status, never what the exception says."""
    failure = classify(client_error(503), clock)
    assert failure.message == "the component raised anysdk._exceptions.APIStatusError (HTTP 503)"
    assert (failure.stage, type(failure.exception).__name__) == ("component", "APIStatusError")
    assert class_name(ValueError()) == "ValueError"


def test_a_group_of_one_kind_is_that_kind(clock: VirtualClock) -> None:
    """What failed several times for one reason failed for it; what differs is unclassified."""
    same = ExceptionGroup("same", [ConnectionResetError(), ExceptionGroup("inner", [BrokenPipeError()])])
    assert kind_of(same, clock) is Kind.CONNECTION
    assert kind_of(ExceptionGroup("mixed", [ConnectionError(), TimeoutError()]), clock) is Kind.UNCLASSIFIED
    assert kind_of(ExceptionGroup("unknown", [ValueError()]), clock) is Kind.UNCLASSIFIED


# --- by status


def expected_of(status: int) -> Kind:
    """Return the kind of a bare status by the architecture's table."""
    special = {
        401: Kind.AUTH,
        402: Kind.QUOTA_EXHAUSTED,
        403: Kind.AUTH,
        408: Kind.TIMEOUT,
        409: Kind.SERVER_ERROR,
        429: Kind.RATE_LIMITED,
        503: Kind.OVERLOADED,
        504: Kind.TIMEOUT,
        529: Kind.OVERLOADED,
    }
    if status in special:
        return special[status]
    return Kind.UNCLASSIFIED if status < 400 else Kind.BAD_REQUEST if status < 500 else Kind.SERVER_ERROR


@pytest.mark.parametrize("where", ["status_code", "status", "code", "response.status_code", "response.status"])
def test_every_http_status(clock: VirtualClock, where: str) -> None:
    """Each status from 100 to 599 has its kind, wherever the exception carries it; a bare 404 is the caller's fault."""
    outer, _, inner = where.partition(".")
    for status in range(100, 600):
        value = types.SimpleNamespace(**{inner: status}) if inner else status
        error = client_error(None, **{outer: value})
        assert status_of(error) == status
        assert kind_of(error, clock) is expected_of(status), status


@pytest.mark.parametrize("status", [0, 99, 600, -1, True, "503", 503.0, None, object(), 10**30])
def test_what_is_no_status_is_none(clock: VirtualClock, status: Any) -> None:
    """A number outside the range, a string or a flag is not taken for a status."""
    error = client_error(code=status)
    assert status_of(error) is None
    assert kind_of(error, clock) is Kind.UNCLASSIFIED


def test_an_enum_member_is_a_status(clock: VirtualClock) -> None:
    """Google's clients carry `http.HTTPStatus` members."""
    error = client_error(code=http.HTTPStatus.SERVICE_UNAVAILABLE)
    assert status_of(error) == 503
    assert kind_of(error, clock) is Kind.OVERLOADED


def test_the_standard_librarys_http_error(clock: VirtualClock) -> None:
    """`urllib` carries status and headers on the exception itself."""
    headers = email.message.Message()
    headers["Retry-After"] = "7"
    error = urllib.error.HTTPError("http://example.org", 429, "Too Many", headers, None)
    failure = classify(error, clock)
    error.close()
    assert (failure.kind, failure.retry_after) == (Kind.RATE_LIMITED, 7.0)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"code": "insufficient_quota"}}, Kind.QUOTA_EXHAUSTED),
        (429, {"code": "billing_hard_limit_reached"}, Kind.QUOTA_EXHAUSTED),
        (400, {"error": {"code": "context_length_exceeded"}}, Kind.CONTEXT_LENGTH),
        (400, {"error": {"type": "exceed_context_size_error"}}, Kind.CONTEXT_LENGTH),
        (400, {"error": {"code": "content_filter"}}, Kind.CONTENT_FILTER),
        (404, {"error": {"code": "model_not_found"}}, Kind.NOT_FOUND),
        (404, {"error": {"code": "DeploymentNotFound"}}, Kind.NOT_FOUND),
        (404, {"error": {"code": "no_such_thread"}}, Kind.BAD_REQUEST),
        (200, {"error": {"type": "overloaded_error"}}, Kind.OVERLOADED),
        (500, {"error": {"code": 17, "type": None}}, Kind.SERVER_ERROR),
        (500, {"error": "text"}, Kind.SERVER_ERROR),
        (500, "text", Kind.SERVER_ERROR),
        (500, None, Kind.SERVER_ERROR),
        (500, ["model_not_found"], Kind.SERVER_ERROR),
    ],
)
def test_a_code_in_the_body_knows_more_than_the_status(
    clock: VirtualClock, status: int, body: object, kind: Kind
) -> None:
    """Quota, context length and a missing model are told from the plain status."""
    assert kind_of(client_error(status, body=body), clock) is kind


def test_a_code_on_the_exception_itself_counts(clock: VirtualClock) -> None:
    """Openai's errors carry `code` and `type`."""
    assert kind_of(client_error(400, code="context_length_exceeded"), clock) is Kind.CONTEXT_LENGTH
    assert kind_of(client_error(429, type="insufficient_quota"), clock) is Kind.QUOTA_EXHAUSTED


# --- Retry-After


def test_the_wait_a_server_asked_for_is_kept(clock: VirtualClock) -> None:
    """From the link of the chain that gave the kind, or from what caused it."""
    outer = RuntimeError()
    outer.__cause__ = client_error(429, response=response(retry_after="7"))
    failure = classify(outer, clock)
    assert (failure.kind, failure.retry_after) == (Kind.RATE_LIMITED, 7.0)
    again = client_error(503)
    again.__cause__ = client_error(429, response=response(retry_after="8"))
    failure = classify(again, clock)
    assert (failure.kind, failure.retry_after) == (Kind.OVERLOADED, 8.0)
    assert classify(client_error(429), clock).retry_after is None


# --- parsing


def raised_by(module: str, source: str) -> Exception:
    """Return what `source` raises in a function of `module`."""
    scope: dict[str, Any] = {"__name__": module, "json": json}
    exec(f"def read():\n    {source}", scope)
    try:
        scope["read"]()
    except Exception as error:  # noqa: BLE001 - any is wanted
        return error
    raise AssertionError


@pytest.mark.parametrize("source", ["json.loads('{')", "b'\\xff'.decode()"])
def test_what_a_client_could_not_read_is_the_transports_fault(clock: VirtualClock, source: str) -> None:
    """A frame of a client library in the traceback tells a broken response from a broken answer."""
    assert kind_of(raised_by("httpx._models", source), clock) is Kind.MALFORMED_TRANSPORT
    assert kind_of(raised_by("openai._response", source), clock) is Kind.MALFORMED_TRANSPORT
    assert kind_of(raised_by("myapp.model", source), clock) is Kind.MALFORMED_OUTPUT


class Answer(BaseModel):
    """What a component validates by itself."""

    label: str


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("{", Kind.MALFORMED_OUTPUT),
        ('{"label": 1}', Kind.SCHEMA_VIOLATION),
        ("{}", Kind.SCHEMA_VIOLATION),
    ],
)
def test_pydantics_errors(clock: VirtualClock, raw: str, kind: Kind) -> None:
    """What cannot be parsed is malformed, what does not fit breaks the schema."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Answer).validate_json(raw)
    assert kind_of(caught.value, clock) is kind


# --- hostile objects


class Hostile:
    """An object of which nothing can be read."""

    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


class HostileError(Exception):
    """An exception whose properties raise."""

    @property
    def status_code(self) -> int:
        """Fail."""
        raise ZeroDivisionError

    status = code = response = body = type = headers = status_code


class HostileCauseError(Exception):
    """An exception whose cause cannot be looked at."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        """Fail."""
        raise ZeroDivisionError


class HostileMapping(dict[str, Any]):
    """A mapping that cannot be read."""

    def get(self, *_: Any) -> Any:
        """Fail."""
        raise ZeroDivisionError


class HostileText(str):
    """A code that cannot be compared."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise ZeroDivisionError

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError


def nested_group(depth: int) -> Exception:
    """Return groups in groups."""
    group: Exception = ConnectionError()
    for _ in range(depth):
        group = ExceptionGroup("", [group])
    return group


class WithoutModule(Exception):  # noqa: N818 - what it is
    """A class whose module somebody deleted."""


WithoutModule.__module__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "error",
    [
        HostileError("secret"),
        client_error(response=Hostile()),
        client_error(body=Hostile()),
        client_error(body=HostileMapping()),
        client_error(body={"error": HostileMapping()}),
        client_error(body={"code": HostileText("x")}),
        client_error(code=HostileText("x")),
        client_error(status_code=Hostile()),
        client_error(response=types.SimpleNamespace(headers=Hostile())),
        client_error(response=types.SimpleNamespace(headers=HostileMapping())),
        client_error(response=types.SimpleNamespace(headers=[("retry-after", "7")])),
        WithoutModule(),
        nested_group(5000),
        HostileCauseError("secret"),
    ],
    ids=range(14),
)
def test_no_exception_can_break_the_classification(clock: VirtualClock, error: Exception) -> None:
    """Whatever an exception's attributes do, a failure comes out, and its message does not hold the text."""
    failure = classify(error, clock)
    assert isinstance(failure.kind, Kind)
    assert "secret" not in failure.message
    assert failure.exception is error
