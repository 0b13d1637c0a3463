"""The data plane put together."""

import asyncio
from collections.abc import Mapping, Sequence

from msgspec import Struct

from switchgear.app.installed import Installed, installed
from switchgear.app.models import Outside
from switchgear.app.transports import Fallbacks
from switchgear.auth.line_stage import AuthenticateLine
from switchgear.auth.stage import Authenticate, require_key
from switchgear.doors import (
    anthropic,
    azure,
    batches,
    bedrock,
    cohere,
    gemini,
    openai,
    openai_responses,
    passthrough,
    realtime,
)
from switchgear.doors.batch_desk import BatchDesk
from switchgear.doors.endpoint import Directory, Endpoint, Pipelines, Request
from switchgear.doors.errors import raise_defect
from switchgear.doors.gateway import Forward, Gateway, Snapshots
from switchgear.doors.response_store import ResponseStore
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import NotFound
from switchgear.kernel.ids import Ids, RandomBits
from switchgear.kernel.pipeline import Next, Stage, compose
from switchgear.kernel.ports import Counters
from switchgear.kernel.reply import Reply
from switchgear.kernel.upstream import Transport
from switchgear.limits.stage import Limit
from switchgear.providers.simulator.transport import Simulator
from switchgear.routing.affinity import Bindings
from switchgear.routing.course import Means
from switchgear.routing.fleet import Fleet
from switchgear.routing.hedge import Lateness
from switchgear.routing.shadow import Shadows
from switchgear.routing.stage import Route
from switchgear.wire.openai_chat import OpenAIChat


class Keeping(Struct, frozen=True, kw_only=True):
    """What a gateway remembers from one call to another, and who remembers the rest for it."""

    responses: ResponseStore
    counters: Counters
    batches: BatchDesk | None = None
    """Where files and batches are kept; None: they are a provider's, and are passed through."""


class Machinery(Struct, frozen=True, kw_only=True):
    """Time, identity and chance, as arguments."""

    clock: Clock
    ids: Ids
    random_bits: RandomBits


def outside(
    spoken: Mapping[str, Dialect], machinery: Machinery, http: Transport, known: Installed | None = None
) -> Outside:
    """The ways out: every kind of provider, the HTTP client, the simulator; ``known`` is read where it is not given."""
    known = known or installed()
    simulator = Simulator(
        spoken,
        clock=machinery.clock,
        random_bits=machinery.random_bits,
        sleep=asyncio.sleep,
    )
    return Outside(
        installed=known, dialects=spoken, http=http, simulator=simulator, fallbacks=Fallbacks(), fleet=Fleet()
    )


def gateway(
    snapshots: Snapshots,
    spoken: Mapping[str, Dialect],
    machinery: Machinery,
    record: Stage,
    forward: Forward,
    keeping: Keeping,
) -> Gateway:
    """The pipeline is this list, outermost first; a stage that is off is not in it."""
    stages: list[Stage] = [
        record,
        Authenticate(),
    ]
    wrap = Wrap(stages, [*stages, Limit(keeping.counters, machinery.clock)])
    means = _means(machinery)
    # A copy is recorded like any call, but it is nobody's: no stage that asks or charges the caller stands before it.
    shadows = Shadows(compose([record], Route(means).__call__), machinery.ids, machinery.random_bits)
    pipelines = Pipelines(
        wrap=wrap,
        route=Route(means, shadows).__call__,
        bad_request=compose([record], raise_defect),
    )
    endpoints = [
        *openai.endpoints(spoken, pipelines),
        *azure.endpoints(spoken, pipelines),
        *openai_responses.endpoints(spoken, pipelines, keeping.responses, machinery.clock),
        *anthropic.endpoints(spoken, pipelines),
        *cohere.endpoints(spoken, pipelines),
        *gemini.endpoints(spoken, pipelines),
        *bedrock.endpoints(spoken, pipelines),
        *realtime.endpoints(spoken, pipelines, means),
        *passthrough.endpoints(spoken, pipelines, snapshots, means),
        *([] if keeping.batches is None else batches.endpoints(spoken, pipelines, keeping.batches)),
    ]
    made = Gateway(
        Directory(endpoints),
        snapshots,
        machinery.clock,
        machinery.ids,
        forward=forward,
        fallback=_fallback(spoken, pipelines),
    )
    made.on_close = shadows.aclose
    made.require_key = require_key
    made.when_limited = wrap.when_limited
    return made


def lines_gateway(
    snapshots: Snapshots,
    spoken: Mapping[str, Dialect],
    machinery: Machinery,
    record: Stage,
    keeping: Keeping,
    secret: bytes,
) -> Gateway:
    """The same for lines of batches, which show a credential of their own; it is for a private socket.

    Nothing of it is on the way of any other call.
    """
    stages: list[Stage] = [record, AuthenticateLine(secret)]
    wrap = Wrap(stages, [*stages, Limit(keeping.counters, machinery.clock)])
    pipelines = Pipelines(
        wrap=wrap, route=Route(_means(machinery)).__call__, bad_request=compose([record], raise_defect)
    )
    endpoints = [
        *openai.endpoints(spoken, pipelines),
        *openai_responses.endpoints(spoken, pipelines, keeping.responses, machinery.clock),
        *anthropic.endpoints(spoken, pipelines),
    ]
    made = Gateway(
        Directory(endpoints),
        snapshots,
        machinery.clock,
        machinery.ids,
        forward=_nobody,
        fallback=_fallback(spoken, pipelines),
    )
    made.when_limited = wrap.when_limited
    return made


async def _nobody(request: Request) -> Reply:
    raise NotFound(f"lines of batches cannot ask for {request.path[:200]!r}")


class Wrap:
    """Puts the stages around a handler, and those of a snapshot with limits around it too."""

    def __init__(self, stages: Sequence[Stage], limited: Sequence[Stage]) -> None:
        self._stages = stages
        self._limited = limited
        self.when_limited: dict[Next, Next] = {}
        """By the pipeline that stands where nothing is limited."""

    def __call__(self, last: Next) -> Next:
        pipeline = compose(self._stages, last)
        self.when_limited[pipeline] = compose(self._limited, last)
        return pipeline


def _means(machinery: Machinery) -> Means:
    return Means(
        clock=machinery.clock,
        random_bits=machinery.random_bits,
        sleep=asyncio.sleep,
        bindings=Bindings(),
        lateness=Lateness(machinery.clock),
    )


def _fallback(spoken: Mapping[str, Dialect], pipelines: Pipelines) -> Endpoint:
    """Words and records the refusal of what is not even HTTP."""
    return Endpoint(
        door="http",
        operation="malformed",
        method="",
        path="",
        dialect=spoken[OpenAIChat.name],
        streams=False,
        pipeline=pipelines.bad_request,
        bad_body=pipelines.bad_request,
        bad_request=pipelines.bad_request,
    )
