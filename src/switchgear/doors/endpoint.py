"""What a door offers: paths, the operation behind each, and the dialect it speaks."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from switchgear.doors.incoming import Incoming
from switchgear.kernel.call import Call, Head
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import MethodNotAllowed, SwitchgearError
from switchgear.kernel.pipeline import Next
from switchgear.kernel.reply import Headers, Reply

ReadHead = Callable[["Request"], Head]
"""Raises what msgspec raises for bodies that are not as they must be, or BadRequest."""

Fits = Callable[["Request"], bool]
Taken = Literal["whole", "body", "upload"]
"""How a body is taken: before the call begins, or while it arrives, up to ``server.max_body_bytes`` or
``server.max_upload_bytes``."""
Uploads = Callable[["Request"], Taken]
ErrorHeaders = Callable[[SwitchgearError], Headers]
WriteFailure = Callable[[SwitchgearError, str], bytes]

_PLACEHOLDER: Final = re.compile(r"\{[a-z]+\}")


class Pipelines(Struct, frozen=True, kw_only=True):
    """What doors build endpoints from."""

    wrap: Callable[[Next], Next]
    """Puts all stages around a last handler."""
    route: Next
    """The last handler that calls upstreams."""
    bad_request: Next
    """See :class:`Endpoint`."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """One operation of one door, and the pipeline that performs it."""

    door: str
    operation: str
    method: str
    path: str
    """May hold one placeholder, ``{model}`` or ``{id}``, which stands for anything but nothing, slashes included."""
    dialect: Dialect
    streams: bool
    """Whether the operation knows streams; elsewhere ``stream`` in a body means nothing."""
    pipeline: Next
    """All stages and the handler: for a body that could be read."""
    bad_body: Next
    """The same stages around a refusal: for a body that cannot be understood, so that it is recorded too."""
    names_model: bool = True
    """Whether a call names a model, in its body or in place of the placeholder; else its body is left alone."""
    read_head: ReadHead | None = None
    """Reads the head where it is not in a JSON body with OpenAI's names; None: it is."""
    error_headers: ErrorHeaders | None = None
    """Headers in which the door's clients look for the kind of an error, beside those that all doors send."""
    bad_request: Next
    """The record alone around a refusal: for what is not even HTTP, or not within bounds."""
    uploads: Uploads | None = None
    """How a request's body is taken; None: always whole."""
    tunnels: Fits | None = None
    """Whether a request goes on in another protocol once it is answered with 101; None: never."""
    write_only_failure: WriteFailure | None = None
    """The failure of a stream of which nothing else has gone out, where it differs from that of any other."""
    fits: Fits | None = None
    """Whether a request is this endpoint's, where query or headers decide beside the path; None: whatever is left."""


class Request(Struct, eq=False):
    """One HTTP request, as a server front hands it in."""

    method: str
    path: str
    query: str
    headers: Mapping[bytes, bytes]
    loopback: bool
    peer: str = ""
    """The address of the connection's other end; empty where it has none."""
    body: bytes = b""
    endpoint: Endpoint | None = None
    captured: str = ""
    """What stands in the path for the endpoint's placeholder."""
    keep_alive: bool = True
    chunked_reply: bool = True
    upload: Incoming | None = None
    """The body where the call begins before it is whole."""
    refusal: SwitchgearError | None = None
    """What the server found wrong with the request itself."""
    awaited: Call | None = None
    """The call that is under way, if its answer is to be a stream and nothing of that has gone out."""
    early: Reply | None = None
    """The reply whose head went out before the answer was there."""


Methods = dict[str, list[Endpoint]]
"""The endpoints of one path by method: first those that are for some requests only, last the one for the others."""


class Directory:
    """Finds the endpoint of a request; built once, read for every request."""

    __slots__ = ("_exact", "_patterns", "endpoints", "plain")

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self._exact: dict[str, Methods] = {}
        patterns: dict[tuple[str, str], Methods] = {}
        for endpoint in sorted(self.endpoints, key=lambda endpoint: endpoint.fits is None):
            found = _PLACEHOLDER.search(endpoint.path)
            if found is None:
                methods = self._exact.setdefault(endpoint.path, {})
            else:
                ends = (endpoint.path[: found.start()], endpoint.path[found.end() :])
                methods = patterns.setdefault(ends, {})
            methods.setdefault(endpoint.method, []).append(endpoint)
        self.plain: Mapping[tuple[str, str], Endpoint] = {
            (method, path): rows[0]
            for path, methods in self._exact.items()
            for method, rows in methods.items()
            if rows[0].fits is None
        }
        """By method and path: endpoints that nothing else can decide against, for whoever cannot wait for a search."""
        # The most particular one first: `/models/{model}` fits everything that `/models/{model}:countTokens` fits.
        self._patterns = sorted(patterns.items(), key=lambda item: -sum(map(len, item[0])))

    def find(self, request: Request) -> Endpoint | None:
        """The endpoint for a request, noted in it; None when the path is none of a door's.

        Raises MethodNotAllowed.
        """
        methods = self._exact.get(request.path)
        if methods is None:
            methods = self._by_pattern(request)
            if methods is None:
                return None
        offered = methods.get(request.method) or (methods.get("GET") if request.method == "HEAD" else None)
        if offered is None:
            fitting = [each for row in methods.values() for each in row if each.fits is None or each.fits(request)]
            if not fitting:
                return None
            request.endpoint = fitting[-1]
            raise MethodNotAllowed(f"{request.path} takes {' and '.join(sorted(methods))}, not {request.method[:20]}")
        for endpoint in offered:
            if endpoint.fits is None or endpoint.fits(request):
                request.endpoint = endpoint
                return endpoint
        return None

    def _by_pattern(self, request: Request) -> Methods | None:
        path = request.path
        for (before, after), methods in self._patterns:
            captured = len(path) - len(before) - len(after)
            if captured > 0 and path.startswith(before) and path.endswith(after):
                request.captured = path[len(before) : len(before) + captured]
                return methods
        return None


KEEPALIVE_SILENCE_SECONDS: Final = 15.0
"""Silence on an open stream after which the dialect's keep-alive goes out; proxies cut at 60."""
