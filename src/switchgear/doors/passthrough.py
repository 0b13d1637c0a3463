"""The part of the OpenAI door that is passed through, and the paths that lead to other vendors as they are.

A call is authenticated and recorded like every other; its body and its answer go by as they come. Who answers: the
provider of the model that the body names (its name there becomes the provider's own), else the one that the header
``x-switchgear-provider`` names, else the configured one, else the only one that speaks OpenAI's API.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from switchgear.auth.model import model_allowed
from switchgear.doors.endpoint import Endpoint, Fits, Pipelines, Request
from switchgear.doors.errors import raise_defect
from switchgear.doors.gateway import Snapshots
from switchgear.doors.openai import DOOR, PREFIXES
from switchgear.doors.passthrough_relay import Errand, run
from switchgear.doors.passthrough_request import target_below
from switchgear.doors.passthrough_upload import Counted, uploaded_form
from switchgear.kernel.call import Call, Head
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import Forbidden, NotFound
from switchgear.kernel.pipeline import Next
from switchgear.kernel.reply import Reply
from switchgear.kernel.upstream import Timers
from switchgear.routing.model import RouteTable
from switchgear.routing.passthrough import PROVIDER_HEADER, PassThrough, Way
from switchgear.wire.multipart import is_form
from switchgear.wire.named_model import named_model

VENDOR: Final = "vendor"
PASSTHROUGH: Final = "passthrough"
_PLACEHOLDER: Final = "{id}"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PROVIDER_HEADER: Final = PROVIDER_HEADER.encode()
_TIMERS: Final = Timers()


class Family(Struct, frozen=True):
    """Operations that records call by one name."""

    operation: str
    paths: Mapping[str, tuple[str, ...]]
    """Methods by path."""
    metered: bool = False
    """Whether an answer's usage is the call's own: a batch tells that of other calls, again each time."""


_MADE: Final = ("POST",)
_LISTED: Final = ("GET", "POST")
_KEPT: Final = ("GET", "POST", "DELETE")
FAMILIES: Final = (
    Family("images", {"/images/generations": _MADE, "/images/edits": _MADE, "/images/variations": _MADE}, metered=True),
    Family("audio_speech", {"/audio/speech": _MADE}, metered=True),
    Family("audio_transcriptions", {"/audio/transcriptions": _MADE}, metered=True),
    Family("audio_translations", {"/audio/translations": _MADE}, metered=True),
    Family("moderations", {"/moderations": _MADE}),
    Family("files", {"/files": _LISTED, "/files/{id}": ("GET", "DELETE")}),
    Family("uploads", {"/uploads": _MADE, "/uploads/{id}": _MADE}),
    Family("batches", {"/batches": _LISTED, "/batches/{id}": _LISTED}),
    Family("fine_tuning", {"/fine_tuning/{id}": _KEPT}),
    Family("vector_stores", {"/vector_stores": _LISTED, "/vector_stores/{id}": _KEPT}),
)


def endpoints(
    dialects: Mapping[str, Dialect], pipelines: Pipelines, snapshots: Snapshots, clock: Clock
) -> list[Endpoint]:
    """All that is passed through. Declared paths are looked up in the snapshot of the moment."""
    bad_body = pipelines.wrap(raise_defect)

    def endpoint(place: tuple[str, str, str], method: str, handler: Next, fits: Fits | None = None) -> Endpoint:
        door, operation, path = place
        return Endpoint(
            door=door,
            operation=operation,
            method=method,
            path=path,
            dialect=dialects["openai_chat"],
            streams=False,
            pipeline=handler,
            bad_body=bad_body,
            names_model=False,
            bad_request=pipelines.bad_request,
            fits=fits,
            uploads=_is_upload if door == VENDOR else _uploads_form,
        )

    offered: list[Endpoint] = []
    for family in FAMILIES:
        for path, methods in family.paths.items():
            for method in methods:
                handler = pipelines.wrap(OpenAIOperation(family, method, path, clock).__call__)
                offered += [endpoint((DOOR, family.operation, prefix + path), method, handler) for prefix in PREFIXES]

    def is_mounted(request: Request) -> bool:
        return snapshots.current.part(PassThrough).mounted(request.path) is not None

    for method in _METHODS:
        opened = pipelines.wrap(OpenedProvider(method, clock).__call__)
        mounted = pipelines.wrap(MountedPath(method, clock).__call__)
        offered.append(endpoint((VENDOR, PASSTHROUGH, "/passthrough/{path}"), method, opened))
        offered.append(endpoint((VENDOR, PASSTHROUGH, "/{path}"), method, mounted, is_mounted))
    return offered


class OpenAIOperation:
    """One operation of OpenAI's API, at the provider that the call leads to."""

    __slots__ = ("_clock", "_family", "_method", "_path")

    def __init__(self, family: Family, method: str, path: str, clock: Clock) -> None:
        self._family = family
        self._method = method
        self._path = path
        self._clock = clock

    async def __call__(self, call: Call) -> Reply:
        form = None if call.upload is None else await uploaded_form(call)
        named = named_model(call.body, call.headers) if form is None else form.named
        ways = call.snapshot.part(PassThrough)
        metered = self._family.metered
        path = self._path.replace(_PLACEHOLDER, call.captured)
        if not named.name:
            way = ways.speaking_openai(wanted_provider(call))
            require_provider(call, way)
            target = target_below(way, self._method, path, call.query)
            errand = Errand(way=way, target=target, timers=_TIMERS, metered=metered, upload=form)
            return await run(call, errand, self._clock)
        require_model(call, named.name)
        call.head = Head(model=named.name)
        deployment = call.snapshot.part(RouteTable).find(named.name).deployments[0]
        way = ways.speaking_openai(deployment.provider_name)
        if form is None:
            call.rewrite(named.renamed(deployment.model))
        else:
            form.rename(deployment.model)
        errand = Errand(
            way=way,
            target=target_below(way, self._method, path, call.query),
            deployment=deployment.name,
            model=deployment.model,
            timers=deployment.timers,
            metered=metered,
            upload=form,
        )
        return await run(call, errand, self._clock)


