"""What a door offers: paths, the operation behind each, and the dialect it speaks."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct

from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import MethodNotAllowed, SwitchgearError
from switchgear.kernel.pipeline import Next


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
    """Exact, or a prefix when it ends with ``/``: the rest of the path is then the model's name."""
    dialect: Dialect
    streams: bool
    """Whether the operation knows streams; elsewhere ``stream`` in a body means nothing."""
    pipeline: Next
    """All stages and the handler: for a body that could be read."""
    bad_body: Next
    """The same stages around a refusal: for a body that cannot be understood, so that it is recorded too."""
    bad_request: Next
    """The record alone around a refusal: for what is not even HTTP, or not within bounds."""


class Request:
    """One HTTP request, as a server front hands it in."""

    __slots__ = ("body", "chunked_reply", "endpoint", "headers", "keep_alive", "loopback", "method", "model_in_path",
                 "path", "query", "refusal")  # fmt: skip

    def __init__(self, method: str, path: str, query: str, headers: Mapping[bytes, bytes], *, loopback: bool) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.loopback = loopback
        self.body = b""
        self.endpoint: Endpoint | None = None
        self.model_in_path = ""
        self.keep_alive = True
        self.chunked_reply = True
        self.refusal: SwitchgearError | None = None
        """What the server found wrong with the request itself."""


class Directory:
    """Finds the endpoint of a request; built once, read for every request."""

    __slots__ = ("_exact", "_prefixes", "own_paths")

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._exact: dict[str, dict[str, Endpoint]] = {}
        self._prefixes: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            table = self._prefixes if endpoint.path.endswith("/") else self._exact
            table.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        self.own_paths = (*self._exact, *self._prefixes)

    def find(self, request: Request) -> Endpoint | None:
        """The endpoint for a request, noted in it; None when the path is none of a door's.

        Raises MethodNotAllowed.
        """
        methods = self._exact.get(request.path)
        if methods is None:
            methods = self._by_prefix(request)
            if methods is None:
                return None
        endpoint = methods.get(request.method) or (methods.get("GET") if request.method == "HEAD" else None)
        if endpoint is None:
            request.endpoint = next(iter(methods.values()))
            raise MethodNotAllowed(f"{request.path} takes {' and '.join(sorted(methods))}, not {request.method[:20]}")
        request.endpoint = endpoint
        return endpoint

    def _by_prefix(self, request: Request) -> dict[str, Endpoint] | None:
        for prefix, methods in self._prefixes.items():
            if request.path.startswith(prefix) and len(request.path) > len(prefix):
                request.model_in_path = request.path[len(prefix) :]
                return methods
        return None


KEEPALIVE_SILENCE_SECONDS: Final = 15.0
"""Silence on an open stream after which the dialect's keep-alive goes out; proxies cut at 60."""
