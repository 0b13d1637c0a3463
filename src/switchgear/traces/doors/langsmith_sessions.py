"""LangSmith's sessions, which it calls projects: those that its clients make, and those that runs name."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from switchgear.kernel.errors import BadRequest, NotFound
from switchgear.rest.written import moment
from switchgear.traces.doors.asking import Routes, Surroundings, answer
from switchgear.traces.doors.langsmith_runs import canonical
from switchgear.traces.doors.reading import an_object, text
from switchgear.traces.drafts import Draft, Drafts, Fields, Word
from switchgear.traces.intake import Origin
from switchgear.traces.masked_drafts import masking

_KEPT_AS: Final = "langsmith sessions"
_STAYS: Final = frozenset(("id", "name", "start_time", "end_time", "reference_dataset_id"))
"""What masks leave of a session."""
_MOST_LOOKED_AT: Final = 5_000


class LangSmithSessions:
    """Sessions of all projects, for ever, and the routes that the SDK needs to name one."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings
        mask = masking(surroundings.mask, _STAYS)
        self._drafts = Drafts(surroundings.database, surroundings.clock, _KEPT_AS, mask, for_ever=True)
        self._known: set[tuple[str, str]] = set()
        """Those that are kept."""

    def routes(self) -> Routes:
        """For whoever may send."""
        return (
            ("POST", "/sessions", self.make),
            ("GET", "/sessions", self.list),
            ("GET", "/sessions/{id}", self.get),
            ("PATCH", "/sessions/{id}", self.change),
        )

    async def make(self, request: Request, origin: Origin) -> Response:
        """Know of a project of LangSmith's before its first run."""
        fields = an_object(await self._with.json(request), "the body")
        name = text(fields, "name")
        if not name:
            raise BadRequest("a session has a name", param="name")
        place = canonical(text(fields, "id")) if text(fields, "id") else session_id(origin.project, name)
        return answer(await self._keep(origin.project, place, {**fields, "name": name}))

    async def change(self, request: Request, origin: Origin) -> Response:
        """Say what is new of a project of LangSmith's."""
        fields = an_object(await self._with.json(request), "the body")
        place = canonical(request.path_params["id"])
        if not await self._drafts.read(origin.project, [place]):
            raise NotFound("there is no such session")
        return answer(await self._keep(origin.project, place, fields))

    async def list(self, request: Request, origin: Origin) -> Response:
        """Those with a name, or all."""
        query = request.query_params
        shown = [_shown_session(origin.project, draft) for draft in await self.of(origin.project)]
        name, part = query.get("name", ""), query.get("name_contains", "")
        fitting = [one for one in shown if (not name or one["name"] == name) and part in str(one["name"])]
        return answer([] if query.get("offset", "0") not in ("", "0") else fitting)

    async def get(self, request: Request, origin: Origin) -> Response:
        """One."""
        found = await self._drafts.read(origin.project, [canonical(request.path_params["id"])])
        if not found:
            raise NotFound("there is no such session")
        return answer(_shown_session(origin.project, found[0]))

    async def _keep(self, project: str, id: str, fields: Fields) -> dict[str, object]:
        now = moment(self._with.clock.wall_ns())
        words = [
            Word(id=id, trace="", fields={"start_time": now}, rank=-1),
            Word(id=id, trace="", fields=fields, rank=self._with.clock.wall_ns()),
        ]
        (draft,) = await self._drafts.take(project, words)
        return _shown_session(project, draft)

    async def know(self, project: str, names: Iterable[str]) -> None:
        """Keep sessions that runs name, those that somebody made under these names as they are."""
        new = [name for name in names if name and (project, name) not in self._known]
        made = {text(draft.fields, "name") for draft in await self.of(project)} if new else set[str]()
        for name in new:
            if name not in made:
                await self._keep(project, session_id(project, name), {"name": name})
            self._known.add((project, name))

    async def of(self, project: str) -> Sequence[Draft]:
        """All of a project, up to a bound, those that changed last first."""
        return await self._drafts.newest(project, _MOST_LOOKED_AT)


def session_id(project: str, name: str) -> str:
    """The UUID of a project of LangSmith's that was made by its name alone."""
    return str(UUID(hashlib.sha256(f"{project}\n{name}".encode()).hexdigest()[:32]))


def _shown_session(project: str, draft: Draft) -> dict[str, object]:
    return {
        "id": draft.id,
        "tenant_id": session_id(project, ""),
        "name": draft.fields.get("name"),
        "start_time": draft.fields.get("start_time"),
        "end_time": draft.fields.get("end_time"),
        "description": draft.fields.get("description"),
        "extra": draft.fields.get("extra"),
        "reference_dataset_id": draft.fields.get("reference_dataset_id"),
    }
