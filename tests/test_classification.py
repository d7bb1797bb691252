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
import sys
import types
import urllib.error
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from aiguard import FailureKind as Kind
from aiguard.classification import class_name, classify, ruling_of, status_of
from aiguard.failure_table import (
    BEFORE_STATUS,
    BY_CLASS,
    BY_CODE,
    BY_CODE_ALONE,
    BY_FRAME,
    CAUSE_FIRST,
    CONTEXT_FIRST,
)

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


@pytest.mark.parametrize(
    ("package", "name"), sorted(row for row in BY_CLASS if row[0] not in {"builtins", "asyncio", "aiguard"})
)
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


@pytest.mark.parametrize("status", [0, 99, 600, -1, True, "50", "5030", "\uff1600", 503.0, None, object(), 10**30])
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


def raised_by(module: str, source: str, **names: Any) -> Exception:
    """Return what `source` raises in a function of `module`, which knows these names."""
    scope: dict[str, Any] = {"__name__": module, "json": json, **names}
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


# --- codes


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_a_code_that_knows_more_goes_before_the_status(clock: VirtualClock, code: str) -> None:
    """Wherever it stands: on the exception, in the body, in its error, in the details of that."""
    said: list[dict[str, Any]] = [
        {"code": code},
        {"body": {"type": code}},
        {"body": {"error": {"status": code}}},
        {"body": [{"error": {"details": [{"@type": "ErrorInfo", "reason": code}]}}]},
        {"details": {"error": {"details": {"error_code": code}}}},
        {"body": {"error": {"code": 1, "innererror": {"code": code}}}},
        {"provider_error_code": code},
    ]
    for attributes in said:
        for status in (None, 200, 400, 404, 429, 503):
            assert kind_of(client_error(status, **attributes), clock) is BY_CODE[code], attributes


@pytest.mark.parametrize("code", sorted(BY_CODE_ALONE))
def test_other_codes_count_where_no_status_of_an_error_is(clock: VirtualClock, code: str) -> None:
    """As inside a stream, which began with status 200."""
    assert kind_of(client_error(None, code=code), clock) is BY_CODE_ALONE[code]
    assert kind_of(client_error(200, body={"error": {"type": code}}), clock) is BY_CODE_ALONE[code]
    assert kind_of(client_error(402, code=code), clock) is Kind.QUOTA_EXHAUSTED


@pytest.mark.parametrize("code", [429, "429"], ids=["number", "text"])
def test_a_status_that_came_as_a_code_is_one(clock: VirtualClock, code: object) -> None:
    """Gateways put it into the body of an answer with status 200."""
    assert kind_of(client_error(200, body={"error": {"code": code}}), clock) is Kind.RATE_LIMITED
    assert kind_of(client_error(None, code=str(code)), clock) is Kind.RATE_LIMITED
    assert kind_of(client_error(500, code=str(code)), clock) is Kind.SERVER_ERROR


@pytest.mark.parametrize(
    ("quotas", "kind"),
    [
        (["GenerateRequestsPerDayPerProjectPerModel-FreeTier"], Kind.QUOTA_EXHAUSTED),
        (["GenerateRequestsPerMinutePerProjectPerModel-FreeTier"], Kind.RATE_LIMITED),
        (["InputTokensPerMinute", "RequestsPerDay"], Kind.QUOTA_EXHAUSTED),
        ([], Kind.RATE_LIMITED),
    ],
)
def test_a_days_quota_is_told_from_a_minutes(clock: VirtualClock, quotas: list[str], kind: Kind) -> None:
    """By the quotas that Google lists; its words are the same for both."""
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": q} for q in quotas]}
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [failure]}}
    assert kind_of(client_error(None, code=429, status="RESOURCE_EXHAUSTED", details=body), clock) is kind


def test_what_else_is_not_found_is_not_the_model(clock: VirtualClock) -> None:
    """Anthropic's type is the same for both; the code in the details is not."""
    body = {"type": "error", "error": {"type": "not_found_error", "details": {"error_code": "thread_not_found"}}}
    assert kind_of(client_error(404, body=body), clock) is Kind.BAD_REQUEST
    del body["error"]["details"]  # type: ignore[attr-defined]
    assert kind_of(client_error(404, body=body), clock) is Kind.NOT_FOUND


