"""The Anthropic door: messages, and counting their tokens."""

from collections.abc import Mapping
from typing import Final

from switchgear.doors.endpoint import Endpoint, Pipelines
from switchgear.doors.errors import raise_defect
from switchgear.kernel.call import Call
from switchgear.kernel.chat import Completion, Usage
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import NotOffered
from switchgear.kernel.estimate import estimate_tokens
from switchgear.kernel.pipeline import Next
from switchgear.kernel.reply import Reply

DOOR: Final = "anthropic"
PREFIXES: Final = ("/v1", "/anthropic/v1")


def endpoints(dialects: Mapping[str, Dialect], pipelines: Pipelines) -> list[Endpoint]:
    """All that the door offers."""
    bad_body = pipelines.wrap(raise_defect)
    answering = pipelines.wrap(pipelines.route)
    counting = pipelines.wrap(CountTokens(pipelines.route))
    offered: list[Endpoint] = []
    for prefix in PREFIXES:
        for operation, path, dialect, pipeline in (
            ("chat", "/messages", "anthropic", answering),
            ("count_tokens", "/messages/count_tokens", "anthropic_count_tokens", counting),
        ):
            offered.append(
                Endpoint(
                    door=DOOR,
                    operation=operation,
                    method="POST",
                    path=prefix + path,
                    dialect=dialects[dialect],
                    streams=operation != "count_tokens",
                    pipeline=pipeline,
                    bad_body=bad_body,
                    bad_request=pipelines.bad_request,
                )
            )
    return offered


class CountTokens:
    """Counts at the provider when it can; elsewhere estimates, and says so in ``x-switchgear-estimated``."""

    __slots__ = ("_route",)

    def __init__(self, route: Next) -> None:
        self._route = route

    async def __call__(self, call: Call) -> Reply:
        try:
            return await self._route(call)
        except NotOffered:
            call.chat()
            usage = Usage(input=estimate_tokens(len(call.body)), estimated=True)
            body = call.dialect.write_reply(Completion(id="", model="", usage=usage))
            return Reply(200, [(b"x-switchgear-estimated", b"true")], body)
