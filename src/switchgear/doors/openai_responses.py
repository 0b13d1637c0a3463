"""The Responses part of the OpenAI door: making responses, and asking for those that were made.

A response that the gateway keeps is answered from its store. One that a provider keeps is asked for there, which works
because the gateway has noted who made it when it passed by; of what it has not seen, it says so with 404.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, quote

from msgspec import json
from msgspec.structs import replace

from switchgear.doors.anthropic import CountTokens
from switchgear.doors.conversations import UNFINISHED, Conversations, owner
from switchgear.doors.endpoint import Endpoint, Pipelines
from switchgear.doors.errors import raise_defect
from switchgear.doors.openai import DOOR, PREFIXES
from switchgear.doors.passthrough_cost import settle
from switchgear.doors.passthrough_request import without_key
from switchgear.doors.response_store import Remembered, ResponseStore
from switchgear.kernel.call import Call
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import BadRequest, NotFound, Overloaded, SwitchgearError
from switchgear.kernel.pipeline import Next
from switchgear.kernel.record import Attempt
from switchgear.kernel.reply import Frame, Reply
from switchgear.kernel.upstream import UpstreamReply
from switchgear.routing.deployment import Deployment, Plan
from switchgear.routing.model import RouteTable
from switchgear.routing.retry_after import retry_after_seconds
from switchgear.wire.openai_responses_history import listed_items, read_asked, read_given

RESPONSES: Final = "openai_responses"
INPUT_TOKENS: Final = "openai_responses_input_tokens"
_MAX_REPLY_BYTES: Final = 256 * 1024 * 1024
_FIRST_OTHER_STATUS: Final = 300
_MOST_ITEMS: Final = 100
_USUAL_ITEMS: Final = 20


def endpoints(
    dialects: Mapping[str, Dialect], pipelines: Pipelines, store: ResponseStore, clock: Clock
) -> list[Endpoint]:
    """All that this part of the door offers."""
    conversations = Conversations(pipelines.route, store)
    made = MadeResponses(store, clock)
    one = "/responses/{id}"
    offered: tuple[tuple[str, str, str, Next], ...] = (
        ("chat", "POST", "/responses", conversations.__call__),
        ("count_tokens", "POST", "/responses/input_tokens", InputTokens(conversations, pipelines.route).__call__),
        ("responses", "GET", one, made.retrieve),
        ("responses", "DELETE", one, made.delete),
        ("responses", "GET", f"{one}/input_items", made.input_items),
        ("responses", "POST", f"{one}/cancel", made.cancel),
    )
    bad_body = pipelines.wrap(raise_defect)
    wrapped = [(*each[:3], pipelines.wrap(each[3])) for each in offered]
    return [
        Endpoint(
            door=DOOR,
            operation=operation,
            method=method,
            path=prefix + path,
            dialect=dialects[INPUT_TOKENS if operation == "count_tokens" else RESPONSES],
            streams=operation == "chat",
            pipeline=pipeline,
            bad_body=bad_body,
            names_model=operation != "responses",
            bad_request=pipelines.bad_request,
        )
        for prefix in PREFIXES
        for operation, method, path, pipeline in wrapped
    ]


class InputTokens:
    """Counts the tokens of a request, with those of the conversation that it goes on with."""

    __slots__ = ("_conversations", "_count")

    def __init__(self, conversations: Conversations, route: Next) -> None:
        self._conversations = conversations
        self._count = CountTokens(route)

    async def __call__(self, call: Call) -> Reply:
        await self._conversations.go_on(call, read_asked(call.body))
        return await self._count(call)


class MadeResponses:
    """Answers for responses that were made earlier, wherever they are kept. All methods raise NotFound."""

    __slots__ = ("_clock", "_store")

    def __init__(self, store: ResponseStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def retrieve(self, call: Call) -> Reply:
        """The response, as it was answered."""
        found = await self._found(call)
        if found.deployment:
            return await self._ask(call, found, "GET")
        if _asked(call, "stream") == "true":
            raise BadRequest("only a response that was made in the background can be streamed again", param="stream")
        return Reply(200, [], bytes(found.response))

    async def delete(self, call: Call) -> Reply:
        """Forgets the response, here and where it is kept. Raises Overloaded when it cannot be deleted now."""
        found = await self._found(call)
        reply = await self._ask(call, found, "DELETE") if found.deployment else None
        try:
            await self._store.forget(owner(call), call.captured)
        except OSError as error:
            raise Overloaded(f"the response cannot be deleted now: {error.strerror}", retry_after_seconds=1) from error
        gone = json.encode({"id": call.captured, "object": "response", "deleted": True})
        return reply or Reply(200, [], gone)

    async def input_items(self, call: Call) -> Reply:
        """What was said up to the response, the latest first, page by page (``limit``, ``after``, ``order``)."""
        found = await self._found(call)
        if found.deployment:
            return await self._ask(call, found, "GET", "/input_items")
        items = listed_items(found.input, call.captured.removeprefix("resp_"))
        if _asked(call, "order") != "asc":
            items.reverse()
        after = _asked(call, "after")
        if after:
            ids = [item["id"] for item in items]
            if after not in ids:
                raise BadRequest(f"there is no item {after[:100]!r} in the input of this response", param="after")
            items = items[ids.index(after) + 1 :]
        limit = _limit(call)
        page = items[:limit]
        first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
        more = len(items) > limit
        body = {"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": more}
        return Reply(200, [], json.encode(body))

    async def cancel(self, call: Call) -> Reply:
        """Stops a response that is made in the background, which only its provider can do. Raises BadRequest."""
        found = await self._found(call)
        if not found.deployment:
            raise BadRequest("Cannot cancel a synchronous response: only one that is made in the background can be.")
        return await self._ask(call, found, "POST", "/cancel")

    async def _found(self, call: Call) -> Remembered:
        found = await self._store.find(owner(call), call.captured)
        if found is None:
            raise _not_found(call)
        return found

    async def _ask(self, call: Call, found: Remembered, method: str, below: str = "") -> Reply:
        """Ask the deployment that keeps the response. Raises what the transport raises, and UpstreamRefused."""
        deployment, plan = _kept_by(call, found)
        entry = Attempt(
            deployment=deployment.name,
            provider=deployment.provider_name,
            model=deployment.model,
            started_ns=self._clock.wall_ns(),
            cost="void",
            reason="free",
        )
        call.attempts.append(entry)
        started_ns = self._clock.monotonic_ns()
        try:
            reply = await _answer(call, deployment, plan, entry, (method, below))
        except SwitchgearError as error:
            entry.outcome = "failed"
            entry.error = f"{error.code}: {error.message}"
            raise
        finally:
            entry.duration_ns = self._clock.monotonic_ns() - started_ns
        if found.owed and reply.body and not below:
            await self._account(call, deployment, entry, reply.body)
        return reply

    async def _account(self, call: Call, deployment: Deployment, entry: Attempt, response: bytes) -> None:
        """Put the tokens of a response that was made in the background on record, once, when it is finished."""
        given = read_given(response)
        if given.status in UNFINISHED or given.output is None:
            return
        await self._store.keep(owner(call), call.captured, Remembered(deployment=entry.deployment))
        tally = call.dialect.glance(response)
        entry.usage = tally.usage
        entry.finish = tally.finish or ""
        entry.service, entry.reason = tally.service or "", ""
        settle(entry, deployment.price, free=False)


async def _answer(call: Call, deployment: Deployment, plan: Plan, entry: Attempt, request: tuple[str, str]) -> Reply:
    """One request to the upstream about the response that the call's path names."""
    method, below = request
    base, _, own_query = plan.target.path.partition("?")
    query = "&".join(part for part in (own_query, without_key(call.query, own_query)) if part)
    path = f"{base}/{quote(call.captured, safe='')}{below}{f'?{query}' if query else ''}"
    target = replace(plan.target, method=method, path=path)
    provider = deployment.connected.provider
    extra = provider.forwarded_headers(call.headers) if provider.forwards else ()
    extra = (*extra, *call.trace_headers(entry))
    upstream = await deployment.connected.transport.send(target, b"", deployment.timers, extra)
    entry.status = upstream.status
    if upstream.status < _FIRST_OTHER_STATUS and _is_stream(upstream, plan):
        return Reply(200, [], frames=_UpstreamFrames(upstream))
    try:
        body = await upstream.read_all(_MAX_REPLY_BYTES)
    finally:
        upstream.close()
    if upstream.status >= _FIRST_OTHER_STATUS:
        raise plan.dialect.read_error(upstream.status, body, retry_after_seconds(upstream.headers))
    return Reply(200, [], body)


