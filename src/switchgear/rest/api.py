"""The management API as a whole: routes are mounted, and each request takes the same steps.

Who asks, whether they may, what they said; then the handler, in one transaction with its line in the audit log and the
answer that an idempotency key repeats. Whatever goes wrong is told as a problem, and nothing of the inside with it.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import ConfigError, Internal, SwitchgearError
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import Database
from switchgear.rest import audit, idempotency
from switchgear.rest.etag import unchanged
from switchgear.rest.input import read_body, read_query
from switchgear.rest.openapi import document
from switchgear.rest.principal import EVERYWHERE, Asker, Author, Principal, Resolver
from switchgear.rest.problem import MEDIA_TYPE, Refused, forbidden, problem_of, written
from switchgear.rest.route import PREFIX, Answer, Asked, Route
from switchgear.rest.written import encoded

Sql = Database[AsyncConnection]
DOCUMENT_PATH: Final = f"{PREFIX}/openapi.json"
_LOG: Final = logging.getLogger("switchgear.api")


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the API works with."""

    version: str
    database: Sql
    resolvers: Sequence[Resolver]
    """Asked in their order; the first that knows the caller decides."""
    asker: Callable[[Request], Asker]
    clock: Clock
    ids: Ids


class Api:
    """The routes of all slices. Raises ValueError when two are the same."""

    def __init__(self, routes: Iterable[Route], surroundings: Surroundings) -> None:
        self.routes = tuple(routes)
        self._with = surroundings
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            methods = self._by_path.setdefault(route.path, {})
            if route.method in methods:
                raise ValueError(f"{route.method} {route.path} is declared twice")
            methods[route.method] = route

    def mount(self, app: FastAPI) -> None:
        """Answer below ``/api/v1``, and tell every error of ``app`` as a problem."""
        # A longer path is asked first, because a name may hold slashes.
        for path in sorted(self._by_path, key=lambda path: (-path.count("/"), "{" in path, path)):
            app.add_route(PREFIX + path, self._endpoint(self._by_path[path]), [*self._by_path[path]])
        app.add_route(DOCUMENT_PATH, self._told_of_itself, ["GET"])
        app.add_exception_handler(HTTPException, self._told)
        app.add_exception_handler(RequestValidationError, self._told)
        app.add_exception_handler(Exception, self._told)

    @cached_property
    def _document(self) -> bytes:
        return document(self.routes, self._with.version)

    async def _told_of_itself(self, request: Request) -> Response:
        return Response(self._document, media_type="application/json")

    def _endpoint(self, methods: Mapping[str, Route]) -> "Callable[[Request], Awaitable[Response]]":
        async def endpoint(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            return await self._safely(methods[method], request)

        return endpoint

    async def _safely(self, route: Route, request: Request) -> Response:
        request_id = self._with.ids.new()
        try:
            return await self._answer(route, request, request_id)
        except ConfigError as error:
            # What is missing is the operator's to give, such as a master key.
            return _problem(Refused(503, "not_configured", error.message), request_id)
        except SwitchgearError as error:
            return _problem(error, request_id)
        except OSError as error:
            _LOG.warning("%s %s (%s): %s", request.method, route.path, request_id, error)
            return _problem(_unavailable(), request_id)
        except Exception:  # noqa: BLE001 (whatever it is, the caller gets a problem and the log the rest)
            _LOG.exception("%s %s (%s) failed", request.method, route.path, request_id)
            return _problem(_defect(), request_id)

    async def _answer(self, route: Route, request: Request, request_id: str) -> Response:
        asker = self._with.asker(request)
        principal = await self._principal(asker)
        _check_permission(route, principal)
        query = read_query(route.query, request)
        raw, body = await read_body(route.body, request, route.max_body_bytes)
        asked = Asked(
            principal=principal,
            author=Author(
                kind=principal.kind,
                name=principal.name,
                address=asker.address,
                user_agent=asker.headers.get("user-agent", ""),
                request_id=request_id,
            ),
            path=request.path_params,
            headers=asker.headers,
            permission=route.permission,
            query=query,
            body=body,
        )
        if not route.needs_database:
            return await _handled(route, asked)
        if not route.changes:
            async with self._with.database.read() as asked.transaction:
                return await _handled(route, asked)
        async with self._with.database.write() as asked.transaction:
            return await self._changed(route, asked, request, raw)

    async def _principal(self, asker: Asker) -> Principal:
        for resolver in self._with.resolvers:
            principal = await resolver(asker)
            if principal is not None:
                return principal
        raise Refused(401, "unauthenticated", "say who you are: sign in, or send a management key as a bearer token")

    async def _changed(self, route: Route, asked: Asked, request: Request, raw: bytes) -> Response:
        """Run the handler once for an idempotency key, with nobody else changing anything meanwhile."""
        key = request.headers.get("idempotency-key")
        if key is None:
            await audit.head(asked.connection, to_add=True)
            return await _handled(route, asked)
        idempotency.check_key(key)
        place = (f"{asked.author.kind}:{asked.author.name}", key)
        condition = request.headers.get("if-match", "").encode()
        digest = idempotency.digest_of(request.method.encode(), str(request.url).encode(), raw, condition)
        kept = await idempotency.claim(asked.connection, place, digest, self._with.clock.wall_ns())
        if kept is not None:
            headers = dict([*kept.headers, ("idempotent-replayed", "true")])
            return Response(kept.body, kept.status, headers)
        await audit.head(asked.connection, to_add=True)
        response = await _handled(route, asked)
        told = [
            (name, response.headers[name]) for name in ("content-type", "etag", "location") if name in response.headers
        ]
        body = None if route.holds_secret else bytes(response.body).decode()
        await idempotency.keep(asked.connection, place, idempotency.Kept(response.status_code, told, body))
        return response

    async def _told(self, request: Request, error: Exception) -> Response:
        """Errors that no route of the API has met: a path that is not there, a page of the console that failed."""
        request_id = self._with.ids.new()
        if isinstance(error, HTTPException):
            return _problem(_of_http(error), request_id, error.headers)
        if isinstance(error, RequestValidationError):
            return _problem(
                Refused(422, "invalid_request", "the query or the body is not what this path takes"), request_id
            )
        return _problem(error if isinstance(error, SwitchgearError) else _defect(), request_id)


def _check_permission(route: Route, principal: Principal) -> None:
    """Raises Refused unless the caller may do this: everywhere, or somewhere where the handler looks closer."""
    allowed = principal.places(route.permission) if route.by_place else principal.may(route.permission, EVERYWHERE)
    if not allowed:
        raise forbidden(route.permission)


async def _handled(route: Route, asked: Asked) -> Response:
    answer = await route.handler(asked)
    headers = dict(answer.headers)
    if answer.etag:
        headers["etag"] = answer.etag
        if not route.changes and unchanged(asked.headers, answer.etag):
            return Response(None, 304, headers)
    headers.setdefault("cache-control", "no-store")
    return _written(route, answer, headers)


def _written(route: Route, answer: Answer, headers: dict[str, str]) -> Response:
    status = route.status if answer.status is None else answer.status
    if answer.body is None:
        return Response(None, status, headers)
    content = answer.body if isinstance(answer.body, bytes) else encoded(answer.body)
    return Response(content, status, headers, media_type=route.media_type)


def _problem(error: SwitchgearError, request_id: str, more: Mapping[str, str] | None = None) -> Response:
    status, problem = problem_of(error, request_id)
    headers = {**(more or {}), "cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(round(error.retry_after_seconds))
    return Response(written(problem), status, headers, media_type=MEDIA_TYPE)


def _of_http(error: HTTPException) -> Refused:
    phrase = HTTPStatus(error.status_code).phrase
    words = {
        404: "there is no such path; those of the management API stand in /api/v1/openapi.json",
        405: "the path does not take this method; see Allow",
    }
    return Refused(error.status_code, phrase.lower().replace(" ", "_"), words.get(error.status_code, str(error.detail)))


def _unavailable() -> Refused:
    return Refused(
        503,
        "database_unavailable",
        "the control database cannot be used now; nothing was changed",
        retry_after_seconds=1,
    )


def _defect() -> Internal:
    return Internal("a defect of this server; its log tells more under the request_id")