def test_an_aws_error_carries_everything_in_a_dictionary(clock: VirtualClock) -> None:
    """Code and status of botocore's `ClientError`."""

    def error(code: str, status: int | None) -> Exception:
        about = {"HTTPStatusCode": status} if status is not None else {}
        return client_error(response={"Error": {"Code": code, "Message": "secret"}, "ResponseMetadata": about})

    assert status_of(error("X", 424)) == 424
    assert kind_of(error("ModelErrorException", 424), clock) is Kind.SERVER_ERROR
    assert kind_of(error("Unheard", 403), clock) is Kind.AUTH
    assert kind_of(error("throttlingException", None), clock) is Kind.RATE_LIMITED
    assert kind_of(error("Unheard", None), clock) is Kind.UNCLASSIFIED


def test_a_grpc_errors_code_is_a_method(clock: VirtualClock) -> None:
    """It gives a member of an enumeration; of no other class a method is called."""

    def code(_: object) -> object:
        return types.SimpleNamespace(name="DEADLINE_EXCEEDED")

    rpc = type("RpcError", (Exception,), {"__module__": "grpc"})
    assert kind_of(type("Inactive", (rpc,), {"__module__": "grpc._channel", "code": code})(), clock) is Kind.TIMEOUT
    assert kind_of(type("Other", (Exception,), {"__module__": "other", "code": code})(), clock) is Kind.UNCLASSIFIED


@pytest.mark.parametrize(
    ("status", "word", "kind"),
    [
        (400, "true", Kind.SERVER_ERROR),
        (400, "false", Kind.BAD_REQUEST),
        (400, "perhaps", Kind.BAD_REQUEST),
        (409, "true", Kind.SERVER_ERROR),
        (409, "false", Kind.BAD_REQUEST),
        (429, "false", Kind.RATE_LIMITED),
        (401, "true", Kind.AUTH),
    ],
)
def test_a_server_says_whether_a_request_is_to_blame(clock: VirtualClock, status: int, word: str, kind: Kind) -> None:
    """Where the status leaves that open."""
    assert kind_of(client_error(status, response=response(x_should_retry=word)), clock) is kind


# --- what knows more


@pytest.mark.parametrize(("package", "name"), sorted(BEFORE_STATUS))
def test_some_classes_know_more_than_their_status(clock: VirtualClock, package: str, name: str) -> None:
    """The class decides, whatever the status and whatever else it derives from."""
    cls = client_class(package, name, client_class("openai", "BadRequestError"))
    for status in (None, 400, 404, 500):
        error = cls()
        error.status_code = status
        assert kind_of(error, clock) is BEFORE_STATUS[package, name]


@pytest.mark.parametrize(("package", "name"), sorted(CAUSE_FIRST | CONTEXT_FIRST))
def test_what_a_wrapper_wraps_goes_first(clock: VirtualClock, package: str, name: str) -> None:
    """And where nothing is known of that, the wrapper itself."""
    cls = client_class(package, name)
    error = cls()
    error.__cause__ = error.__context__ = ConnectionResetError()
    assert kind_of(error, clock) is Kind.CONNECTION
    error.__cause__ = error.__context__ = KeyError()
    assert kind_of(error, clock) is (
        BEFORE_STATUS.get((package, name)) or BY_CLASS.get((package, name)) or Kind.UNCLASSIFIED
    )


# --- where it was raised


