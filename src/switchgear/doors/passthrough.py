"""The part of the OpenAI door that is passed through, and the paths that lead to other vendors as they are.

A call is authenticated and recorded like every other; its body and its answer go by as they come. Who answers: the
provider of the model that the body names (its name there becomes the provider's own), else the one that the header
``x-switchgear-provider`` or ``?provider=`` names, else the configured one, else the only one that speaks OpenAI's API.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from switchgear.doors.endpoint import Endpoint, Fits, Pipelines, Request, Taken
from switchgear.doors.errors import raise_defect
from switchgear.doors.gateway import Snapshots
from switchgear.doors.openai import DOOR, PREFIXES
from switchgear.doors.passthrough_account import Errand
from switchgear.doors.passthrough_batch import BatchWatched
from switchgear.doors.passthrough_cost import is_free, priced_model
from switchgear.doors.passthrough_relay import run
from switchgear.doors.passthrough_reply import Place
from switchgear.doors.passthrough_request import target_below, wanted_provider, without_provider
from switchgear.doors.passthrough_rights import deployment_for, healthy_deployment, require_model, require_provider
from switchgear.doors.passthrough_upload import LARGE_BYTES, Body, is_json, unread, uploaded
from switchgear.doors.websocket import asks_for_websocket, open_session
from switchgear.kernel.call import Call, Head
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import MethodNotAllowed, NotFound
from switchgear.kernel.pipeline import Next
from switchgear.kernel.reply import Reply
from switchgear.kernel.upstream import Timers
from switchgear.routing.course import Means
from switchgear.routing.mounts import Mount
from switchgear.routing.passthrough import PassThrough, Way
from switchgear.wire.audio_measures import characters_to_speak
from switchgear.wire.multipart import is_form
from switchgear.wire.named_model import named_model

VENDOR: Final = "vendor"
PASSTHROUGH: Final = "passthrough"
_PLACEHOLDER: Final = "{id}"
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_TIMERS: Final = Timers()
_NOWHERE: Final = Place("", "\0")
"""No address begins like this: redirections below a provider's address are not told."""


class Family(Struct, frozen=True):
    """Operations that records call by one name."""

    operation: str
    paths: Mapping[str, tuple[str, ...]]
    """Methods by path."""
    metered: bool = False
    """Whether an answer's usage is the call's own: a batch tells that of other calls, again each time."""
    anywhere: bool = False
    """Whether any deployment of a model can answer: a job runs where its files are."""
    heard: bool = False
    """Whether recordings are listened to."""
    spoken: bool = False
    """Whether text is spoken."""
    batched: bool = False
    """Whether files of batches are uploaded."""
    drawn: bool = False
    """Whether pictures are made."""
    billed: bool = True
    """Whether vendors bill what is made with it."""


_MADE: Final = ("POST",)
_LISTED: Final = ("GET", "HEAD", "POST")
_KEPT: Final = ("GET", "HEAD", "POST", "DELETE")
_IMAGES: Final = {"/images/generations": _MADE, "/images/edits": _MADE, "/images/variations": _MADE}
FAMILIES: Final = (
    Family("images", _IMAGES, metered=True, anywhere=True, drawn=True),
    Family("audio_speech", {"/audio/speech": _MADE}, metered=True, anywhere=True, spoken=True),
    Family("audio_transcriptions", {"/audio/transcriptions": _MADE}, metered=True, anywhere=True, heard=True),
    Family("audio_translations", {"/audio/translations": _MADE}, metered=True, anywhere=True, heard=True),
    Family("moderations", {"/moderations": _MADE}, anywhere=True, billed=False),
    Family("files", {"/files": _LISTED, "/files/{id}": ("GET", "HEAD", "DELETE")}, batched=True, billed=False),
    Family("uploads", {"/uploads": _MADE, "/uploads/{id}": _MADE}, billed=False),
    Family("batches", {"/batches": _LISTED, "/batches/{id}": _LISTED}),
    Family("fine_tuning", {"/fine_tuning/{id}": _KEPT}),
    Family("vector_stores", {"/vector_stores": _LISTED, "/vector_stores/{id}": _KEPT}),
)


def endpoints(
    dialects: Mapping[str, Dialect], pipelines: Pipelines, snapshots: Snapshots, means: Means
) -> list[Endpoint]:
    """All that is passed through. Declared paths are looked up in the snapshot of the moment."""
    bad_body = pipelines.wrap(raise_defect)

    def endpoint(place: tuple[str, str, str], method: str, last: Next, fits: Fits | None = None) -> Endpoint:
        door, operation, path = place
        return Endpoint(
            door=door,
            operation=operation,
            method=method,
            path=path,
            dialect=dialects["openai_chat"],
            streams=False,
            pipeline=pipelines.wrap(last),
            bad_body=bad_body,
            names_model=False,
            bad_request=pipelines.bad_request,
            fits=fits,
            tunnels=None if fits is None else opens_websocket,
            uploads=_is_upload if door == VENDOR else _uploads_form,
        )

    def is_mounted(request: Request) -> bool:
        return any(snapshots.current.part(PassThrough).mounted(request.path))

    def opens_websocket(request: Request) -> bool:
        found = snapshots.current.part(PassThrough).mounted(request.path)
        return asks_for_websocket(request) and any(mount.websocket for mount, _ in found)

    offered: list[Endpoint] = []
    for family in FAMILIES:
        for path, methods in family.paths.items():
            offered += [
                endpoint(
                    (DOOR, family.operation, prefix + path),
                    method,
                    OpenAIOperation(family, method, (prefix, path), means).__call__,
                )
                for method in methods
                for prefix in PREFIXES
            ]
    for method in _METHODS:
        opened = OpenedProvider(method, means).__call__
        mounted = MountedPath(method, means).__call__
        offered.append(endpoint((VENDOR, PASSTHROUGH, "/passthrough/{path}"), method, opened))
        offered.append(endpoint((VENDOR, PASSTHROUGH, "/{path}"), method, mounted, is_mounted))
    return offered


