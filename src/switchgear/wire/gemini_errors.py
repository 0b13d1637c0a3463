"""Google's error bodies, both ways: ``{"error": {code, message, status, details}}``.

The words and their HTTP statuses are those of google.rpc.Code, the details those of google/rpc/error_details.proto;
``ErrorInfo.reason`` is the machine-readable code (google.aip.dev/193) and carries ours. Some of Google's servers wrap
the object in a list. Bodies of another shape are read as for every other dialect.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

from msgspec import DecodeError, json

from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import openai_errors
from switchgear.wire.openai_errors import spelled
from switchgear.wire.sse import event

_STATUSES: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_WORDS: Final = {
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_CODES: Final = {
    "INVALID_ARGUMENT": "invalid_request",
    "UNAUTHENTICATED": "invalid_api_key",
    "PERMISSION_DENIED": "permission_denied",
    "NOT_FOUND": "not_found",
    "RESOURCE_EXHAUSTED": "rate_limit_exceeded",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "upstream_timeout",
}
_REASONS: Final = {"API_KEY_INVALID": "invalid_api_key"}
"""Reasons for which other dialects have another name."""
_TOO_LONG: Final = re.compile(r"input token count .*exceeds the maximum number of tokens")
"""Gemini has no code for it: the word is INVALID_ARGUMENT, as for everything else."""
_DAILY: Final = "PerDay"
"""In a quota's id: it is used up until tomorrow, and a retry soon cannot help."""
_TYPE: Final = "type.googleapis.com/google.rpc."
_DOMAIN: Final = "switchgear"
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)s")
_NAMES: Final = {
    "audio": "generationConfig.speechConfig",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "logprobs": "generationConfig.responseLogprobs",
    "modalities": "generationConfig.responseModalities",
    "n": "generationConfig.candidateCount",
    "output_config.effort": "generationConfig.thinkingConfig.thinkingLevel",
    "presence_penalty": "generationConfig.presencePenalty",
    "reasoning_effort": "generationConfig.thinkingConfig.thinkingLevel",
    "response_format": "generationConfig.responseMimeType",
    "seed": "generationConfig.seed",
    "service_tier": "serviceTier",
    "stop": "generationConfig.stopSequences",
    "temperature": "generationConfig.temperature",
    "thinking.budget_tokens": "generationConfig.thinkingConfig.thinkingBudget",
    "tool_choice": "toolConfig.functionCallingConfig",
    "top_k": "generationConfig.topK",
    "top_logprobs": "generationConfig.logprobs",
}
"""What Google's clients call the fields that an upstream refuses by the names of OpenAI's."""
_NO_STATUS: Final = 502

Fields = Mapping[str, object]


def read_error(status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
    """Read an error answer of any shape; never raises."""
    error = _google_error(body)
    if error is None:
        return openai_errors.read_error(status, body, retry_after_seconds)
    return _refusal(error, status, retry_after_seconds)


def read_stream_error(body: bytes) -> UpstreamRefused:
    """An error object that came under status 200: its own code is the status, else its word tells it."""
    error = _google_error(body)
    if error is None:
        return openai_errors.read_error(_NO_STATUS, body)
    code = error.get("code")
    known = isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600
    status = code if known and isinstance(code, int) else _STATUSES.get(_word(error.get("status")), _NO_STATUS)
    return _refusal(error, status, None)


def write_error(error: SwitchgearError, request_id: str = "") -> bytes:
    """The body of an error answer, with the details that Google's own clients look into."""
    details: list[Fields] = [{"@type": f"{_TYPE}ErrorInfo", "reason": error.code.upper(), "domain": _DOMAIN}]
    message, param = spelled(error, _NAMES)
    if param is not None:
        violation = {"field": param, "description": message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if error.retry_after_seconds is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{error.retry_after_seconds:g}s"})
    if request_id:
        details.append({"@type": f"{_TYPE}RequestInfo", "requestId": request_id})
    fields = {"code": error.status, "message": message, "status": error_word(error), "details": details}
    return json.encode({"error": fields})


def write_failure(error: SwitchgearError, request_id: str = "") -> bytes:
    """The event that makes the SDKs raise inside a stream under status 200."""
    return event(write_error(error, request_id))


def error_word(error: SwitchgearError) -> str:
    """Google's ``status``: the upstream's own word if it is one of Google's, else by status."""
    kind = error.kind if isinstance(error, UpstreamRefused) else None
    if kind is not None and kind in _STATUSES:
        return kind
    return _WORDS.get(error.status) or ("INVALID_ARGUMENT" if error.status < 500 else "INTERNAL")


def _google_error(body: bytes) -> Fields | None:
    try:
        found: object = json.decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(found, list) and found:
        found = cast("list[object]", found)[0]
    error = cast("Fields", found).get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        return None
    fields = cast("Fields", error)
    return fields if isinstance(fields.get("message"), str) and isinstance(fields.get("status"), str) else None


def _refusal(error: Fields, status: int, retry_after_seconds: float | None) -> UpstreamRefused:
    message, word = _word(error.get("message")), _word(error.get("status"))
    details = list(_details(error))
    return UpstreamRefused(
        message or f"the upstream answered {status} without saying why",
        status=status,
        code=_code(word, message, details),
        kind=word or None,
        param=_param(details),
        retry_after_seconds=retry_after_seconds if retry_after_seconds is not None else _retry_delay(details),
    )


def _details(error: Fields) -> Iterator[Fields]:
    details = error.get("details")
    for detail in cast("list[object]", details) if isinstance(details, list) else ():
        if isinstance(detail, dict):
            yield cast("Fields", detail)


def _code(word: str, message: str, details: list[Fields]) -> str | None:
    quotas = [_word(item.get("quotaId")) for detail in details for item in _items(detail, "violations")]
    if any(_DAILY in quota for quota in quotas):
        return "insufficient_quota"
    if word == "INVALID_ARGUMENT" and _TOO_LONG.search(message):
        return "context_length_exceeded"
    reason = next((reason for detail in details if (reason := _word(detail.get("reason")))), "")
    if reason:
        return _REASONS.get(reason, reason.lower())
    return _CODES.get(word)


def _param(details: list[Fields]) -> str | None:
    fields = (_word(item.get("field")) for detail in details for item in _items(detail, "fieldViolations"))
    return next((field for field in fields if field), None)


def _retry_delay(details: list[Fields]) -> float | None:
    delays = (_DURATION.fullmatch(_word(detail.get("retryDelay"))) for detail in details)
    return next((float(delay[1]) for delay in delays if delay is not None), None)


def _items(detail: Fields, name: str) -> list[Fields]:
    found = detail.get(name)
    items = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("Fields", item) for item in items if isinstance(item, dict)]


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