class OpenedProvider:
    """Any operation of a provider that the configuration opens, below ``/passthrough/NAME/``. Raises NotFound."""

    __slots__ = ("_clock", "_method")

    def __init__(self, method: str, clock: Clock) -> None:
        self._method = method
        self._clock = clock

    async def __call__(self, call: Call) -> Reply:
        provider, slash, rest = call.captured.partition("/")
        way = call.snapshot.part(PassThrough).open_to(provider)
        return await _as_it_is(call, way, self._method, slash + rest, self._clock)


class MountedPath:
    """Any operation below a declared path. Raises NotFound when the declaration is gone."""

    __slots__ = ("_clock", "_method")

    def __init__(self, method: str, clock: Clock) -> None:
        self._method = method
        self._clock = clock

    async def __call__(self, call: Call) -> Reply:
        found = call.snapshot.part(PassThrough).mounted(f"/{call.captured}")
        if found is None:
            raise NotFound("nothing is passed through at this path any more")
        return await _as_it_is(call, found[0], self._method, found[1], self._clock)


async def _as_it_is(call: Call, way: Way, method: str, path: str, clock: Clock) -> Reply:
    require_provider(call, way)
    target = target_below(way, method, path, call.query)
    upload = None if call.upload is None else Counted(call, call.upload)
    errand = Errand(way=way, target=target, timers=_TIMERS, metered=method == "POST", upload=upload)
    return await run(call, errand, clock)


def _uploads_form(request: Request) -> bool:
    return is_form(request.headers.get(b"content-type", b""))


def _is_upload(request: Request) -> bool:
    """What is no JSON may be a file of any size."""
    return not request.headers.get(b"content-type", b"").lower().startswith(b"application/json")


def wanted_provider(call: Call) -> str:
    """The provider that a header names; empty where it names none."""
    return call.headers.get(_PROVIDER_HEADER, b"").decode("latin-1").strip()


def require_model(call: Call, model: str) -> None:
    """Raise Forbidden unless the caller may use the model, which is known only after Authenticate."""
    caller = call.caller
    if caller is not None and not model_allowed(caller.models, model):
        raise Forbidden(f"key {caller.key!r} may not use model {model[:200]!r}", param="model")


def require_provider(call: Call, way: Way) -> None:
    """Raise Forbidden unless the caller may use all of a provider's models, as a call that names none could."""
    caller = call.caller
    if caller is not None and not model_allowed(caller.models, f"{way.name}/"):
        raise Forbidden(
            f"key {caller.key!r} may use some models only, and this call could use any of {way.name!r}; "
            f"it takes a key that may use '{way.name}/*'"
        )
