"""What a caller says, read into the types that a route declares; whatever else it says is refused by its name."""

from typing import Final

from fastapi import Request
from msgspec import DecodeError, Struct, ValidationError, convert, json

from switchgear.rest.problem import Refused

_JSON: Final = "application/json"
_MAX_WORDS: Final = 500


def read_query(kind: type[Struct] | None, request: Request) -> Struct | None:
    """The query as ``kind``. Raises Refused (422)."""
    pairs = request.query_params.multi_items()
    said = dict(pairs)
    if len(said) != len(pairs):
        raise Refused(422, "invalid_query", "a parameter of the query is given twice")
    if kind is None:
        if said:
            raise Refused(422, "invalid_query", "this path takes no query")
        return None
    try:
        return convert(said, kind, strict=False)
    except ValidationError as error:
        raise _invalid("invalid_query", "the query", error) from None


async def read_body(kind: type[Struct] | None, request: Request, max_bytes: int) -> tuple[bytes, Struct | None]:
    """The body's bytes, and what they say as ``kind``. Raises Refused (400, 413, 415, 422)."""
    if kind is None:
        return b"", None
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != _JSON:
        raise Refused(415, "unsupported_media_type", f"send the body as {_JSON}")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise Refused(413, "request_too_large", f"the body is over {max_bytes} bytes")
    raw = bytes(body)
    try:
        return raw, json.decode(raw, type=kind)
    except ValidationError as error:
        raise _invalid("invalid_body", "the body", error) from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "invalid_json", "the body is not JSON") from None


def _invalid(code: str, what: str, error: ValidationError) -> Refused:
    words, _, path = str(error).partition(" - at `")
    found = {"path": path.rstrip("`") or "$", "message": words[:_MAX_WORDS]}
    return Refused(
        422, code, f"{what} is not what this path takes: {str(error)[:_MAX_WORDS]}", members={"errors": [found]}
    )
