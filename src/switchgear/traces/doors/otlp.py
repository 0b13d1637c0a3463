"""OpenTelemetry's traces over HTTP, at the paths of all products that take them: one handler for all.

Vendors differ in where their clients show the key and name the project, and in nothing else (see entrance.py).
"""

from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from switchgear.kernel.errors import BadRequest, SwitchgearError
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.doors.otlp_exports import NOT_TAKEN, Exports, grpc_code
from switchgear.traces.ingest_counts import IngestCounts
from switchgear.traces.intake import Intake
from switchgear.wire import otlp_json, otlp_protobuf
from switchgear.wire.inflate import ENCODINGS, UnknownEncoding
from switchgear.wire.otlp import MEDIA_TYPES, Export, Form, answer, refusal

PATHS: Final[Mapping[str, str]] = {
    "/v1/traces": "otlp",
    "/otel": "otlp",
    "/otel/v1/traces": "otlp",
    "/api/public/otel": "langfuse",
    "/api/public/otel/v1/traces": "langfuse",
    "/api/v1/private/otel": "otlp",
    "/api/v1/private/otel/v1/traces": "otlp",
    "/api/otlp/v1/traces": "otlp",
}
"""Each with the name of its door."""
_OTHER_SIGNALS: Final = ("logs", "metrics")
_FORMS: Final[Mapping[str, Form]] = {
    "application/x-protobuf": "protobuf",
    "application/protobuf": "protobuf",
    "application/vnd.google.protobuf": "protobuf",
    "application/json": "json",
}
_READERS: Final[Mapping[Form, Callable[[bytes], Export]]] = {
    "protobuf": otlp_protobuf.read,
    "json": otlp_json.read,
}


def router(intake: Intake, entrance: Entrance, counts: IngestCounts) -> APIRouter:
    """The routes; ``counts`` are told of requests that are turned away."""
    made = APIRouter()
    exports = Exports(intake, entrance, counts)
    for path, door in PATHS.items():
        made.add_api_route(path, _handler(door, entrance, exports), methods=["POST"], include_in_schema=False)
    for path in (path for path in PATHS if path.endswith("/traces")):
        for signal in _OTHER_SIGNALS:
            made.add_api_route(
                f"{path.removesuffix('traces')}{signal}", _not_taken, methods=["POST"], include_in_schema=False
            )
    return made


async def _not_taken(request: Request) -> Response:
    """Exporters do not send again what is answered 404, and tell why where it is in their form."""
    form = _form_of(request) or "json"
    return Response(refusal(form, grpc_code(404), NOT_TAKEN), 404, media_type=MEDIA_TYPES[form])


def _handler(door: str, entrance: Entrance, exports: Exports) -> Callable[[Request], Awaitable[Response]]:
    async def export(request: Request) -> Response:
        form = _form_of(request)
        if form is None:
            return _refused(door, exports, "json", _unknown_form(request), 415)
        try:
            origin = entrance.origin(request, door)
            async with entrance.body(request) as body:
                encoding = request.headers.get("content-encoding", "")
                outcome = await exports.take(origin, body, encoding, _READERS[form])
        except UnknownEncoding as error:
            return _refused(door, exports, form, BadRequest(str(error)), 415)
        except SwitchgearError as error:
            return _refused(door, exports, form, error, error.status)
        return Response(answer(form, outcome.refused, outcome.message), 200, media_type=MEDIA_TYPES[form])

    return export


def _form_of(request: Request) -> Form | None:
    """By the media type alone: clients add parameters to it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _FORMS.get(media_type)


def _unknown_form(request: Request) -> BadRequest:
    told = request.headers.get("content-type", "")[:100]
    return BadRequest(f"content-type {told!r} is not read here; send application/x-protobuf or application/json")


def _refused(door: str, exports: Exports, form: Form, error: SwitchgearError, status: int) -> Response:
    """A whole request that is turned away."""
    exports.turned_away(door, error, "unsupported_media_type" if status == 415 else error.code)
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(ceil(error.retry_after_seconds), 1))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status == 415:
        headers["accept-encoding"] = ", ".join(ENCODINGS)
    body = refusal(form, grpc_code(status), error.message)
    return Response(body, status, headers, MEDIA_TYPES[form])
