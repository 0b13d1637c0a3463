"""The routes of a :class:`Resource`."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from switchgear.rest.cursor import STORABLE, CursorText, Limit, PageQuery, cursor_after, cursor_text, number_after
from switchgear.rest.etag import check_replaces, etag_of, wants_new
from switchgear.rest.objects import Objects, Stored, Version, Wanted
from switchgear.rest.principal import Place
from switchgear.rest.problem import Refused, forbidden, not_found
from switchgear.rest.resource import (
    Body,
    Fixed,
    Proposal,
    Resource,
    read_only,
    readable,
    shown_fixed,
    shown_stored,
    shown_version,
    types_of,
)
from switchgear.rest.route import PREFIX, Answer, Asked, Route

_NEWEST: Final = 1 << 62


class ListQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a list of objects takes."""

    limit: Limit = 50
    cursor: CursorText = ""
    project: Annotated[str, Meta(max_length=64, pattern=STORABLE, description="Only this project's.")] = ""


class Revert(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version to go back to."""

    version: Annotated[int, Meta(ge=1, le=_NEWEST)]


def resource_routes(resource: Resource, objects: Objects) -> tuple[Route, ...]:
    """All routes of ``resource``."""
    serving = _Serving(resource, objects)
    reading = serving.reading_routes()
    return (*reading, *serving.writing_routes(), *serving.undoing_routes()) if resource.writable else reading


class _Serving:
    def __init__(self, resource: Resource, objects: Objects) -> None:
        self._resource = resource
        self._objects = objects
        self._types = types_of(resource)
        self._collection = f"/{resource.plural}"
        name = "{name:path}" if resource.names_hold_slashes else "{name}"
        self._one = f"{self._collection}/{name}"
        self._reads = f"{resource.kind}:read"

    def reading_routes(self) -> tuple[Route, ...]:
        about, plural, kind = self._resource.about, self._resource.plural, self._resource.kind
        return (
            Route(
                method="GET",
                path=self._collection,
                permission=self._reads,
                summary=f"List {plural}, by name. {about}",
                handler=self.list,
                query=ListQuery,
                answer=self._types.page,
                by_place=True,
            ),
            Route(
                method="GET",
                path=self._one,
                permission=self._reads,
                summary=f"One {kind}.",
                handler=self.get,
                answer=self._types.object,
                by_place=True,
                tells_etag=True,
            ),
            Route(
                method="GET",
                path=f"{self._one}/versions",
                permission=self._reads,
                summary=f"Every version of a {kind}, newest first; also of one that was deleted.",
                handler=self.versions,
                query=PageQuery,
                answer=self._types.version_page,
                by_place=True,
            ),
        )

    def writing_routes(self) -> tuple[Route, ...]:
        kind = self._resource.kind
        writes = f"{kind}:write"
        return (
            Route(
                method="POST",
                path=self._collection,
                permission=writes,
                summary=f"Make a {kind}.",
                handler=self.create,
                body=self._types.new,
                answer=self._types.object,
                status=201,
                by_place=True,
                tells_etag=True,
            ),
            Route(
                method="PUT",
                path=self._one,
                permission=writes,
                summary=f"Replace a {kind}, whose version If-Match names; or make it where there is none.",
                handler=self.put,
                body=self._types.change,
                answer=self._types.object,
                by_place=True,
                tells_etag=True,
                refuses=(201, 412, 428),
            ),
        )

    def undoing_routes(self) -> tuple[Route, ...]:
        kind = self._resource.kind
        return (
            Route(
                method="DELETE",
                path=self._one,
                permission=f"{kind}:delete",
                summary=f"Delete a {kind}; its versions stay.",
                handler=self.delete,
                status=204,
                by_place=True,
                refuses=(412, 428),
            ),
            self._revert_route(),
        )

    def _revert_route(self) -> Route:
        kind = self._resource.kind
        return Route(
            method="POST",
            path=f"{self._one}/revert",
            permission=f"{kind}:write",
            summary=f"Make a {kind} what it was in an older version; also one that was deleted.",
            handler=self.revert,
            body=Revert,
            answer=self._types.object,
            by_place=True,
            tells_etag=True,
            refuses=(412, 428),
        )

    # ------------------------------------------------------------------------------------------------------- reading

    async def list(self, asked: Asked) -> Answer:
        query = asked.query_as(ListQuery)
        of = f"{self._collection}?project={query.project}"
        if query.project and not asked.principal.may(asked.permission, Place(project=query.project)):
            raise forbidden(asked.permission, f" in project {query.project!r}")
        found = await self._visible(asked, cursor_after(of, query.cursor), query)
        names = sorted(found)[: query.limit]
        more = cursor_text(of, names[-1]) if len(found) > query.limit else None
        return Answer(body={"data": [found[name] for name in names], "next": more})

    async def _visible(self, asked: Asked, after: str, query: ListQuery) -> dict[str, dict[str, object]]:
        """What the caller may see behind ``after``: more than a page, when there is more."""
        fixed = self._resource.fixed()
        found = {
            name: shown_fixed(self._resource, name, each)
            for name, each in fixed.items()
            if name > after and self._sees(asked, self._resource.place(name, each.body), query)
        }
        places = (Place(project=query.project),) if query.project else asked.principal.places(asked.permission)
        at_once = query.limit + 1
        missing = at_once
        while missing > 0:
            rows = await self._objects.after(asked.connection, self._resource.kind, after, at_once, places)
            seen = [row for row in rows if row.name not in fixed and self._sees(asked, row.place, query)]
            found |= {row.name: shown_stored(self._resource, row) for row in seen}
            missing = missing - len(seen) if len(rows) == at_once else 0
            after = rows[-1].name if rows else after
        return found

    def _sees(self, asked: Asked, place: Place, query: ListQuery) -> bool:
        return (not query.project or place.project == query.project) and asked.principal.may(asked.permission, place)

    async def get(self, asked: Asked) -> Answer:
        name = self._name(asked)
        fixed = self._resource.fixed().get(name)
        if fixed is not None:
            asked.allow(self._resource.place(name, fixed.body), self._what(name), self._reads)
            return Answer(body=shown_fixed(self._resource, name, fixed))
        return self._answer(await self._found(asked, name))

    async def versions(self, asked: Asked) -> Answer:
        name = self._name(asked)
        query = asked.query_as(PageQuery)
        of = f"{self._collection}/{name}/versions"
        await self._last_version(asked, name)
        before = number_after(of, query.cursor, _NEWEST)
        kind = self._resource.kind
        found = await self._objects.versions(asked.connection, kind, name, before, query.limit + 1)
        page = found[: query.limit]
        more = cursor_text(of, str(page[-1].version)) if len(found) > query.limit else None
        return Answer(body={"data": [shown_version(self._resource, each) for each in page], "next": more})

    # ------------------------------------------------------------------------------------------------------ changing

    async def create(self, asked: Asked) -> Answer:
        name, body = getattr(asked.body, "name"), getattr(asked.body, "spec")  # noqa: B009 (a type made at run time)
        if not self._resource.takes_name(name):
            raise Refused(422, "invalid_name", f"{name[:200]!r} cannot be the name of a {self._resource.kind}")
        asked.allow(self._resource.place(name, body), self._what(name))
        self._check_not_fixed(name)
        if await self._objects.get(asked.connection, self._resource.kind, name) is not None:
            raise Refused(409, "exists", f"there is a {self._resource.kind} {name!r} already")
        return self._answer(await self._put(asked, name, body, None), status=201, location=True)

    async def put(self, asked: Asked) -> Answer:
        name = self._name(asked)
        body = getattr(asked.body, "spec")  # noqa: B009 (a type made at run time)
        before = await self._objects.get(asked.connection, self._resource.kind, name)
        if before is not None:
            asked.allow(before.place, self._what(name), self._reads)
        asked.allow(self._resource.place(name, body), self._what(name), self._reads)
        self._check_not_fixed(name)
        if before is None:
            if "if-match" in asked.headers:
                raise Refused(412, "precondition_failed", f"there is no {self._what(name)} that could be replaced")
            return self._answer(await self._put(asked, name, body, None), status=201, location=True)
        self._check_condition(asked, before)
        return self._answer(await self._put(asked, name, body, before))

    async def delete(self, asked: Asked) -> Answer:
        name = self._name(asked)
        fixed = self._resource.fixed().get(name)
        if fixed is not None:
            asked.allow(self._resource.place(name, fixed.body), self._what(name), self._reads)
            raise read_only(self._resource, name, fixed)
        before = await self._found(asked, name)
        self._check_condition(asked, before)
        await self._objects.delete(asked.connection, before, asked.author, self._resource.secrets)
        await self._check(asked, name, self._resource.decoded(before.body), None)
        return Answer()

    async def revert(self, asked: Asked) -> Answer:
        name = self._name(asked)
        number = asked.body_as(Revert).version
        self._check_not_fixed(name, asked)
        await self._last_version(asked, name)
        before = await self._objects.get(asked.connection, self._resource.kind, name)
        if before is not None:
            self._check_condition(asked, before)
        version = await self._objects.version(asked.connection, self._resource.kind, name, number)
        if version is None:
            raise not_found(f"version {number} of {self._what(name)}")
        body = readable(self._resource, version)
        asked.allow(self._resource.place(name, body), self._what(name), self._reads)
        return self._answer(await self._put(asked, name, body, before, "revert"))

    async def _put(self, asked: Asked, name: str, body: Body, before: Stored | None, action: str = "") -> Stored:
        old = None if before is None else self._resource.decoded(before.body)
        body = self._resource.restored(body, old)
        wanted = Wanted(
            kind=self._resource.kind,
            name=name,
            place=self._resource.place(name, body),
            body=self._resource.encoded(body),
            secrets=self._resource.secrets,
        )
        stored = await self._objects.put(asked.connection, wanted, asked.author, action)
        await self._check(asked, name, old, body)
        return stored

    async def _check(self, asked: Asked, name: str, before: Body, after: Body) -> None:
        if self._resource.check is not None:
            proposal = Proposal(name=name, before=before, after=after, author=asked.author, principal=asked.principal)
            await self._resource.check(asked.connection, proposal)

    # -------------------------------------------------------------------------------------------------------- common

    def _name(self, asked: Asked) -> str:
        name = asked.path["name"]
        if not self._resource.takes_name(name):
            raise not_found(self._what(name))
        return name

    def _what(self, name: str) -> str:
        return f"{self._resource.kind} {name[:200]!r}"

    async def _found(self, asked: Asked, name: str) -> Stored:
        """Raises Refused when it is not there, or not for the caller."""
        stored = await self._objects.get(asked.connection, self._resource.kind, name)
        if stored is None:
            raise not_found(self._what(name))
        asked.allow(stored.place, self._what(name), self._reads)
        return stored

    async def _last_version(self, asked: Asked, name: str) -> Version:
        """Raises Refused when there never was one, or not for the caller."""
        found = await self._objects.versions(asked.connection, self._resource.kind, name, _NEWEST, 1)
        if not found:
            raise not_found(self._what(name))
        asked.allow(found[0].place, self._what(name), self._reads)
        return found[0]

    def _check_not_fixed(self, name: str, asked: Asked | None = None) -> None:
        fixed: Fixed | None = self._resource.fixed().get(name)
        if fixed is None:
            return
        if asked is not None:
            asked.allow(self._resource.place(name, fixed.body), self._what(name), self._reads)
        raise read_only(self._resource, name, fixed)

    def _check_condition(self, asked: Asked, before: Stored) -> None:
        etag = etag_of(before.version)
        if wants_new(asked.headers):
            raise Refused(412, "precondition_failed", f"there is a {self._what(before.name)} already")
        check_replaces(asked.headers, etag)

    def _answer(self, stored: Stored, *, status: int | None = None, location: bool = False) -> Answer:
        where = f"{PREFIX}{self._collection}/{stored.name}"
        return Answer(
            body=shown_stored(self._resource, stored),
            status=status,
            etag=etag_of(stored.version),
            headers=(("location", where),) if location else (),
        )
