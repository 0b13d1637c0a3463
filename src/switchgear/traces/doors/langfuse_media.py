"""Langfuse's media: announced with their SHA-256, brought to a link, confirmed, and shown by another link."""

import base64
import binascii
import re
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import Response

from switchgear.kernel.errors import BadRequest, NotFound, SwitchgearError
from switchgear.rest.written import moment
from switchgear.traces.doors.asking import Routes, Surroundings, answer, own_address, refusal
from switchgear.traces.doors.langfuse_ids import trace_id
from switchgear.traces.doors.reading import an_object, number, text
from switchgear.traces.intake import Origin
from switchgear.traces.media import Expected, Media, Medium

PATH: Final = "/api/public/media"
_ID_CHARACTERS: Final = 22
_CONTENT_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,100}").fullmatch
_DIGEST_BYTES: Final = 32


class LangfuseMedia:
    """The routes of media."""

    def __init__(self, surroundings: Surroundings, media: Media) -> None:
        self._with = surroundings
        self._media = media

    def routes(self) -> Routes:
        """Those that take something."""
        return (("POST", PATH, self.announce), ("PATCH", f"{PATH}/{{id}}", self.confirm))

    def readings(self) -> Routes:
        """Those that tell what was sent."""
        return (("GET", f"{PATH}/{{id}}", self.get),)

    async def announce(self, request: Request, origin: Origin) -> Response:
        """Tell of a file; the answer says where its bytes are to go, or that they are here."""
        said = an_object(await self._with.json(request), "the body")
        digest = _digest(text(said, "sha256Hash"))
        size = number(said.get("contentLength"))
        if size is None or size < 1:
            raise BadRequest("contentLength is the number of bytes, at least 1", param="contentLength")
        name = base64.urlsafe_b64encode(digest).decode()[:_ID_CHARACTERS]
        coming = Expected(
            id=name,
            digest=digest.hex(),
            content_type=_content_type(text(said, "contentType")),
            bytes=int(size),
            trace_id=trace_id(text(said, "traceId")),
        )
        medium = await self._media.expect(origin.project, coming)
        url = None if medium.is_here else _link(request, medium, {"token": medium.token})
        return answer({"mediaId": name, "uploadUrl": url}, 201)

    async def confirm(self, request: Request, origin: Origin) -> Response:
        """Hear how the upload went; what counts is what was brought."""
        await self._known(request, origin)
        await self._with.json(request)
        return answer({})

    async def get(self, request: Request, origin: Origin) -> Response:
        """Where a file can be read, for a time."""
        medium = await self._known(request, origin)
        until_ns = self._media.until_ns()
        url = _link(request, medium, {"until": str(until_ns), "signature": medium.link(until_ns)})
        return answer(
            {
                "mediaId": medium.id,
                "contentType": medium.content_type,
                "contentLength": medium.bytes,
                "uploadedAt": moment(medium.uploaded_ns),
                "url": url,
                "urlExpiry": moment(until_ns),
            }
        )

    async def bring(self, request: Request) -> Response:
        """Take the bytes at the link that was given for them: it is the permission."""
        try:
            query = request.query_params
            content = await self._with.body(request, bytes)
            await self._media.bring(
                query.get("project", ""), request.path_params["id"], query.get("token", ""), content
            )
        except SwitchgearError as error:
            return refusal(error)
        return Response(None, 200)

    async def show(self, request: Request) -> Response:
        """Show the bytes at a link that was given for that; as a file, because anybody may have made them."""
        query = request.query_params
        until = query.get("until", "")
        try:
            until_ns = int(until) if until.isascii() and until.isdigit() and len(until) < 20 else 0
            place = (query.get("project", ""), request.path_params["id"])
            medium, content = await self._media.shown(*place, until_ns, query.get("signature", ""))
        except SwitchgearError as error:
            return refusal(error)
        except FileNotFoundError:
            return refusal(NotFound("the file's bytes are gone"))
        headers = {
            "content-disposition": "attachment",
            "x-content-type-options": "nosniff",
            "content-security-policy": "sandbox; default-src 'none'",
        }
        return Response(content, 200, headers, medium.content_type)

    async def _known(self, request: Request, origin: Origin) -> Medium:
        medium = await self._media.find(origin.project, request.path_params["id"])
        if medium is None:
            raise NotFound("there is no such file")
        return medium


def _link(request: Request, medium: Medium, query: dict[str, str]) -> str:
    said = urlencode({"project": medium.project, **query})
    return f"{own_address(request)}{PATH}/{quote(medium.id)}/content?{said}"


def _digest(said: str) -> bytes:
    try:
        digest = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != _DIGEST_BYTES:
        raise BadRequest("sha256Hash is the SHA-256 of the bytes in base64", param="sha256Hash")
    return digest


def _content_type(said: str) -> str:
    if not _CONTENT_TYPE(said):
        raise BadRequest("contentType is a media type such as image/png", param="contentType")
    return said
