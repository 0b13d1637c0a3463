"""The Anthropic door: messages, and counting their tokens."""

from collections.abc import Mapping
from typing import Final

from switchgear.doors.counting import CountTokens
from switchgear.doors.endpoint import Endpoint, Pipelines
from switchgear.doors.errors import raise_defect
from switchgear.kernel.dialect import Dialect

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
