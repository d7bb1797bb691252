"""
What is known of exceptions, as data: no rule is here but in these tables, no logic but in `aiguard.classification`.

A class is named by its top package and its own name, so that no library is imported to be recognised, and a class that
moves inside its package stays known. Rows say what a library's own documentation or source says; where only the text of
a message could tell two kinds apart, there is no row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

_K = FailureKind

ClassKey: TypeAlias = tuple[str, str]
"""Top package and class name."""


def _keyed(packages: Mapping[str, Mapping[str, _K]]) -> dict[ClassKey, _K]:
    return {(package, name): kind for package, rows in packages.items() for name, kind in rows.items()}


# --- classes

_HTTP_ERRORS: Final = {
    "BadRequestError": _K.BAD_REQUEST,
    "AuthenticationError": _K.AUTH,
    "PermissionDeniedError": _K.AUTH,
    "NotFoundError": _K.BAD_REQUEST,
    "ConflictError": _K.SERVER_ERROR,
    "UnprocessableEntityError": _K.BAD_REQUEST,
    "RateLimitError": _K.RATE_LIMITED,
    "InternalServerError": _K.SERVER_ERROR,
    "APITimeoutError": _K.TIMEOUT,
    "APIConnectionError": _K.CONNECTION,
    "APIResponseValidationError": _K.MALFORMED_TRANSPORT,
}
"""What openai and anthropic, generated from one template, have in common."""

_HTTPCORE: Final = {
    "TimeoutException": _K.TIMEOUT,
    "NetworkError": _K.CONNECTION,
    "ProtocolError": _K.CONNECTION,
    "ProxyError": _K.CONNECTION,
    "UnsupportedProtocol": _K.BAD_REQUEST,
}

_HTTPX: Final = _HTTPCORE | {
    "TransportError": _K.CONNECTION,
    "DecodingError": _K.MALFORMED_TRANSPORT,
    "InvalidURL": _K.BAD_REQUEST,
}

BEFORE_STATUS: Final = _keyed(
    {
        "aiohttp": {  # all with an invented status 400
            "ContentLengthError": _K.CONNECTION,
            "HttpProcessingError": _K.MALFORMED_TRANSPORT,
        },
        "google": {"NotFound": _K.NOT_FOUND},  # google.api_core: of an API that said so in its own words
        "huggingface_hub": {
            "GatedRepoError": _K.AUTH,
            "RepositoryNotFoundError": _K.NOT_FOUND,  # comes with 401, so that nobody learns of private ones
            "RevisionNotFoundError": _K.NOT_FOUND,
            "RemoteEntryNotFoundError": _K.NOT_FOUND,
        },
        "langchain_core": {"ContextOverflowError": _K.CONTEXT_LENGTH, "ModelNotFoundError": _K.NOT_FOUND},
        "litellm": {
            "APIConnectionError": _K.UNCLASSIFIED,  # whatever it could not map; always with status 500
            "BudgetExceededError": _K.QUOTA_EXHAUSTED,
            "ContentPolicyViolationError": _K.CONTENT_FILTER,
            "ContextWindowExceededError": _K.CONTEXT_LENGTH,
            "JSONSchemaValidationError": _K.SCHEMA_VIOLATION,
            "APIResponseValidationError": _K.MALFORMED_TRANSPORT,
            "NotFoundError": _K.NOT_FOUND,
        },
        "pydantic_ai": {
            "ModelContextWindowExceededError": _K.CONTEXT_LENGTH,
            "ModelNotFoundError": _K.NOT_FOUND,
            "ModelAuthenticationError": _K.AUTH,
            "ModelQuotaExceededError": _K.QUOTA_EXHAUSTED,
            "ModelRateLimitError": _K.RATE_LIMITED,
            "ModelOverloadedError": _K.OVERLOADED,
        },
    }
)
"""Classes that know more than the HTTP status they carry. The first match along the MRO decides."""

BY_CLASS: Final = _keyed(
    {
        "builtins": {
            "TimeoutError": _K.TIMEOUT,
            "ConnectionError": _K.CONNECTION,
            "OSError": _K.CONNECTION,
            # what is wrong with a file says nothing of a connection
            "FileExistsError": _K.UNCLASSIFIED,
            "FileNotFoundError": _K.UNCLASSIFIED,
            "IsADirectoryError": _K.UNCLASSIFIED,
            "NotADirectoryError": _K.UNCLASSIFIED,
            "PermissionError": _K.UNCLASSIFIED,
        },
        "asyncio": {"IncompleteReadError": _K.CONNECTION},
        "concurrent": {"BrokenExecutor": _K.WORKER_CRASHED},
        "http": {"HTTPException": _K.CONNECTION},
        # --- HTTP and RPC
        "httpx": _HTTPX,
        "httpx2": _HTTPX | {"SSEError": _K.MALFORMED_TRANSPORT},
        "httpcore": _HTTPCORE,
        "httpcore2": _HTTPCORE,
        "aiohttp": {
            "ServerTimeoutError": _K.TIMEOUT,
            "ClientConnectionError": _K.CONNECTION,
            "ClientPayloadError": _K.MALFORMED_TRANSPORT,
            "ContentTypeError": _K.MALFORMED_TRANSPORT,
            "InvalidURL": _K.BAD_REQUEST,
            "NonHttpUrlClientError": _K.BAD_REQUEST,
        },
        "requests": {
            "Timeout": _K.TIMEOUT,
            "ConnectTimeout": _K.TIMEOUT,  # is a ConnectionError first
            "ConnectionError": _K.CONNECTION,
            "ChunkedEncodingError": _K.CONNECTION,
            "ContentDecodingError": _K.MALFORMED_TRANSPORT,
            "JSONDecodeError": _K.MALFORMED_TRANSPORT,
            "InvalidHeader": _K.BAD_REQUEST,
            "InvalidJSONError": _K.BAD_REQUEST,
            "InvalidSchema": _K.BAD_REQUEST,
            "InvalidURL": _K.BAD_REQUEST,
            "MissingSchema": _K.BAD_REQUEST,
        },
        "urllib3": {
            "TimeoutError": _K.TIMEOUT,
            "NewConnectionError": _K.CONNECTION,  # is a ConnectTimeoutError by its bases
            "MaxRetryError": _K.CONNECTION,
            "ProtocolError": _K.CONNECTION,
            "ProxyError": _K.CONNECTION,
            "SSLError": _K.CONNECTION,
            "PoolError": _K.CONNECTION,
            "DecodeError": _K.MALFORMED_TRANSPORT,
            "LocationValueError": _K.BAD_REQUEST,
        },
        "websockets": {"ConnectionClosed": _K.CONNECTION},
        "botocore": {
            "ConnectTimeoutError": _K.TIMEOUT,
            "ReadTimeoutError": _K.TIMEOUT,
            "ConnectionError": _K.CONNECTION,
            "HTTPClientError": _K.CONNECTION,
            "IncompleteReadError": _K.CONNECTION,
            "ChecksumError": _K.MALFORMED_TRANSPORT,
            "CredentialRetrievalError": _K.AUTH,
            "LoginError": _K.AUTH,
            "NoAuthTokenError": _K.AUTH,
            "NoCredentialsError": _K.AUTH,
            "PartialCredentialsError": _K.AUTH,
            "SSOError": _K.AUTH,
            "TokenRetrievalError": _K.AUTH,
            "NoRegionError": _K.BAD_REQUEST,
            "ParamValidationError": _K.BAD_REQUEST,
            "ValidationError": _K.BAD_REQUEST,
        },
        # --- providers
        "openai": _HTTP_ERRORS
        | {
            "LengthFinishReasonError": _K.TRUNCATED,
            "ContentFilterFinishReasonError": _K.CONTENT_FILTER,
            "SubjectTokenProviderError": _K.AUTH,
            "WebSocketConnectionClosedError": _K.CONNECTION,
        },
        "anthropic": _HTTP_ERRORS
        | {
            "PaymentRequiredError": _K.QUOTA_EXHAUSTED,
            "RequestTimeoutError": _K.TIMEOUT,
            "PreconditionFailedError": _K.BAD_REQUEST,
            "ContentTooLargeError": _K.BAD_REQUEST,
            "RequestHeaderFieldsTooLargeError": _K.BAD_REQUEST,
            "ClientClosedRequestError": _K.BAD_REQUEST,
            "HTTPNotImplementedError": _K.SERVER_ERROR,
            "ServiceUnavailableError": _K.OVERLOADED,
            "GatewayTimeoutError": _K.TIMEOUT,
            "OverloadedError": _K.OVERLOADED,
            "CredentialsError": _K.AUTH,
        },
        "google": {
            "ServerError": _K.SERVER_ERROR,
            "ClientError": _K.BAD_REQUEST,
            "UnknownApiResponseError": _K.MALFORMED_TRANSPORT,
            # google.auth
            "DefaultCredentialsError": _K.AUTH,
            "RefreshError": _K.AUTH,
            "TransportError": _K.CONNECTION,
            "TimeoutError": _K.TIMEOUT,
            # google.api_core
            "RetryError": _K.TIMEOUT,
            "DeadlineExceeded": _K.TIMEOUT,
            "GatewayTimeout": _K.TIMEOUT,
            "ResourceExhausted": _K.RATE_LIMITED,
            "TooManyRequests": _K.RATE_LIMITED,
            "ServiceUnavailable": _K.OVERLOADED,
            "Unauthenticated": _K.AUTH,
            "Unauthorized": _K.AUTH,
            "PermissionDenied": _K.AUTH,
            "Forbidden": _K.AUTH,
            "InternalServerError": _K.SERVER_ERROR,
            "Conflict": _K.SERVER_ERROR,
            "InvalidArgument": _K.BAD_REQUEST,
        },
        "huggingface_hub": {
            "EntryNotFoundError": _K.NOT_FOUND,
            "LocalEntryNotFoundError": _K.CONNECTION,  # not in the cache, and nowhere else to be reached
            "OverloadedError": _K.OVERLOADED,
            "HFValidationError": _K.BAD_REQUEST,
        },
        # --- frameworks
        "litellm": {
            "Timeout": _K.TIMEOUT,
            "ServiceUnavailableError": _K.OVERLOADED,
            "BadGatewayError": _K.SERVER_ERROR,
            "APIError": _K.SERVER_ERROR,
            "PaymentRequiredError": _K.QUOTA_EXHAUSTED,
            "UnsupportedParamsError": _K.BAD_REQUEST,
            "GuardrailRaisedException": _K.CONTENT_FILTER,
            "BlockedPiiEntityError": _K.CONTENT_FILTER,
            "RateLimitError": _K.RATE_LIMITED,
            "InternalServerError": _K.SERVER_ERROR,
            "AuthenticationError": _K.AUTH,
            "PermissionDeniedError": _K.AUTH,
            "BadRequestError": _K.BAD_REQUEST,
            "UnprocessableEntityError": _K.BAD_REQUEST,
        },
        "langchain_core": {
            "OutputParserException": _K.MALFORMED_OUTPUT,
            "ModelTimeoutError": _K.TIMEOUT,
            "ModelConnectionError": _K.CONNECTION,
            "ModelRateLimitError": _K.RATE_LIMITED,
            "ModelAPIError": _K.SERVER_ERROR,
            "ModelAuthenticationError": _K.AUTH,
            "ModelPermissionDeniedError": _K.AUTH,
            "ModelInvalidRequestError": _K.BAD_REQUEST,
        },
        "langchain": {
            "StructuredOutputValidationError": _K.SCHEMA_VIOLATION,
            "MultipleStructuredOutputsError": _K.AMBIGUOUS_OUTPUT,
            "PIIDetectionError": _K.CONTENT_FILTER,
        },
        "langchain_openai": {"OpenAIRefusalError": _K.REFUSAL},
        "llama_index": {"OutputParserException": _K.MALFORMED_OUTPUT},
        "pydantic_ai": {
            "ModelTimeoutError": _K.TIMEOUT,
            "ModelRequestTimeout": _K.TIMEOUT,
            "RunTimedOut": _K.TIMEOUT,
            "ModelConnectionError": _K.CONNECTION,
            "ModelUnavailableError": _K.OVERLOADED,
            "ModelServerError": _K.SERVER_ERROR,
            "ModelAPIError": _K.SERVER_ERROR,
            "ModelRequestRejectedError": _K.BAD_REQUEST,
            "ContentFilterError": _K.CONTENT_FILTER,
            "OutputTokenLimitExceeded": _K.TRUNCATED,
            "UnexpectedModelBehavior": _K.MALFORMED_OUTPUT,
            "ConcurrencyLimitExceeded": _K.BULKHEAD_FULL,
            "RunCancelled": _K.BAD_REQUEST,  # the caller's doing: neither worth a retry nor a sign of ill health
            "UsageLimitExceeded": _K.BAD_REQUEST,
            "UserError": _K.BAD_REQUEST,
        },
        "instructor": {
            "IncompleteOutputException": _K.TRUNCATED,
            "InstructorRetryException": _K.MALFORMED_OUTPUT,
            "ResponseParsingError": _K.MALFORMED_OUTPUT,
            "ValidationError": _K.SCHEMA_VIOLATION,
            "AsyncValidationError": _K.SCHEMA_VIOLATION,
            "ConfigurationError": _K.BAD_REQUEST,
            "ModeError": _K.BAD_REQUEST,
            "ClientError": _K.BAD_REQUEST,
        },
        "agents": {
            "ModelBehaviorError": _K.MALFORMED_OUTPUT,
            "ModelRefusalError": _K.REFUSAL,
            "InputGuardrailTripwireTriggered": _K.CONTENT_FILTER,
            "OutputGuardrailTripwireTriggered": _K.CONTENT_FILTER,
            "ToolInputGuardrailTripwireTriggered": _K.CONTENT_FILTER,
            "ToolOutputGuardrailTripwireTriggered": _K.CONTENT_FILTER,
            "UserError": _K.BAD_REQUEST,
        },
        # --- models in the process
        "onnxruntime": {
            "InvalidArgument": _K.BAD_REQUEST,
            "NoSuchFile": _K.NOT_FOUND,
            "NoModel": _K.NOT_FOUND,
            "InvalidProtobuf": _K.NOT_FOUND,
            "DeviceReset": _K.SERVER_ERROR,
            "EPFail": _K.SERVER_ERROR,
            "EngineError": _K.SERVER_ERROR,
            "Fail": _K.SERVER_ERROR,
            "RuntimeException": _K.SERVER_ERROR,
        },
        "sklearn": {"NotFittedError": _K.NOT_FOUND, "InvalidParameterError": _K.BAD_REQUEST},
        "safetensors": {"SafetensorError": _K.NOT_FOUND},
        "torch": {"OutOfMemoryError": _K.OVERLOADED, "AcceleratorError": _K.SERVER_ERROR},
    }
)
"""Classes that count where no code of the body and no HTTP status decides. The first match along the MRO decides."""

CAUSE_FIRST: Final = frozenset(
    {
        ("aiohttp", "ClientPayloadError"),
        ("aiohttp", "ClientResponseError"),  # an answer that was no HTTP has an invented status
        ("builtins", "OSError"),
        ("google", "RetryError"),
        ("instructor", "InstructorRetryException"),
        ("langchain_core", "OutputParserException"),
        ("llama_index", "OutputParserException"),
        ("pydantic_ai", "ModelAPIError"),
        ("pydantic_ai", "UnexpectedModelBehavior"),
        ("urllib3", "MaxRetryError"),
    }
)
"""Classes that wrap what they met: what it was knows more, if anything is known of it."""

CONTEXT_FIRST: Final = frozenset(
    {
        ("litellm", "APIConnectionError"),
        ("requests", "ConnectionError"),  # also of a body that stopped coming: urllib3's ReadTimeoutError
    }
)
"""Classes that do the same, and were raised while it was handled instead of from it."""

# --- what the body of an error says

BY_CODE: Final[dict[str, _K]] = {
    # nothing is left to spend: openai and compatible
    "insufficient_quota": _K.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": _K.QUOTA_EXHAUSTED,
    "credit_balance_exhausted": _K.QUOTA_EXHAUSTED,
    "organization_spend_limit_exceeded": _K.QUOTA_EXHAUSTED,
    "organization_usage_limit_exceeded": _K.QUOTA_EXHAUSTED,
    "project_spend_limit_exceeded": _K.QUOTA_EXHAUSTED,
    "exceeded_current_quota_error": _K.QUOTA_EXHAUSTED,
    # anthropic
    "billing_error": _K.QUOTA_EXHAUSTED,
    "contract_spend_limit_reached": _K.QUOTA_EXHAUSTED,
    "enforced_spend_limit_reached": _K.QUOTA_EXHAUSTED,
    "linked_organization_billing_unavailable": _K.QUOTA_EXHAUSTED,
    "linked_organization_spend_limit_reached": _K.QUOTA_EXHAUSTED,
    # Google, AWS
    "BILLING_DISABLED": _K.QUOTA_EXHAUSTED,
    "ServiceQuotaExceededException": _K.QUOTA_EXHAUSTED,
    # the prompt
    "context_length_exceeded": _K.CONTEXT_LENGTH,
    "exceed_context_size_error": _K.CONTEXT_LENGTH,
    "content_filter": _K.CONTENT_FILTER,
    "content_policy_violation": _K.CONTENT_FILTER,
    "moderation_blocked": _K.CONTENT_FILTER,
    "ResponsibleAIPolicyViolation": _K.CONTENT_FILTER,
    # the model
    "model_not_found": _K.NOT_FOUND,
    "DeploymentNotFound": _K.NOT_FOUND,
    "not_found_error": _K.NOT_FOUND,
    "NotFoundError": _K.NOT_FOUND,
    "NOT_FOUND": _K.NOT_FOUND,
    "ResourceNotFoundException": _K.NOT_FOUND,
    # anthropic: what else may not be found, with the type `not_found_error`
    "environment_not_found": _K.BAD_REQUEST,
    "file_expired": _K.BAD_REQUEST,
    "rbac_group_not_found": _K.BAD_REQUEST,
    "rbac_role_not_found": _K.BAD_REQUEST,
    "thread_not_found": _K.BAD_REQUEST,
    "user_profile_not_found": _K.BAD_REQUEST,
    # too much at once
    "overloaded": _K.OVERLOADED,
    "overloaded_error": _K.OVERLOADED,
    "server_is_overloaded": _K.OVERLOADED,
    "service_unavailable": _K.OVERLOADED,
    "service_unavailable_error": _K.OVERLOADED,
    "ModelNotReadyException": _K.OVERLOADED,
    "ServiceUnavailableException": _K.OVERLOADED,
    "serviceUnavailableException": _K.OVERLOADED,
    # AWS: with statuses that say otherwise, and without one inside a stream
    "ThrottlingException": _K.RATE_LIMITED,
    "throttlingException": _K.RATE_LIMITED,
    "TooManyRequestsException": _K.RATE_LIMITED,
    "ModelErrorException": _K.SERVER_ERROR,
    "ModelStreamErrorException": _K.SERVER_ERROR,
    "modelStreamErrorException": _K.SERVER_ERROR,
    "internalServerException": _K.SERVER_ERROR,
    "ModelTimeoutException": _K.TIMEOUT,
    "modelTimeoutException": _K.TIMEOUT,
    "validationException": _K.BAD_REQUEST,
    # the key
    "API_KEY_INVALID": _K.AUTH,
    "invalid_api_key": _K.AUTH,
    "ExpiredTokenException": _K.AUTH,
    "InvalidSignatureException": _K.AUTH,
    "UnrecognizedClientException": _K.AUTH,
}
"""Codes, types and reasons that know more than the HTTP status beside them."""

BY_CODE_ALONE: Final[dict[str, _K]] = {
    # openai, anthropic
    "rate_limit_error": _K.RATE_LIMITED,
    "rate_limit_exceeded": _K.RATE_LIMITED,
    "too_many_requests": _K.RATE_LIMITED,
    "server_error": _K.SERVER_ERROR,
    "internal_error": _K.SERVER_ERROR,
    "api_error": _K.SERVER_ERROR,
    "timeout_error": _K.TIMEOUT,
    "authentication_error": _K.AUTH,
    "permission_error": _K.AUTH,
    "invalid_request_error": _K.BAD_REQUEST,
    # Google's, and those of gRPC
    "RESOURCE_EXHAUSTED": _K.RATE_LIMITED,
    "UNAVAILABLE": _K.OVERLOADED,
    "DEADLINE_EXCEEDED": _K.TIMEOUT,
    "UNAUTHENTICATED": _K.AUTH,
    "PERMISSION_DENIED": _K.AUTH,
    "INTERNAL": _K.SERVER_ERROR,
    "UNKNOWN": _K.SERVER_ERROR,
    "ABORTED": _K.SERVER_ERROR,
    "DATA_LOSS": _K.SERVER_ERROR,
    "ALREADY_EXISTS": _K.BAD_REQUEST,
    "FAILED_PRECONDITION": _K.BAD_REQUEST,
    "INVALID_ARGUMENT": _K.BAD_REQUEST,
    "OUT_OF_RANGE": _K.BAD_REQUEST,
    "UNIMPLEMENTED": _K.BAD_REQUEST,
}
"""Codes that count where there is no HTTP status of an error: inside a stream, or over gRPC."""

DAILY_QUOTA: Final = "PerDay"
"""What a `quotaId` of Google's `QuotaFailure` holds where a day's quota is used up: waiting for minutes is no use."""

BY_CODE[DAILY_QUOTA] = _K.QUOTA_EXHAUSTED

# --- HTTP

BY_STATUS: Final[dict[int, _K]] = {
    401: _K.AUTH,
    402: _K.QUOTA_EXHAUSTED,
    403: _K.AUTH,
    408: _K.TIMEOUT,
    409: _K.SERVER_ERROR,
    429: _K.RATE_LIMITED,
    503: _K.OVERLOADED,
    504: _K.TIMEOUT,
    529: _K.OVERLOADED,
}
"""HTTP statuses that are not simply the caller's (4xx) or the server's (5xx) fault."""

# --- where it was raised

_HTTP: Final = frozenset({"aiohttp", "botocore", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3"})

CLIENTS: Final = _HTTP | {"anthropic", "google", "grpc", "httpx_sse", "litellm", "openai"}
"""Packages whose frame in a traceback says that it was the transport that could not be read."""

_MODELS: Final = frozenset(
    {"joblib", "onnxruntime", "safetensors", "sentence_transformers", "sklearn", "torch", "transformers"}
)

_CHECKS_INPUT: Final = frozenset(
    {"anthropic._base_client", "onnxruntime", "sentence_transformers", "sklearn", "transformers"}
)


class FrameRow(NamedTuple):
    """
    What an exception of a common class means where it was raised in certain packages.

    Attributes:
        where: What these packages are.
        packages: A frame of one of them stands in the traceback.
        kind: What it means then.
        otherwise: What it means elsewhere; `None` leaves that to the other tables.
        innermost: Only the last frame counts: the package itself raised it, and nothing that it called.
        exactly: It holds for the class alone, and for none that derives from it.
    """

    where: str
    packages: frozenset[str]
    kind: _K
    otherwise: _K | None = None
    innermost: bool = False
    exactly: bool = False


BY_FRAME: Final[dict[ClassKey, FrameRow]] = {
    ("json", "JSONDecodeError"): FrameRow("a client library", CLIENTS, _K.MALFORMED_TRANSPORT, _K.MALFORMED_OUTPUT),
    ("builtins", "UnicodeDecodeError"): FrameRow(
        "a client library", CLIENTS, _K.MALFORMED_TRANSPORT, _K.MALFORMED_OUTPUT
    ),
    ("builtins", "RecursionError"): FrameRow("a client library", CLIENTS, _K.MALFORMED_TRANSPORT),
    ("builtins", "FileNotFoundError"): FrameRow("a library of models", _MODELS, _K.NOT_FOUND, _K.UNCLASSIFIED),
    ("builtins", "PermissionError"): FrameRow("a library of models", _MODELS, _K.AUTH, _K.UNCLASSIFIED),
    ("builtins", "ValueError"): FrameRow(
        "a library that checks its input", _CHECKS_INPUT, _K.BAD_REQUEST, innermost=True
    ),
    # a token that the model does not know, or the first one after its last position
    ("builtins", "IndexError"): FrameRow("torch", frozenset({"torch"}), _K.BAD_REQUEST, innermost=True, exactly=True),
    # a file is missing, or is none of a model; what else it met is its cause
    ("builtins", "OSError"): FrameRow(
        "transformers", frozenset({"transformers"}), _K.NOT_FOUND, innermost=True, exactly=True
    ),
    # a page of HTML with status 200, as text
    ("pydantic_ai", "ModelAPIError"): FrameRow(
        "what decodes responses",
        frozenset({"pydantic_ai.models._decode_errors"}),
        _K.MALFORMED_TRANSPORT,
        innermost=True,
        exactly=True,
    ),
    ("pydantic_ai", "UnexpectedModelBehavior"): FrameRow(
        "what decodes responses",
        frozenset({"pydantic_ai.models.openai._chat_model"}),
        _K.MALFORMED_TRANSPORT,
        innermost=True,
        exactly=True,
    ),
}
"""Classes that several packages raise. A row of the other tables for a nearer class goes first."""

PYDANTIC: Final[dict[ClassKey, FrameRow]] = {
    (package, "ValidationError"): FrameRow("a client library", CLIENTS, _K.MALFORMED_TRANSPORT, _K.SCHEMA_VIOLATION)
    for package in ("pydantic", "pydantic_core")
}
"""The same of pydantic's own error; what it found to be no JSON at all is `malformed_output` instead."""

ABOUT_THE_ANSWER: Final = ("anthropic.lib.", "openai.lib.")
"""Modules of clients that read what a model wrote, as `.parse()` does: what they raise, they raise about the answer."""

PASSED_OVER: Final = frozenset({"anthropic._compat", "openai._compat"})
"""Modules that say nothing, as everything goes through them."""

READS_RESPONSE: Final = "_from_response"
"""The function of google-genai that validates a response with pydantic; everywhere else there it is the request."""
