"""OpenAI's error bodies, both ways.

Reading takes what servers that call themselves compatible really send; writing is strict: ``message`` and ``type``
are strings, ``param`` and ``code`` strings or null, as the vendor's SDKs type them.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeGuard, cast

from msgspec import DecodeError, json

from switchgear.kernel.errors import SwitchgearError, UnsupportedField, UpstreamRefused
from switchgear.wire.json_body import excerpt

_TITLE: Final = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_MARKUP: Final = re.compile(rb"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
_MESSAGE_KEYS: Final = ("message", "Message", "detail", "error", "msg", "error_message")
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_QUOTA: Final = "insufficient_quota"
TOO_LONG_CODE: Final = "context_length_exceeded"
_TOO_LONG: Final = re.compile(
    r"(?:'max_tokens' or 'max_completion_tokens' is too large: \d+\. )?This model's maximum context length is \d"
)
"""vLLM has OpenAI's words for a prompt that is too long, but not its code: all mistakes are a BadRequestError."""
_TOO_LONG_KINDS: Final = ("exceed_context_size_error",)
"""llama.cpp's type for it, which has no code beside it."""
_BAD_REQUEST: Final = 400
_BAD_GATEWAY: Final = 502
# vLLM has no code for a prompt that is too long; it names what it measured, in its Messages API only in the text.
_MEASURED: Final = re.compile(r"\(parameter=(\w+), value=")
_MEASURED_PROMPTS: Final = ("input_tokens", "input_text")

Fields = dict[str, object]


def read_error(status: int, body: bytes, retry_after_seconds: float | None = None) -> UpstreamRefused:
    """Read an error answer of any shape; never raises."""
    found = _decoded(body)
    if found is None:
        return UpstreamRefused(_prose(status, body), status=status, retry_after_seconds=retry_after_seconds)
    return _refusal(found, status, retry_after_seconds)


def read_stream_error(error: Fields) -> UpstreamRefused:
    """An error object that came under status 200: its own integer code is the status, else 502."""
    inner = error.get("error", error)
    code = cast("Fields", inner).get("code") if isinstance(inner, dict) else None
    status = code if _is_status(code) else _BAD_GATEWAY
    return _refusal(error, status, None)


def spelled(error: SwitchgearError, words: Mapping[str, str]) -> tuple[str, str | None]:
    """The message and the field of an error; a field that no upstream can be told as the client's dialect spells it.

    Who writes requests names such fields as OpenAI's chats do; ``words`` has the client's names for them.
    """
    field = error.param
    own = words.get(field) if field is not None and isinstance(error, UnsupportedField) else None
    if own is None or field is None:
        return error.message, field
    return own + error.message.removeprefix(field), own


def write_error(error: SwitchgearError, words: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """``{"error": {message, type, param, code}}``; ``words`` as for :func:`spelled`."""
    message, param = spelled(error, words)
    fields = {"message": message, "type": error_type(error), "param": param, "code": error.code}
    return json.encode({"error": fields})


def write_failure(error: SwitchgearError) -> bytes:
    """The event that makes the SDKs raise inside a stream under status 200."""
    return b"data: %b\n\n" % write_error(error)


def is_well_formed(error: object) -> bool:
    """Whether an SDK can read this ``error`` member as it is."""
    if not isinstance(error, dict):
        return False
    fields = cast("Fields", error)
    optional = (fields.get("param"), fields.get("code"))
    return isinstance(fields.get("message"), str) and all(value is None or isinstance(value, str) for value in optional)


def error_type(error: SwitchgearError) -> str:
    """The vendor's ``type``: the upstream's own word if it gave one, else by code and status."""
    kind = error.kind if isinstance(error, UpstreamRefused) else None
    if kind:
        return kind
    if error.code == _QUOTA:
        return _QUOTA
    return _TYPES.get(error.status) or ("invalid_request_error" if error.status < 500 else "server_error")


def _is_status(code: object) -> TypeGuard[int]:
    return isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600


def _decoded(body: bytes) -> Fields | None:
    try:
        found: object = json.decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(found, list) and found:  # Google wraps the object in a list
        found = cast("list[object]", found)[0]
    if isinstance(found, str):
        return {"message": found}
    return cast("Fields", found) if isinstance(found, dict) and found else None


def _refusal(found: Fields, status: int, retry_after_seconds: float | None) -> UpstreamRefused:
    error = found.get("error")
    inner = cast("Fields", error) if isinstance(error, dict) and error else found
    message = _message(inner)
    param = _word(inner.get("param")) or _measured(message)
    code = _code(inner, status) or (TOO_LONG_CODE if _is_too_long(inner, message or "") else None)
    return UpstreamRefused(
        message or f"the upstream answered {status} without saying why",
        status=status,
        code=TOO_LONG_CODE if status == _BAD_REQUEST and param in _MEASURED_PROMPTS else code,
        kind=_word(inner.get("type")) or _word(inner.get("status")),
        param=param,
        retry_after_seconds=retry_after_seconds,
    )


def _measured(message: str | None) -> str | None:
    found = _MEASURED.search(message or "")
    return found[1] if found else None


def _message(fields: Fields) -> str | None:
    for key in _MESSAGE_KEYS:
        value = fields.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list) and value:  # FastAPI's list of what does not validate
            return "; ".join(_complaint(item) for item in cast("list[object]", value))
        if isinstance(value, dict) and value:
            return _message(cast("Fields", value))
    return None


def _complaint(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    fields = cast("Fields", item)
    location = fields.get("loc")
    place = ".".join(str(step) for step in cast("list[object]", location)) if isinstance(location, list) else ""
    message = _message(fields) or "invalid"
    return f"{place}: {message}" if place else message


def _code(fields: Fields, status: int) -> str | None:
    code = fields.get("code")
    if isinstance(code, int) and not isinstance(code, bool) and code != status:
        return str(code)
    return _word(code) or (_QUOTA if fields.get("type") == _QUOTA else _CODES.get(status))


def _is_too_long(fields: Fields, message: str) -> bool:
    return fields.get("type") in _TOO_LONG_KINDS or _TOO_LONG.match(message) is not None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _prose(status: int, body: bytes) -> str:
    if not body.strip():
        return f"the upstream answered {status} with an empty body"
    if _MARKUP.match(body):
        title = _TITLE.search(body)
        about = excerpt(title[1]) if title else "no title"
        return f"the upstream answered {status} with a web page: {about}"
    return f"the upstream answered {status}: {excerpt(body)}"
