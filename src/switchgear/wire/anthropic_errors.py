"""Anthropic's error bodies, both ways.

The pairing of type and status is the vendor's (docs.claude.com/en/api/errors). Bodies of another shape (HTML, a
compatible server's own) are read as for every other dialect.
"""

import re
from typing import Final

from msgspec import json

from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import openai_errors
from switchgear.wire.openai_errors import TOO_LONG_CODE, spelled
from switchgear.wire.sse import event

_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPES: Final = {status: kind for kind, status in _STATUSES.items()} | {408: "timeout_error", 503: "overloaded_error"}
_CODES: Final = {
    "invalid_request_error": "invalid_request",
    "authentication_error": "invalid_api_key",
    "billing_error": "insufficient_quota",
    "permission_error": "permission_denied",
    "not_found_error": "not_found",
    "request_too_large": "request_too_large",
    "rate_limit_error": "rate_limit_exceeded",
    "timeout_error": "upstream_timeout",
    "overloaded_error": "overloaded",
}
"""Anthropic has no codes; these are what other dialects call the same."""
TOO_LONG: Final = re.compile(
    r"prompt is too long(?:: \d|\.?$)|input length and `?max_tokens`? exceed context limit: \d"
)
"""How a message begins that tells of a context window too small: Anthropic's type for it is that of every mistake."""
_NAMES: Final = {
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "reasoning_effort": "output_config.effort",
    "response_format": "output_config.format",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
}
"""What Anthropic's clients call the fields that OpenAI's call otherwise; here and in the other dialects, only those
that some upstream refuses."""
_NO_STATUS: Final = 502


def read_error(status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
    """Read an error answer of any shape; never raises."""
    return _with_code(openai_errors.read_error(status, body, retry_after_seconds))


def read_stream_error(body: bytes) -> UpstreamRefused:
    """An error object that came under status 200: its type tells the status."""
    found = openai_errors.read_error(_NO_STATUS, body)
    status = _STATUSES.get(found.kind or "", _NO_STATUS)
    return _with_code(UpstreamRefused(found.message, status=status, kind=found.kind, param=found.param))


def _with_code(error: UpstreamRefused) -> UpstreamRefused:
    is_mistake = error.kind == "invalid_request_error"
    if is_mistake and (error.code == TOO_LONG_CODE or TOO_LONG.match(error.message)):
        code = TOO_LONG_CODE
    else:
        code = _CODES.get(error.kind or "")
    if code is not None:
        error.code = code
    return error


def write_error(error: SwitchgearError, request_id: str = "") -> bytes:
    """``{"type": "error", "error": {type, message}, "request_id"}``."""
    message, _ = spelled(error, _NAMES)
    fields: dict[str, object] = {"type": "error", "error": {"type": error_type(error), "message": message}}
    if request_id:
        fields["request_id"] = request_id
    return json.encode(fields)


def write_failure(error: SwitchgearError, request_id: str = "") -> bytes:
    """The event that makes the SDKs raise inside a stream under status 200."""
    return event(write_error(error, request_id), b"error")


def error_type(error: SwitchgearError) -> str:
    """The vendor's ``type``: the upstream's own word if it is one of Anthropic's, else by status."""
    kind = error.kind if isinstance(error, UpstreamRefused) else None
    if kind is not None and kind in _STATUSES:
        return kind
    return _TYPES.get(error.status) or ("invalid_request_error" if error.status < 500 else "api_error")
