"""OpenTelemetry's traces over HTTP, at the paths of all products that take them: one handler for all.

Vendors differ in where their clients show the key and name the project, and in nothing else (see entrance.py).
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from switchgear.kernel.errors import BadRequest, Overloaded, SwitchgearError
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.ingest_counts import IngestCounts
from switchgear.traces.intake import Intake, Taken
from switchgear.wire import otlp_json, otlp_protobuf
from switchgear.wire.inflate import ENCODINGS, UnknownEncoding
from switchgear.wire.otlp import MAX_SPAN_BYTES, MEDIA_TYPES, Export, Form, answer, checked, refusal

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
_INVALID_ARGUMENT: Final = 3
_CODES: Final = {401: 16, 403: 7, 413: 8, 429: 8, 500: 13, 503: 14}
"""gRPC's codes for statuses; all others are its INVALID_ARGUMENT."""
_LOG: Final = logging.getLogger("switchgear.traces")


def router(intake: Intake, entrance: Entrance, counts: IngestCounts) -> APIRouter:
    """The routes; ``counts`` are told of requests that are turned away."""
    made = APIRouter()
    for path, door in PATHS.items():
        made.add_api_route(path, _handler(door, intake, entrance, counts), methods=["POST"], include_in_schema=False)
    return made


def _handler(
    door: str, intake: Intake, entrance: Entrance, counts: IngestCounts
) -> Callable[[Request], Awaitable[Response]]:
    async def export(request: Request) -> Response:
        form = _form_of(request)
        if form is None:
            return _refused(door, counts, "json", _unknown_form(request), 415)
        try:
            origin = entrance.origin(request, door)
            read = _READERS[form]
            async with entrance.body(request) as body:
                encoding = request.headers.get("content-encoding", "")
                told = await entrance.read(body, encoding, lambda inflated: checked(read(inflated)))
                taken = await intake.take(origin, told.spans)
        except UnknownEncoding as error:
            return _refused(door, counts, form, BadRequest(str(error)), 415)
        except SwitchgearError as error:
            return _refused(door, counts, form, error, error.status)
        for reason, count in (("unreadable", told.unreadable), ("too_large", told.too_large)):
            if count:
                counts.refused[door, reason] += count
        refused = len(taken.refused) + told.unreadable + told.too_large
        return Response(answer(form, refused, _message(told, taken)), 200, media_type=MEDIA_TYPES[form])

    return export


def _form_of(request: Request) -> Form | None:
    """By the media type alone: clients add parameters to it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _FORMS.get(media_type)


def _unknown_form(request: Request) -> BadRequest:
    told = request.headers.get("content-type", "")[:100]
    return BadRequest(f"content-type {told!r} is not read here; send application/x-protobuf or application/json")


def _message(told: Export, taken: Taken) -> str:
    """What is wrong with the spans that were refused, each reason once."""
    messages: dict[str, str] = {}
    for each in taken.refused:
        messages.setdefault(each.reason, each.message)
    numbers = Counter(each.reason for each in taken.refused)
    lines = [f"{numbers[reason]} × {reason}: {message}" for reason, message in messages.items()]
    if told.unreadable:
        lines.append(f"{told.unreadable} × unreadable: the span is broken")
    if told.too_large:
        lines.append(f"{told.too_large} × too_large: the span is over {MAX_SPAN_BYTES} bytes")
    return "; ".join(lines)


def _refused(door: str, counts: IngestCounts, form: Form, error: SwitchgearError, status: int) -> Response:
    """A whole request that is turned away; what the intake turned away it has counted itself."""
    if not isinstance(error, Overloaded):
        counts.turned_away[door, error.code if status != 415 else "unsupported_media_type"] += 1
    if status >= 500 and not isinstance(error, Overloaded):
        _LOG.error("spans at the door %s: %s", door, error.message)
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(ceil(error.retry_after_seconds), 1))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status == 415:
        headers["accept-encoding"] = ", ".join(ENCODINGS)
    body = refusal(form, _CODES.get(status, _INVALID_ARGUMENT), error.message)
    return Response(body, status, headers, MEDIA_TYPES[form])
