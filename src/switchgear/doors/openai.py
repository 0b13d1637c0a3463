"""The OpenAI door: chat completions, completions, embeddings, models."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.json import encode

from switchgear.doors.endpoint import Endpoint, Pipelines
from switchgear.doors.errors import raise_defect
from switchgear.doors.listing import Catalogued, Listed, listed_models
from switchgear.kernel.call import Call
from switchgear.kernel.capabilities import NOTHING_KNOWN, Capabilities
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.reply import Reply

DOOR: Final = "openai"
PREFIXES: Final = ("/v1", "/openai/v1", "")
"""SDKs are pointed at the root or at its ``/v1``; both work."""

OPERATIONS: Final = (
    ("chat", "/chat/completions", "openai_chat"),
    ("completions", "/completions", "openai_completions"),
    ("embeddings", "/embeddings", "openai_embeddings"),
)


def endpoints(dialects: Mapping[str, Dialect], pipelines: Pipelines) -> list[Endpoint]:
    """All that the door offers."""
    bad_body = pipelines.wrap(raise_defect)
    answering = pipelines.wrap(pipelines.route)
    listing = pipelines.wrap(list_models)
    offered: list[Endpoint] = []
    for prefix in PREFIXES:
        for operation, path, dialect in OPERATIONS:
            offered.append(
                Endpoint(
                    door=DOOR,
                    operation=operation,
                    method="POST",
                    path=prefix + path,
                    dialect=dialects[dialect],
                    streams=operation != "embeddings",
                    pipeline=answering,
                    bad_body=bad_body,
                    bad_request=pipelines.bad_request,
                )
            )
        offered.extend(
            Endpoint(
                door=DOOR,
                operation="models",
                method="GET",
                path=prefix + path,
                dialect=dialects["openai_chat"],
                streams=False,
                pipeline=listing,
                bad_body=bad_body,
                bad_request=pipelines.bad_request,
            )
            for path in ("/models", "/models/{model}")
        )
    return offered


class Known(Struct, kw_only=True, omit_defaults=True):
    """What only this gateway says of a model; SDKs keep fields that they do not know."""

    stage: str
    version: str = ""
    capabilities: Capabilities = NOTHING_KNOWN


class Model(Struct, kw_only=True, omit_defaults=True):
    """An entry of ``/v1/models``: OpenAI's fields and Anthropic's together, so that both SDKs read it.

    What is not known of a model is left out.
    """

    id: str
    object: str
    created: int
    owned_by: str
    type: str
    display_name: str
    created_at: str
    lifecycle: str
    deprecated_at: str = ""
    retires_at: str = ""
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    switchgear: Known


class Models(Struct, kw_only=True):
    """The list, with Anthropic's page fields beside OpenAI's."""

    object: str = "list"
    data: list[Model]
    has_more: bool = False
    first_id: str | None
    last_id: str | None


async def list_models(call: Call) -> Reply:
    """The models the caller may use, or the one the path names. Raises ModelNotFound."""
    find = call.snapshot.part(Catalogued).find
    data = [_model(name, find(name), call.started_wall_ns) for name in listed_models(call)]
    if call.head.model:
        return Reply(200, [], encode(data[0]))
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return Reply(200, [], encode(Models(data=data, first_id=first, last_id=last)))


def _model(name: str, listed: Listed, wall_ns: int) -> Model:
    known = listed.capabilities
    stage = listed.stage_at(wall_ns)
    return Model(
        id=name,
        object="model",
        created=0,
        owned_by="switchgear simulator" if listed.is_simulated else "switchgear",
        type="model",
        display_name=name,
        created_at="1970-01-01T00:00:00Z",
        lifecycle=stage if stage in ("deprecated", "retired") else "active",
        deprecated_at=f"{listed.deprecated}T00:00:00Z" if listed.deprecated else "",
        retires_at=f"{listed.retired}T00:00:00Z" if listed.retired else "",
        max_input_tokens=known.context_tokens,
        max_tokens=known.max_output_tokens,
        switchgear=Known(stage=stage, version=listed.version, capabilities=known),
    )
