"""Errors on their way out: the headers clients act on, and the words for bodies that cannot be read."""

import math
from typing import NoReturn

from msgspec import DecodeError, ValidationError
from msgspec.json import encode

from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest, Internal, SwitchgearError
from switchgear.kernel.reply import Headers, Reply

_FIELD_MARK = " - at `$"


def error_headers(error: SwitchgearError) -> Headers:
    """``x-should-retry`` always, ``retry-after`` and ``retry-after-ms`` when the error says when."""
    headers: Headers = [(b"x-should-retry", b"true" if error.retryable else b"false")]
    seconds = error.retry_after_seconds
    if seconds is not None:
        headers.append((b"retry-after", str(math.ceil(seconds)).encode()))
        headers.append((b"retry-after-ms", str(math.ceil(seconds * 1000)).encode()))
    return headers


def problem_reply(error: SwitchgearError) -> Reply:
    """An error outside every door's dialect, as problem details (RFC 9457)."""
    body = encode({"type": "about:blank", "title": error.code, "status": error.status, "detail": error.message})
    return Reply(error.status, [(b"content-type", b"application/problem+json"), *error_headers(error)], body)


def nameless() -> BadRequest:
    """The refusal of a body whose model is the empty string."""
    return BadRequest("'model' is empty; name a model, GET /v1/models lists them", param="model")


def unreadable(body: bytes, error: DecodeError | UnicodeDecodeError | RecursionError) -> BadRequest:
    """The refusal of a body that is no JSON object with the fields every call must have."""
    if not body:
        return BadRequest("the request has no body; send a JSON object")
    if isinstance(error, ValidationError):
        reason, _, path = str(error).partition(_FIELD_MARK)
        field = path.rstrip("`").lstrip(".")
        where = f"'{field}'" if field else "the body"
        return BadRequest(f"{where} cannot be used: {reason[:1].lower()}{reason[1:]}", param=field or None)
    if isinstance(error, UnicodeDecodeError):
        return BadRequest(f"the body is not UTF-8: {error.reason} at byte {error.start}")
    if isinstance(error, RecursionError):
        return BadRequest("the body is nested too deeply; no request needs so many levels")
    return BadRequest(f"the body is not JSON: {error}")


async def raise_defect(call: Call) -> NoReturn:
    """The last handler of a refusing pipeline: what the server or the head's reader found wrong."""
    raise call.defect or Internal("a refusing pipeline was entered without a defect")
