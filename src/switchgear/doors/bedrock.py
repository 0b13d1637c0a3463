"""The Bedrock door: Converse and ConverseStream, as Amazon's SDKs ask for them with a bearer token."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from switchgear.doors.endpoint import Endpoint, Pipelines, Request
from switchgear.doors.errors import raise_defect
from switchgear.kernel.call import Head
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.reply import Headers
from switchgear.wire.bedrock_errors import error_class

DOOR: Final = "bedrock"
DIALECT: Final = "bedrock_converse"
PREFIXES: Final = ("", "/bedrock")


class Limits(Struct, rename="camel"):
    max_tokens: int | None = None


class Body(Struct, rename="camel"):
    """What the head needs of a body; the model and the wish to stream stand in the path."""

    inference_config: Limits | None = None
    tool_config: Raw | UnsetType = UNSET
    request_metadata: Raw | UnsetType = UNSET


_DECODER: Final = Decoder(Body)


def endpoints(dialects: Mapping[str, Dialect], pipelines: Pipelines) -> list[Endpoint]:
    """All that the door offers."""
    bad_body = pipelines.wrap(raise_defect)
    answering = pipelines.wrap(pipelines.route)
    return [
        Endpoint(
            door=DOOR,
            operation="chat",
            method="POST",
            path=f"{prefix}/model/{{model}}/{action}",
            dialect=dialects[DIALECT],
            streams=True,
            pipeline=answering,
            bad_body=bad_body,
            bad_request=pipelines.bad_request,
            read_head=partial(read_head, streams=streams),
            error_headers=error_headers,
        )
        for prefix in PREFIXES
        for action, streams in (("converse", False), ("converse-stream", True))
    ]


def read_head(request: Request, *, streams: bool) -> Head:
    """The head of a call. Raises what msgspec raises for a body that is none of Converse's."""
    body = _DECODER.decode(request.body)
    return Head(
        model=request.captured,
        stream=streams,
        max_tokens=None if body.inference_config is None else body.inference_config.max_tokens,
        metadata=body.request_metadata,
        tools=body.tool_config,
    )


def error_headers(error: SwitchgearError) -> Headers:
    """The header in which Amazon's SDKs look for the class of an error."""
    return [(b"x-amzn-errortype", error_class(error).encode())]
