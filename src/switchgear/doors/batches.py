"""Files and batches where this installation runs them itself: OpenAI's paths, and Anthropic's message batches.

A request that names a provider is not for here: it is passed through to that provider's own files and batches.
"""

import re
from collections.abc import Mapping
from typing import Final

from switchgear.doors import anthropic, openai
from switchgear.doors.batch_desk import BatchDesk
from switchgear.doors.endpoint import Endpoint, Pipelines, Request, Taken
from switchgear.doors.errors import raise_defect
from switchgear.doors.passthrough_request import PROVIDER_PARAMETER
from switchgear.kernel.call import Call
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import NotFound
from switchgear.kernel.reply import Reply
from switchgear.routing.passthrough import PROVIDER_HEADER

_ONE: Final = "/{id}"
_OFFERED: Final = (
    (openai.DOOR, "files", "/files", ("GET", "HEAD", "POST")),
    (openai.DOOR, "files", f"/files{_ONE}", ("GET", "HEAD", "DELETE")),
    (openai.DOOR, "batches", "/batches", ("GET", "HEAD", "POST")),
    (openai.DOOR, "batches", f"/batches{_ONE}", ("GET", "HEAD", "POST")),
    (anthropic.DOOR, "batches", "/messages/batches", ("GET", "POST")),
    (anthropic.DOOR, "batches", f"/messages/batches{_ONE}", ("GET", "POST", "DELETE")),
)
_PREFIXES: Final = {openai.DOOR: openai.PREFIXES, anthropic.DOOR: anthropic.PREFIXES}
_DIALECTS: Final = {openai.DOOR: "openai_chat", anthropic.DOOR: "anthropic"}
_BELOW: Final = re.compile(r"[A-Za-z0-9_-]{1,128}(/[a-z]{1,16})?")
_PROVIDER: Final = PROVIDER_HEADER.encode()


def endpoints(dialects: Mapping[str, Dialect], pipelines: Pipelines, desk: BatchDesk) -> list[Endpoint]:
    """All of it; a path that others offer too is theirs for requests that name a provider."""
    bad_body = pipelines.wrap(raise_defect)
    return [
        Endpoint(
            door=door,
            operation=operation,
            method=method,
            path=prefix + path,
            dialect=dialects[_DIALECTS[door]],
            streams=False,
            pipeline=pipelines.wrap(AtTheDesk(desk, method, f"/v1{path}").__call__),
            bad_body=bad_body,
            names_model=False,
            bad_request=pipelines.bad_request,
            uploads=_arriving,
            fits=_names_no_provider if door == openai.DOOR else None,
        )
        for door, operation, path, methods in _OFFERED
        for prefix in _PREFIXES[door]
        for method in methods
    ]


class AtTheDesk:
    """One operation. Raises NotFound for what can be no name, and what the desk raises."""

    __slots__ = ("_desk", "_method", "_path")

    def __init__(self, desk: BatchDesk, method: str, path: str) -> None:
        self._desk = desk
        self._method = method
        self._path = path

    async def __call__(self, call: Call) -> Reply:
        if call.captured and _BELOW.fullmatch(call.captured) is None:
            raise NotFound(f"there is no {call.captured[:100]!r} here")
        return await self._desk.ask(call, self._method, self._path.replace(_ONE, f"/{call.captured}"))


def _arriving(request: Request) -> Taken:
    return "upload"


def _names_no_provider(request: Request) -> bool:
    return _PROVIDER not in request.headers and f"{PROVIDER_PARAMETER}=" not in request.query
