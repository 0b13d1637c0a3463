"""Errors of Amazon's REST-JSON services, both ways: ``{"message": ...}`` under a status, and a class by name.

The class stands in the header ``x-amzn-errortype``, and for some services in ``__type`` or ``code`` of the body, where
Amazon's SDKs look as well (smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html). Where only the header has it, the
status tells the class. Statuses are those of the service's own model.
"""

import re
from typing import Final, cast

from msgspec import DecodeError, json

from switchgear.kernel.errors import SwitchgearError, UpstreamError, UpstreamRefused
from switchgear.wire import openai_errors
from switchgear.wire.anthropic_errors import TOO_LONG
from switchgear.wire.event_stream import Message, write_message
from switchgear.wire.openai_errors import TOO_LONG_CODE, spelled

STATUSES: Final = {
    "ValidationException": 400,
    "ServiceQuotaExceededException": 400,
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "UnrecognizedClientException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
    "ModelNotReadyException": 429,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
_CLASSES: Final = {
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    529: "ServiceUnavailableException",
}
_CODES: Final = {
    "ValidationException": "invalid_request",
    "ServiceQuotaExceededException": "insufficient_quota",
    "AccessDeniedException": "permission_denied",
    "ExpiredTokenException": "invalid_api_key",
    "InvalidSignatureException": "invalid_api_key",
    "UnrecognizedClientException": "invalid_api_key",
    "ResourceNotFoundException": "model_not_found",
    "ModelTimeoutException": "upstream_timeout",
    "ModelNotReadyException": "overloaded",
    "ThrottlingException": "rate_limit_exceeded",
    "ServiceUnavailableException": "overloaded",
}
"""What other dialects call the same; the classes are in ``kind``."""
_MISTAKE: Final = "ValidationException"
_OF_THE_MODEL: Final = "The model returned the following errors: "
_TOO_LONG: Final = re.compile(
    r"Input is too long for requested model|Input Tokens Exceeded: |Too many input tokens\. Max input tokens: \d"
    r"|This model's maximum context length is \d"
)
"""How a message begins that tells of a context window too small, which has no class of its own: Bedrock's own words,
Nova's, Titan's, and those of the models that vLLM serves. Anthropic's models have Anthropic's."""
_NAMES: Final = {
    "metadata": "requestMetadata",
    "output_config.effort": "outputConfig.effort",
    "reasoning_effort": "outputConfig.effort",
    "response_format": "outputConfig.textFormat",
    "response_format.json_schema.description": "outputConfig.textFormat.structure.jsonSchema.description",
    "service_tier": "serviceTier",
    "stop": "inferenceConfig.stopSequences",
    "temperature": "inferenceConfig.temperature",
    "thinking.budget_tokens": "additionalModelRequestFields.thinking.budget_tokens",
    "tool_choice": "toolConfig.toolChoice",
    "top_k": "additionalModelRequestFields.top_k",
}
"""What Amazon's clients call the fields that an upstream refuses by the names of OpenAI's."""
_IN_STREAM: Final = frozenset(
    (
        "InternalServerException",
        "ModelStreamErrorException",
        "ServiceUnavailableException",
        "ThrottlingException",
        "ValidationException",
    )
)
"""The only classes that a stream of Converse may end with."""
_MODEL_FAILED: Final = 424
_NO_STATUS: Final = 502

Fields = dict[str, object]


def read_error(status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
    """Read an error answer of any shape; never raises."""
    found = openai_errors.read_error(status, body, retry_after_seconds)
    return _refused(found.message, status, _named_class(body), retry_after_seconds)


def read_hidden_error(body: bytes) -> UpstreamRefused:
    """An error object that came under status 200: its class tells the status."""
    found = openai_errors.read_error(_NO_STATUS, body)
    kind = _named_class(body)
    return _refused(found.message, STATUSES.get(kind, _NO_STATUS), kind, None)


def read_exception(message: Message) -> UpstreamRefused:
    """A message of the type ``exception`` (a class of the service's own) or ``error`` (all others) in a stream."""
    kind = message.word(":exception-type") or message.word(":error-code")
    kind = kind[:1].upper() + kind[1:]
    said = message.word(":error-message") or openai_errors.read_error(_NO_STATUS, message.payload).message
    return _refused(said, STATUSES.get(kind, _NO_STATUS), kind, None)


def _refused(message: str, status: int, kind: str, retry_after_seconds: float | None) -> UpstreamRefused:
    kind_or_usual = kind or _class_of(status)
    code = TOO_LONG_CODE if _is_too_long(kind_or_usual, message) else _CODES.get(kind_or_usual)
    error = UpstreamRefused(
        message, status=status, code=code, kind=kind or None, retry_after_seconds=retry_after_seconds
    )
    # It is the model that failed, under a status that elsewhere means a mistake of the caller's.
    error.retryable = error.retryable or status == _MODEL_FAILED
    return error


def _is_too_long(kind: str, message: str) -> bool:
    said = message.removeprefix(_OF_THE_MODEL)
    return kind == _MISTAKE and (_TOO_LONG.match(said) or TOO_LONG.match(said)) is not None


def _named_class(body: bytes) -> str:
    """The class that a body names, without its namespace; empty when it names none."""
    try:
        found: object = json.decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    fields = cast("Fields", found) if isinstance(found, dict) else {}
    named = fields.get("__type") or fields.get("code")
    return named.partition(":")[0].rpartition("#")[2] if isinstance(named, str) else ""


def _class_of(status: int) -> str:
    return _CLASSES.get(status) or ("ValidationException" if status < 500 else "InternalServerException")


def error_class(error: SwitchgearError) -> str:
    """The class of an error: the upstream's own word if it is one of Amazon's, else by status."""
    kind = error.kind if isinstance(error, UpstreamRefused) else None
    if kind in STATUSES:
        return kind
    return _class_of(error.status)


def write_error(error: SwitchgearError) -> bytes:
    """The body of an error answer; the class stands in it for those that do not see the header."""
    message, _ = spelled(error, _NAMES)
    return json.encode({"__type": error_class(error), "message": message})


def write_failure(error: SwitchgearError) -> bytes:
    """The message that makes the SDKs raise inside a stream under status 200."""
    kind = error_class(error)
    if isinstance(error, UpstreamError) and (kind not in _IN_STREAM or not isinstance(error, UpstreamRefused)):
        kind = "ModelStreamErrorException"
    elif kind not in _IN_STREAM:
        kind = "InternalServerException"
    headers = {
        ":exception-type": kind[:1].lower() + kind[1:],
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return write_message(headers, json.encode({"message": error.message}))
