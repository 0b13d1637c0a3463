"""Cohere's error bodies, both ways: a message, and a status that says the rest (docs.cohere.com/reference/errors).

Cohere has no codes; those here are what other dialects call the same. Status 498 means that the request or the answer
holds what is on a deny list.
"""

import re
from typing import Final, cast

from msgspec import Raw, json

from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import openai_errors
from switchgear.wire.cohere_usage import failure_reason
from switchgear.wire.json_body import as_object
from switchgear.wire.openai_errors import TOO_LONG_CODE, spelled
from switchgear.wire.sse import event

_CODES: Final = {
    400: "invalid_request",
    401: "invalid_api_key",
    402: "insufficient_quota",
    403: "permission_denied",
    404: "not_found",
    422: "invalid_request",
    429: "rate_limit_exceeded",
    498: "content_filter",
    499: "request_cancelled",
    500: "server_error",
    501: "not_implemented",
    503: "overloaded",
    504: "upstream_timeout",
}
_TOO_LONG: Final = re.compile(
    r"too many tokens: (?:the )?(?:total number of tokens|size limit exceeded|minimal context)", re.IGNORECASE
)
"""How a message begins that tells of a context window too small; the status is that of every mistake. Not so for a
limit on output that is larger than the model's, which begins with "too many tokens" as well."""
_NAMES: Final = {"stop": "stop_sequences", "thinking.budget_tokens": "thinking.token_budget", "top_k": "k"}
"""What Cohere's clients call the fields that an upstream refuses by the names of OpenAI's."""
_UNTOLD: Final = "upstream_error"
_NO_STATUS: Final = 502


def read_error(status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
    """Read an error answer of any shape; never raises."""
    found = openai_errors.read_error(status, body, retry_after_seconds)
    if found.code == _UNTOLD:
        found.code = TOO_LONG_CODE if _TOO_LONG.match(found.message) else _CODES.get(status, _UNTOLD)
    return found


def read_disguised(body: bytes) -> UpstreamRefused:
    """An error object that came under status 200; where a gateway wrote it, its code is there."""
    return openai_errors.read_error(_NO_STATUS, body)


def is_error(message: Raw) -> bool:
    """Whether the member ``message`` is an error's words, and not an answer."""
    return bytes(message).startswith(b'"')


def is_error_event(data: bytes) -> bool:
    """Whether an event of no type is an error object."""
    found = as_object(Raw(data))
    return "type" not in found and isinstance(cast("object", found.get("message")), str)


def write_error(error: SwitchgearError, request_id: str = "") -> bytes:
    """``{"id", "message"}``, and what the message alone leaves to guess: ``code`` and ``param``."""
    fields: dict[str, object] = {"id": request_id} if request_id else {}
    message, param = spelled(error, _NAMES)
    fields |= {"message": message, "code": error.code}
    if param is not None:
        fields["param"] = param
    return json.encode(fields)


def write_failure(error: SwitchgearError) -> bytes:
    """The event by which Cohere itself tells that an answer broke off; ``[DONE]`` does not follow."""
    delta = {"error": error.message, "finish_reason": failure_reason(error.status)}
    return event(json.encode({"type": "message-end", "delta": delta}), b"message-end")
