"""The Realtime part of the OpenAI door: a WebSocket to the provider of the model that the query names."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from switchgear.doors.endpoint import Endpoint, Pipelines
from switchgear.doors.errors import raise_defect
from switchgear.doors.openai import DOOR, PREFIXES
from switchgear.doors.passthrough_account import Errand
from switchgear.doors.passthrough_reply import Place
from switchgear.doors.passthrough_request import target_below, wanted_provider, without_provider
from switchgear.doors.passthrough_rights import healthy_deployment, require_model, require_provider
from switchgear.doors.websocket import asks_for_websocket, client_key, open_session
from switchgear.kernel.call import Call, Head
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.reply import Reply
from switchgear.kernel.upstream import Timers
from switchgear.routing.course import Means
from switchgear.routing.passthrough import PassThrough

_PATH: Final = "/realtime"


def endpoints(dialects: Mapping[str, Dialect], pipelines: Pipelines, means: Means) -> list[Endpoint]:
    """The one path, below each prefix."""
    session = pipelines.wrap(Realtime(means).__call__)
    return [
        Endpoint(
            door=DOOR,
            operation="realtime",
            method="GET",
            path=prefix + _PATH,
            dialect=dialects["openai_chat"],
            streams=False,
            pipeline=session,
            bad_body=pipelines.wrap(raise_defect),
            names_model=False,
            bad_request=pipelines.bad_request,
            tunnels=asks_for_websocket,
        )
        for prefix in PREFIXES
    ]


class Realtime:
    """Opens a session of the Realtime API."""

    __slots__ = ("_means",)

    def __init__(self, means: Means) -> None:
        self._means = means

    async def __call__(self, call: Call) -> Reply:
        client_key(call)
        return await open_session(call, _errand(call, self._means), self._means)


def _errand(call: Call, means: Means) -> Errand:
    ways = call.snapshot.part(PassThrough)
    provider = wanted_provider(call)
    query = without_provider(call.query)
    asked = dict(parse_qsl(query, keep_blank_values=True))
    model = asked.get("model", "")
    if not model:
        way = ways.speaking_openai(provider)
        require_provider(call, way)
        target = target_below(way, "GET", _PATH, query)
        return Errand(way=way, target=target, place=Place("/v1"), timers=Timers(), metered=True)
    require_model(call, model)
    call.head = Head(model=model)
    deployment = healthy_deployment(call, model, provider, means)
    way = ways.leading_to(deployment)
    asked["model"] = deployment.model
    return Errand(
        way=way,
        target=target_below(way, "GET", _PATH, urlencode(asked)),
        place=Place("/v1"),
        timers=deployment.timers,
        metered=True,
        deployment=deployment.name,
        model=deployment.model,
        health=deployment.health,
        price=deployment.price,
    )