def _is_stream(upstream: UpstreamReply, plan: Plan) -> bool:
    media = dict(upstream.headers).get(b"content-type", b"").lower()
    return media.startswith(plan.stream_media)


class _UpstreamFrames:
    """A response that is streamed again, as its provider streams it."""

    __slots__ = ("_upstream",)

    def __init__(self, upstream: UpstreamReply) -> None:
        self._upstream = upstream

    def __aiter__(self) -> "_UpstreamFrames":
        return self

    async def __anext__(self) -> Frame:
        data = await self._upstream.read()
        if not data:
            raise StopAsyncIteration
        return Frame(data, lambda _raw: [])

    def close(self) -> None:
        self._upstream.close()


def _kept_by(call: Call, found: Remembered) -> tuple[Deployment, Plan]:
    """The deployment that keeps the response, as the configuration knows it now."""
    table = call.snapshot.part(RouteTable)
    deployment = table.find(found.deployment).deployments[0] if table.knows(found.deployment) else None
    plan = None if deployment is None else deployment.plan("chat", call.dialect)
    if deployment is None or plan is None or not plan.same_dialect:
        raise _not_found(call, f": it was made by {found.deployment}, which is no longer served here")
    return deployment, plan


def _not_found(call: Call, why: str = "") -> NotFound:
    reason = why or (
        "; this gateway knows the responses that your key made through it, as long as they are kept. "
        "Ask the provider for any other"
    )
    return NotFound(f"Response with id {call.captured[:100]!r} not found{reason}.")


def _asked(call: Call, name: str) -> str:
    """A parameter of the URL's query; empty when it is not there."""
    return parse_qs(call.query, max_num_fields=50).get(name, [""])[-1]


def _limit(call: Call) -> int:
    given = _asked(call, "limit") or str(_USUAL_ITEMS)
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= _MOST_ITEMS:
        raise BadRequest(f"limit must be a number between 1 and {_MOST_ITEMS}", param="limit")
    return int(given)
