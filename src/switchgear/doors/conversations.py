"""Responses that go on from others: what the upstream does not keep, the gateway keeps in its place.

A request whose ``previous_response_id`` the gateway keeps is sent with the whole conversation in its input, so that
any upstream can go on with it. One that another deployment keeps goes to that deployment. Any other goes on as it is:
an upstream of the Responses API may know it, and for all others the dialect refuses it.

Whether the gateway must keep an answer is known once it is here: not when ``store`` is false, and not when the
upstream speaks the Responses API and remembers. A stream is kept before its last event goes out, so that whoever has
seen the end can go on from it. Nothing fails because something cannot be kept: the response then says ``store: false``.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from msgspec import Raw, json

from switchgear.doors.response_store import Remembered, ResponseStore
from switchgear.kernel.call import Call
from switchgear.kernel.pipeline import Next
from switchgear.kernel.reply import Frame, Frames, Reply
from switchgear.routing.model import RouteTable
from switchgear.wire.openai_responses_history import (
    Asked,
    edited,
    edited_frames,
    expanded,
    final_response,
    first_response,
    input_items,
    read_asked,
    read_given,
)

Edits = Mapping[str, bytes]
"""Members of a response that are set to other JSON texts on its way to the client."""

UNFINISHED: Final = ("queued", "in_progress")
_NO_EDITS: Final[Edits] = {}


class Conversations:
    """Puts the past of a conversation into its requests, and remembers how it goes on."""

    __slots__ = ("_route", "_store")

    def __init__(self, route: Next, store: ResponseStore) -> None:
        self._route = route
        self._store = store

    async def __call__(self, call: Call) -> Reply:
        """Answer a request of ``POST /responses``. Raises BadRequest, and what routing raises."""
        asked = read_asked(call.body)
        edits = await self.go_on(call, asked)
        call.answer_id = f"resp_{call.id}"
        reply = await self._route(call)
        if reply.frames is not None:
            reply.frames = _KeptFrames(reply.frames, _Keeping(self._store, call, asked, edits))
        elif reply.body:
            reply.body = await _Keeping(self._store, call, asked, edits).whole(reply.body)
        return reply

    async def go_on(self, call: Call, asked: Asked) -> Edits:
        """Have ``call`` continue the response it names; gives what its answer must say of that."""
        previous = asked.previous_response_id
        if previous is None:
            return _NO_EDITS
        found = await self._store.find(owner(call), previous)
        if found is None:
            return _NO_EDITS
        if found.deployment:
            call.pinned = found.deployment
            return _NO_EDITS
        call.rewrite(expanded(call.body, [*found.input, *(read_given(found.response).output or ())]))
        return {"previous_response_id": json.encode(previous)}


def owner(call: Call) -> str:
    """The name of the virtual key that the call's responses belong to."""
    return "" if call.caller is None else call.caller.key


class _Keeping:
    """What becomes of one answer: who keeps it, and what it says of that."""

    __slots__ = ("_asked", "_call", "_store", "edits")

    def __init__(self, store: ResponseStore, call: Call, asked: Asked, edits: Edits) -> None:
        self._store = store
        self._call = call
        self._asked = asked
        self.edits = edits

    @property
    def wanted(self) -> bool:
        """Whether the client wants the response kept; who says nothing does."""
        return self._asked.store is not False

    def upstream_keeps(self) -> bool:
        """Whether the deployment that answers remembers its responses itself."""
        call = self._call
        deployment = call.snapshot.part(RouteTable).find(call.attempts[-1].deployment).deployments[0]
        plan = deployment.plan(call.operation, call.dialect)
        return plan is not None and plan.same_dialect and deployment.connected.provider.quirks.keeps_responses

    async def whole(self, response: bytes) -> bytes:
        """A finished answer, or one that is being made in the background, as the client gets it."""
        if self.wanted and self.upstream_keeps():
            await self.note(response)
            return edited(response, self.edits)
        return edited(response, await self.final(response))

    async def note(self, response: bytes) -> None:
        """Remember which deployment keeps a response."""
        given = read_given(response)
        if given.id and given.store is not False:
            name = self._call.attempts[-1].deployment
            remembered = Remembered(deployment=name, owed=given.status in UNFINISHED)
            await self._store.keep(owner(self._call), given.id, remembered)

    async def final(self, response: bytes) -> Edits:
        """Keep a finished response and all before it; gives what it must say of itself."""
        given = read_given(response)
        if not self.wanted or not given.id:
            return self.edits
        spoken = {**self.edits, "store": b"true"}
        items = input_items(read_asked(self._call.body).input)
        remembered = Remembered(input=items, response=Raw(edited(response, spoken)))
        kept = await self._store.keep(owner(self._call), given.id, remembered)
        return self.edits if given.store is kept else {**self.edits, "store": json.encode(kept)}


class _KeptFrames:
    """The frames of an answer, of which those that hold the response say what became of it."""

    __slots__ = ("_frames", "_keeping", "_look")

    def __init__(self, frames: Frames, keeping: _Keeping) -> None:
        self._frames = frames
        self._keeping = keeping
        self._look: Callable[[bytes], Awaitable[Edits]] = self._first

    def __aiter__(self) -> "_KeptFrames":
        return self

    async def __anext__(self) -> Frame:
        frame = await self._frames.__anext__()
        raw = frame.raw
        # Quotes in content are escaped, so this is a member: only the few events with a response have it.
        if b'"response":' not in raw:
            return frame
        changed = edited_frames(raw, await self._look(raw))
        return frame if changed is raw else Frame(changed, lambda _raw: frame.events())

    async def _first(self, raw: bytes) -> Edits:
        """The first response tells its id; whoever keeps it may be asked for it from now on."""
        keeping = self._keeping
        self._look = self._later
        if not keeping.wanted or not keeping.upstream_keeps():
            return await self._later(raw)
        response = first_response(raw)
        if response is not None:
            await keeping.note(response)
        self._look = self._nothing
        return keeping.edits

    async def _later(self, raw: bytes) -> Edits:
        response = final_response(raw)
        return self._keeping.edits if response is None else await self._keeping.final(response)

    async def _nothing(self, raw: bytes) -> Edits:
        return self._keeping.edits

    def close(self) -> None:
        self._frames.close()
