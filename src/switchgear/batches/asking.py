"""Who asks for files and batches, and how they are refused: by the word of the gateway that has authenticated them."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from fastapi import Request
from fastapi.responses import Response
from msgspec import DecodeError, ValidationError, json
from starlette.requests import ClientDisconnect

from switchgear.batches.files import Wanted
from switchgear.batches.model import Caller
from switchgear.kernel.errors import BadRequest, BodyTooLarge, NotFound, SwitchgearError

Kind = TypeVar("Kind")
Handler = Callable[[Request], Awaitable[Response]]
JSON_TYPE: Final = "application/json"
_PREFIX: Final = "x-switchgear-gateway-"
_LARGE_BYTES: Final = 1024 * 1024
_UNAVAILABLE: Final = 503
_CLIENT_GONE: Final = 400
_MAX_ID: Final = 128


def caller_of(request: Request) -> Caller:
    """Who asks. Raises NotFound where no gateway says so: then it is no door of anybody's.

    A gateway's word counts on the Unix socket alone, where no stranger is, and gateways pass on no header of a client
    that begins like theirs.
    """
    key = request.headers.get(f"{_PREFIX}key", "")
    if not key or (request.client is not None and request.client.host):
        raise NotFound("files and batches are asked for at a gateway")
    return Caller(key=key, project=request.headers.get(f"{_PREFIX}project", ""))


def origin_of(request: Request) -> str:
    """Where the client finds the gateway."""
    return request.headers.get(f"{_PREFIX}origin", "http://localhost")


def answering(handler: Handler) -> Handler:
    """``handler``, with its refusals told in the form in which gateways expect them."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            return _refusal(BadRequest("the body did not come to its end"), _CLIENT_GONE)
        except SwitchgearError as error:
            return _refusal(error, error.status)
        except OSError:
            return _refusal(SwitchgearError("the control database does not answer; try again"), _UNAVAILABLE)

    return answer


def _refusal(error: SwitchgearError, status: int) -> Response:
    seconds = error.retry_after_seconds
    headers = {} if seconds is None else {"retry-after": str(round(seconds))}
    return Response(json.encode({"message": error.message, "param": error.param}), status, headers, JSON_TYPE)


def answer(body: object) -> Response:
    """An answer in JSON."""
    return Response(json.encode(body), 200, media_type=JSON_TYPE)


async def body_of(request: Request, kind: type[Kind], max_bytes: int = _LARGE_BYTES) -> Kind:
    """The body as JSON. Raises BadRequest or BodyTooLarge."""
    pieces: list[bytes] = []
    size_bytes = 0
    async for piece in request.stream():
        size_bytes += len(piece)
        if size_bytes > max_bytes:
            raise BodyTooLarge(f"the body is over {max_bytes} bytes")
        pieces.append(piece)
    try:
        return json.decode(b"".join(pieces), type=kind)
    except ValidationError as error:
        said, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".")
        raise BadRequest(f"the body cannot be used: {said[:1].lower()}{said[1:]}", param=field or None) from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("the body is not JSON") from None


def page_of(request: Request, usual: int, most: int) -> Wanted:
    """Which part of a list is asked for, in OpenAI's words. Raises BadRequest."""
    query = request.query_params
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise BadRequest("'order' is asc or desc", param="order")
    return Wanted(
        limit=limit_of(request, usual, most),
        after=name_in(request, "after"),
        oldest_first=order == "asc",
        purpose=name_in(request, "purpose"),
    )


def name_in(request: Request, parameter: str) -> str:
    """A name in the query; empty when there is none."""
    return request.query_params.get(parameter, "").replace("\0", "")[:_MAX_ID]


def limit_of(request: Request, usual: int, most: int) -> int:
    """How many are asked for. Raises BadRequest."""
    said = request.query_params.get("limit", str(usual))
    if not said.isascii() or not said.isdigit() or not 1 <= int(said[:9]) <= most:
        raise BadRequest(f"'limit' is a number from 1 to {most}", param="limit")
    return int(said)