@pytest.mark.parametrize(
    ("source", "module", "kind"),
    [
        ("raise FileNotFoundError", "joblib.numpy_pickle", Kind.NOT_FOUND),
        ("raise FileNotFoundError", "myapp", Kind.UNCLASSIFIED),
        ("raise FileNotFoundError", "sentence_transformers.base.model", Kind.NOT_FOUND),
        ("raise OSError", "transformers.configuration_utils", Kind.NOT_FOUND),
        ("raise OSError from ConnectionError()", "transformers.utils.hub", Kind.CONNECTION),
        ("raise OSError", "myapp", Kind.CONNECTION),
        ("raise IndexError", "torch.nn.functional", Kind.BAD_REQUEST),
        ("raise IndexError", "transformers.pipelines", Kind.UNCLASSIFIED),
        ("raise PermissionError", "transformers.utils.hub", Kind.AUTH),
        ("raise PermissionError", "httpx2", Kind.UNCLASSIFIED),
        ("raise ValueError", "sklearn.utils.validation", Kind.BAD_REQUEST),
        ("raise ValueError", "transformers.tokenization_utils_base", Kind.BAD_REQUEST),
        ("raise ValueError", "anthropic._base_client", Kind.BAD_REQUEST),
        ("raise ValueError", "anthropic.lib.streaming", Kind.UNCLASSIFIED),
        ("raise ValueError", "sklearnish", Kind.UNCLASSIFIED),
        ("raise RecursionError", "httpx2._models", Kind.MALFORMED_TRANSPORT),
        ("raise RecursionError", "myapp", Kind.UNCLASSIFIED),
        ("json.loads('{')", "openai.lib._parsing._completions", Kind.MALFORMED_OUTPUT),
        ("json.loads('{')", "google.genai._api_client", Kind.MALFORMED_TRANSPORT),
        ("json.loads('{')", "langchain_core.output_parsers", Kind.MALFORMED_OUTPUT),
    ],
)
def test_where_it_was_raised_decides_of_common_classes(
    clock: VirtualClock, source: str, module: str, kind: Kind
) -> None:
    """A frame of the library tells what nobody else's frame would."""
    assert kind_of(raised_by(module, source), clock) is kind


@pytest.mark.parametrize(
    ("module", "base", "kind"),
    [
        ("pydantic_ai.models._decode_errors", "ModelAPIError", Kind.MALFORMED_TRANSPORT),
        ("pydantic_ai.models.openai._chat_model", "ModelAPIError", Kind.SERVER_ERROR),
        ("pydantic_ai.models.openai._chat_model", "UnexpectedModelBehavior", Kind.MALFORMED_TRANSPORT),
        ("pydantic_ai._agent_graph", "UnexpectedModelBehavior", Kind.MALFORMED_OUTPUT),
    ],
)
def test_where_a_framework_raised_it_decides_where_its_class_says_little(
    clock: VirtualClock, module: str, base: str, kind: Kind
) -> None:
    """Not of a class that derives from it, nor where the error itself says more."""
    cls = client_class("pydantic_ai", base)
    error = raised_by(module, "raise error", error=cls())
    assert kind_of(error, clock) is kind
    nearer = client_class("pydantic_ai", "ContentFilterError", cls)
    assert kind_of(raised_by(module, "raise error", error=nearer()), clock) is Kind.CONTENT_FILTER
    unheard = client_class("pydantic_ai", "Unheard", cls)
    assert kind_of(raised_by(module, "raise error", error=unheard()), clock) is BY_CLASS["pydantic_ai", base]


@pytest.mark.parametrize("base", [ValueError, OSError, IndexError])
def test_a_class_of_ones_own_is_known_by_its_status(clock: VirtualClock, base: type[Exception]) -> None:
    """Whatever common class it derives from, and wherever it is raised."""
    error: Any = client_class("anysdk", "APIStatusError", base)()
    error.status_code = 503
    assert kind_of(raised_by("myapp", "raise error", error=error), clock) is Kind.OVERLOADED
    assert kind_of(raised_by("anysdk", "raise error", error=error), clock) is Kind.OVERLOADED


def test_requests_says_in_the_context_what_broke(clock: VirtualClock) -> None:
    """It raises one class for a connection that broke, and for a body that stopped coming."""
    for inner, kind in (("ReadTimeoutError", Kind.TIMEOUT), ("ProtocolError", Kind.CONNECTION)):
        error = client_class("requests", "ConnectionError", OSError)()
        error.__context__ = client_class(
            "urllib3", inner, client_class("urllib3", "TimeoutError") if kind is Kind.TIMEOUT else Exception
        )()
        assert kind_of(error, clock) is kind


def test_a_value_error_of_what_the_library_called_is_not_its_own(clock: VirtualClock) -> None:
    """A scorer of one's own, called by the library, is one's own."""
    scope: dict[str, Any] = {"__name__": "sklearn.metrics", "inner": lambda: int("x")}
    exec("def read():\n    inner()", scope)
    with pytest.raises(ValueError, match="invalid literal") as caught:
        scope["read"]()
    assert kind_of(caught.value, clock) is Kind.UNCLASSIFIED


