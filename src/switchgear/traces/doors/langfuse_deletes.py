"""Traces that Langfuse's clients delete, by the same audited way as the management API's."""

from collections.abc import Sequence
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from switchgear.kernel.errors import BadRequest
from switchgear.traces.deletion import MOST_TRACES, Deletion
from switchgear.traces.doors.asking import Routes, Surroundings, answer
from switchgear.traces.doors.langfuse_ids import trace_id
from switchgear.traces.doors.reading import a_list, an_object
from switchgear.traces.intake import Origin

_MOST: Final = 1_000
"""Traces in one call."""


class LangfuseDeletes:
    """The routes."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings
        self._deletion = Deletion(surroundings.store, surroundings.database, surroundings.clock)

    def routes(self) -> Routes:
        """Both."""
        return (
            ("DELETE", "/api/public/traces/{id}", self.one),
            ("DELETE", "/api/public/traces", self.many),
        )

    async def one(self, request: Request, origin: Origin) -> Response:
        """A trace by its id; one that is gone is no error."""
        return await self._delete(request, origin, [request.path_params["id"]])

    async def many(self, request: Request, origin: Origin) -> Response:
        """Traces by their ids, which the body has."""
        body = an_object(await self._with.json(request), "the body")
        ids = a_list(body.get("traceIds"), "the body's member 'traceIds'")
        names = [name for name in ids if isinstance(name, str) and name]
        if not names or len(names) != len(ids) or len(names) > _MOST:
            raise BadRequest(f"'traceIds' has from 1 to {_MOST} ids of traces, all of them texts", param="traceIds")
        return await self._delete(request, origin, names)

    async def _delete(self, request: Request, origin: Origin, names: Sequence[str]) -> Response:
        ids = list(dict.fromkeys(trace_id(name) for name in names))
        author = self._with.entrance.author(request, origin)
        traces = spans = 0
        for start in range(0, len(ids), MOST_TRACES):
            gone = await self._deletion.of_ids(author, origin.project, ids[start : start + MOST_TRACES])
            traces, spans = traces + gone.traces, spans + gone.spans
        return answer({"message": f"deleted: traces {traces}, spans {spans}, with the scores and comments on them"})
