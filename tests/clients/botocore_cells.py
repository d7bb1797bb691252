"""AWS's client for Bedrock, its requests sent to the fault server."""

from __future__ import annotations

import json
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import FailureKind as K
from aiguard.testing import FaultServer, RawReply
from tests.clients.cell import ANSWER, Cell, Client

if TYPE_CHECKING:
    from collections.abc import Iterator


class Opened(NamedTuple):
    """A client that waits long, one that gives up soon, and one without credentials."""

    client: Any
    hasty: Any
    nobody: Any


@contextmanager
def opened(server: FaultServer) -> Iterator[Opened]:
    """Yield clients, their own retries off."""
    config_of = import_module("botocore.config").Config
    session_of = import_module("botocore.session").Session

    def to_the_server(request: Any, **_: Any) -> None:
        request.url = f"{server.openai_url}/chat/completions"

    def client(patience: float, **credentials: Any) -> Any:
        config = config_of(retries={"total_max_attempts": 1}, read_timeout=patience, proxies={})
        session = session_of()
        if not credentials:
            session.get_component("credential_provider").providers.clear()
        made = session.create_client(
            "bedrock-runtime", region_name="us-east-1", endpoint_url=server.url, config=config, **credentials
        )
        made.meta.events.register("before-sign.bedrock-runtime.*", to_the_server)
        return made

    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    clients = Opened(client(10.0, **keys), client(0.2, **keys), client(10.0))
    yield clients
    for one in clients:
        one.close()


def invoke(it: Opened, model: str, patience: float) -> Any:
    """Return an answer of the contract where the model answered."""
    client = it.hasty if patience < 1 else it.client
    client.invoke_model(modelId="m", body=json.dumps({"model": model}))["body"].read()
    return ANSWER


def without_credentials(it: Opened, model: str, patience: float) -> Any:  # noqa: ARG001 - nothing is sent
    """Ask without any."""
    it.nobody.invoke_model(modelId="m", body=b"{}")


def without_parameters(it: Opened, model: str, patience: float) -> Any:  # noqa: ARG001 - nothing is sent
    """Ask for no model."""
    it.client.invoke_model(body=b"{}")


def error(status: int, code: str) -> RawReply:
    """Return an error in AWS's form."""
    return RawReply(status, {"message": ""}, headers={"x-amzn-errortype": code})


def _errors() -> Iterator[Cell]:
    for kind, status, code, raised in (
        (K.TIMEOUT, 408, "ModelTimeoutException", "ModelTimeoutException"),
        (K.RATE_LIMITED, 429, "ThrottlingException", "ThrottlingException"),
        (K.QUOTA_EXHAUSTED, 400, "ServiceQuotaExceededException", "ServiceQuotaExceededException"),
        (K.OVERLOADED, 429, "ModelNotReadyException", "ModelNotReadyException"),
        (K.OVERLOADED, 503, "ServiceUnavailableException", "ServiceUnavailableException"),
        (K.SERVER_ERROR, 424, "ModelErrorException", "ModelErrorException"),
        (K.SERVER_ERROR, 500, "InternalServerException", "InternalServerException"),
        (K.AUTH, 403, "AccessDeniedException", "AccessDeniedException"),
        (K.AUTH, 403, "ExpiredTokenException", "ClientError"),
        (K.NOT_FOUND, 404, "ResourceNotFoundException", "ResourceNotFoundException"),
        (K.BAD_REQUEST, 400, "ValidationException", "ValidationException"),
    ):
        yield Cell(kind, f"botocore.{raised}", error(status, code), invoke)


CLIENT: Final = Client(
    "botocore",
    "botocore",
    opened,
    raised=(
        Cell(K.TIMEOUT, "botocore.ReadTimeoutError", "hang-before-headers", invoke),
        Cell(K.TIMEOUT, "botocore.ReadTimeoutError", "hang-mid-body", invoke),
        Cell(K.CONNECTION, "botocore.ConnectionClosedError", "reset-before-headers", invoke),
        Cell(K.CONNECTION, "botocore.ConnectionClosedError", "cut-before-headers", invoke),
        Cell(K.CONNECTION, "botocore.ResponseStreamingError", "cut-mid-body", invoke),
        *_errors(),
        Cell(K.AUTH, "botocore.NoCredentialsError", "", without_credentials),
        Cell(K.BAD_REQUEST, "botocore.ParamValidationError", "", without_parameters),
    ),
    notes={
        K.CONTEXT_LENGTH: "only its message says so",
        K.CONTENT_FILTER: "`converse` returns it, as a `dict` that is not looked at",
        K.MALFORMED_TRANSPORT: "a body is handed on as bytes",
    },
    environments=("clients-openai2",),
)