@pytest.mark.parametrize(
    ("module", "function", "raw", "kind"),
    [
        ("openai.lib._parsing", "parse", "{", Kind.MALFORMED_OUTPUT),
        ("openai.lib._parsing", "parse", "{}", Kind.SCHEMA_VIOLATION),
        ("anthropic.lib._parse", "parse", "{}", Kind.SCHEMA_VIOLATION),
        ("google.genai._common", "_from_response", "{}", Kind.MALFORMED_TRANSPORT),
        ("google.genai.models", "generate_content", "{}", Kind.BAD_REQUEST),
        ("httpx2", "read", "{}", Kind.MALFORMED_TRANSPORT),
        ("myapp", "read", "{}", Kind.SCHEMA_VIOLATION),
    ],
)
def test_pydantics_errors_in_a_client(clock: VirtualClock, module: str, function: str, raw: str, kind: Kind) -> None:
    """What `.parse()` validates is the answer; what else a client validates is not."""
    scope: dict[str, Any] = {"__name__": module, "validate": TypeAdapter(Answer).validate_json}
    exec(f"def {function}():\n    validate({raw!r})", scope)
    with pytest.raises(ValidationError) as caught:
        scope[function]()
    assert kind_of(caught.value, clock) is kind


# --- the real clients


def refused(library: Any, status: int, body: object, **headers: str) -> Exception:
    """Return what a real client raises for this response."""
    answer = httpx2.Response(
        status, json=body, headers={name.replace("_", "-"): word for name, word in headers.items()}
    )
    transport = httpx2.MockTransport(lambda _: answer)
    with httpx2.Client(transport=transport) as http:
        if library is openai:
            client = openai.OpenAI(api_key="k", max_retries=0, http_client=http)
            with pytest.raises(openai.OpenAIError) as caught:
                client.chat.completions.create(model="m", messages=[])
            return caught.value
        other = anthropic.Anthropic(api_key="k", max_retries=0, http_client=http)
        with pytest.raises(anthropic.AnthropicError) as failed:
            other.messages.create(model="m", max_tokens=1, messages=[])
        return failed.value


@pytest.mark.parametrize(
    ("library", "status", "body", "kind", "row"),
    [
        (openai, 429, {"error": {"code": "insufficient_quota"}}, Kind.QUOTA_EXHAUSTED, "code"),
        (openai, 429, {"error": {"code": "rate_limit_exceeded"}}, Kind.RATE_LIMITED, "status"),
        (openai, 404, {"error": {"code": "model_not_found"}}, Kind.NOT_FOUND, "code"),
        (openai, 404, {"error": {"message": "Invalid URL"}}, Kind.BAD_REQUEST, "status"),
        (openai, 503, {"error": {"type": "server_error"}}, Kind.OVERLOADED, "status"),
        (anthropic, 404, {"error": {"type": "not_found_error"}}, Kind.NOT_FOUND, "code"),
        (anthropic, 404, "nothing here", Kind.BAD_REQUEST, "status"),
        (
            anthropic,
            429,
            {"error": {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}},
            Kind.QUOTA_EXHAUSTED,
            "code",
        ),
        (anthropic, 529, {"error": {"type": "overloaded_error"}}, Kind.OVERLOADED, "code"),
        (anthropic, 400, {"error": {"type": "invalid_request_error"}}, Kind.BAD_REQUEST, "status"),
    ],
)
def test_what_real_clients_raise(library: Any, status: int, body: object, kind: Kind, row: str) -> None:
    """Their own classes, made of a response."""
    found = ruling_of(refused(library, status, body))
    assert found is not None
    assert (found.kind, found.basis) == (kind, row)