class OpenAIOperation:
    """One operation of OpenAI's API, at the provider that the call leads to; ``path`` is a prefix and what follows."""

    __slots__ = ("_family", "_means", "_method", "_path", "_prefix")

    def __init__(self, family: Family, method: str, path: tuple[str, str], means: Means) -> None:
        self._family = family
        self._method = method
        self._prefix, self._path = path
        self._means = means

    async def __call__(self, call: Call) -> Reply:
        upload = await uploaded(call)
        named = named_model(call.body, call.headers) if upload is None else upload.named
        sent: Body | None = upload
        if upload is not None and self._family.batched and is_form(call.headers.get(b"content-type", b"")):
            sent = BatchWatched(call, upload)
        errand = self._unnamed(call, sent) if not named.name else self._named(call, named.name, sent)
        if upload is not None and named.name:
            upload.rename(errand.model)
        elif named.name:
            call.rewrite(named.renamed(errand.model))
        return await run(call, errand, self._means)

    def _unnamed(self, call: Call, upload: Body | None) -> Errand:
        way = call.snapshot.part(PassThrough).speaking_openai(wanted_provider(call))
        require_provider(call, way)
        return self._errand(call, way, upload)

    def _named(self, call: Call, model: str, upload: Body | None) -> Errand:
        require_model(call, model)
        call.head = Head(model=model)
        provider = wanted_provider(call)
        if self._family.anywhere:
            deployment = healthy_deployment(call, model, provider, self._means)
        else:
            deployment = deployment_for(call, model, provider)
        errand = self._errand(call, call.snapshot.part(PassThrough).leading_to(deployment), upload)
        return replace(
            errand,
            deployment=deployment.name,
            model=deployment.model,
            health=deployment.health,
            budget=deployment.budget,
            timers=deployment.timers,
            price=deployment.price,
        )

    def _errand(self, call: Call, way: Way, upload: Body | None) -> Errand:
        family = self._family
        path = self._path.replace(_PLACEHOLDER, call.captured)
        return Errand(
            way=way,
            target=target_below(way, self._method, path, without_provider(call.query)),
            place=Place(self._prefix),
            timers=_TIMERS,
            metered=family.metered,
            retries=call.snapshot.part(PassThrough).retries,
            budget=way.budget,
            upload=upload,
            characters=characters_to_speak(call.body) if family.spoken else 0,
            heard=family.heard,
            drawn=family.drawn,
            free=is_free(self._method, billed=family.billed),
        )


class OpenedProvider:
    """Any operation of a provider that the configuration opens, below ``/passthrough/NAME/``. Raises NotFound."""

    __slots__ = ("_means", "_method")

    def __init__(self, method: str, means: Means) -> None:
        self._method = method
        self._means = means

    async def __call__(self, call: Call) -> Reply:
        provider, slash, rest = call.captured.partition("/")
        way = call.snapshot.part(PassThrough).open_to(provider)
        errand = await _as_it_is(call, way, self._method, slash + rest)
        return await run(call, replace(errand, place=Place(f"/{PASSTHROUGH}/{provider}")), self._means)


class MountedPath:
    """Any operation of a declared path. Raises NotFound when the declaration is gone, or MethodNotAllowed."""

    __slots__ = ("_means", "_method")

    def __init__(self, method: str, means: Means) -> None:
        self._method = method
        self._means = means

    async def __call__(self, call: Call) -> Reply:
        mount, path = self._declared(call)
        way = call.snapshot.part(PassThrough).ways[mount.provider]
        errand = await _as_it_is(call, way, self._method, path)
        if mount.websocket and call.tunnels:
            return await open_session(call, replace(errand, free=False), self._means)
        prefixes = mount.prefixes
        place = _NOWHERE if prefixes is None else Place(*prefixes)
        return await run(call, replace(errand, place=place), self._means)

    def _declared(self, call: Call) -> tuple[Mount, str]:
        found = list(call.snapshot.part(PassThrough).mounted(f"/{call.captured}"))
        if not found:
            raise NotFound("nothing is passed through at this path any more")
        for mount, path in found:
            if mount.takes(self._method) and (mount.websocket or not call.tunnels):
                return mount, path
        methods = sorted({method for mount, _ in found for method in mount.methods})
        if not methods:
            raise NotFound("no WebSocket is passed through at this path any more")
        raise MethodNotAllowed(f"this path takes {' and '.join(methods)}, not {self._method}")


async def _as_it_is(call: Call, way: Way, method: str, path: str) -> Errand:
    require_provider(call, way)
    upload = await unread(call)
    model, price = ("", None) if upload is not None else priced_model(call, way)
    return Errand(
        way=way,
        target=target_below(way, method, path, call.query),
        place=_NOWHERE,
        timers=_TIMERS,
        metered=method == "POST",
        retries=call.snapshot.part(PassThrough).retries,
        budget=way.budget,
        upload=upload,
        free=is_free(method, billed=True),
        model=model,
        price=price,
    )


def _uploads_form(request: Request) -> Taken:
    return "upload" if is_form(request.headers.get(b"content-type", b"")) else _if_large(request)


def _is_upload(request: Request) -> Taken:
    """What is no JSON may be a file of any size."""
    return _if_large(request) if is_json(request.headers) else "upload"


def _if_large(request: Request) -> Taken:
    length = request.headers.get(b"content-length")
    return "whole" if length is not None and int(length) <= LARGE_BYTES else "body"