def test_an_error_inside_a_stream_has_no_status(clock: VirtualClock) -> None:
    """Openai raises its base class then, with the code alone."""
    request = httpx2.Request("POST", "https://example.org")
    error = openai.APIError("secret", request, body={"code": "server_error", "message": "secret"})
    assert kind_of(error, clock) is Kind.SERVER_ERROR
    assert kind_of(openai.APIError("secret", request, body=None), clock) is Kind.UNCLASSIFIED


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("httpx", "httpx"),
        ("httpx2", "httpx2"),
        ("httpcore", "httpcore"),
        ("httpcore2", "httpcore2"),
        ("requests", "requests"),
        ("urllib3.exceptions", "urllib3"),
        ("aiohttp.http_exceptions", "aiohttp"),
        ("botocore.exceptions", "botocore"),
        ("pydantic_ai.exceptions", "pydantic_ai"),
        ("langchain_core.exceptions", "langchain_core"),
        ("litellm.exceptions", "litellm"),
        ("instructor.core.exceptions", "instructor"),
        ("agents.exceptions", "agents"),
        ("onnxruntime", "onnxruntime"),
        ("sklearn.linear_model", "sklearn"),
        ("huggingface_hub.errors", "huggingface_hub"),
        ("safetensors", "safetensors"),
        ("torch", "torch"),
    ],
)
def test_every_row_names_a_class_that_is_there(module: str, package: str) -> None:
    """In the version that is installed; a row that nothing can match is dead."""
    pytest.importorskip(module)
    there: set[str] = set()
    left: list[type] = [BaseException]
    while left:
        cls = left.pop()
        left += type.__subclasses__(cls)
        home = sys.modules.get(str(cls.__module__))
        if str(cls.__module__).partition(".")[0] == package and getattr(home, cls.__name__, None) is cls:
            there.add(cls.__name__)
    rows = {*BY_CLASS, *BEFORE_STATUS, *BY_FRAME, *CAUSE_FIRST, *CONTEXT_FIRST}
    assert [name for top, name in sorted(rows) if top == package and name not in there] == []


class Told:
    """Something beside an exception's own class that knows the status."""

    status_code = 503


class MixedError(Exception, Told):
    """Has nothing of its own."""


class SlottedError(Exception):
    """Keeps its status in a slot."""

    __slots__ = ("status",)

    status: int


class PropertyError(Exception):
    """Works its status out, unless it was told."""

    @property
    def status(self) -> int:
        """Say it."""
        return 503


def test_an_attribute_is_read_wherever_the_class_keeps_it(clock: VirtualClock) -> None:
    """In another base, in a slot, or as a property."""
    slotted = SlottedError()
    slotted.status = 503
    for error in (MixedError(), slotted, PropertyError()):
        assert status_of(error) == 503
        assert kind_of(error, clock) is Kind.OVERLOADED


@pytest.mark.parametrize("library", [httpx2, httpx], ids=lambda library: library.__name__)
@pytest.mark.parametrize(
    ("status", "word", "kind"),
    [
        (400, "true", Kind.SERVER_ERROR),
        (400, "false", Kind.BAD_REQUEST),
        (400, None, Kind.BAD_REQUEST),
        (409, "false", Kind.BAD_REQUEST),
        (409, None, Kind.SERVER_ERROR),
    ],
)
def test_real_headers_say_whether_the_request_is_to_blame(
    clock: VirtualClock, library: Any, status: int, word: str | None, kind: Kind
) -> None:
    """In any case, among others."""
    told = {"Content-Type": "application/json"} | ({"X-Should-Retry": word} if word is not None else {})
    response = library.Response(status, headers=told)
    assert kind_of(client_error(response=response), clock) is kind


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


class NeitherTrueNorFalseError(TimeoutError):
    """An exception that cannot be asked whether it is there."""

    def __bool__(self) -> bool:
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


class Unhashed(type):
    """A class of classes that cannot be looked up."""

    def __hash__(cls) -> int:
        raise ZeroDivisionError

    def __eq__(cls, other: object) -> bool:
        raise ZeroDivisionError


class Unhashable(Exception, metaclass=Unhashed):  # noqa: N818 - what it is
    """An exception of such a class."""


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
        client_error(code=Hostile),
        client_error(body={"error": {"details": [Hostile(), {"violations": Hostile()}]}}),
        client_error(400, response=types.SimpleNamespace(headers=Hostile())),
        client_error(response={"Error": Hostile(), "ResponseMetadata": Hostile()}),
        Unhashable("secret"),
        NeitherTrueNorFalseError("secret"),
    ],
    ids=range(20),
)
def test_no_exception_can_break_the_classification(clock: VirtualClock, error: Exception) -> None:
    """Whatever an exception's attributes do, a failure comes out, and its message does not hold the text."""
    failure = classify(error, clock)
    assert isinstance(failure.kind, Kind)
    assert "secret" not in failure.message
    assert failure.exception is error
