"""The OpenAI door: chat completions, completions, embeddings, models."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.json import encode

from switchgear.doors.endpoint import Endpoint, Pipelines
from switchgear.doors.errors import raise_defect
from switchgear.doors.listing import listed_models
from switchgear.kernel.call import Call
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


class Model(Struct, kw_only=True):
    """An entry of ``/v1/models``: OpenAI's fields and Anthropic's together, so that both SDKs read it."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "switchgear"
    type: str = "model"
    display_name: str
    created_at: str = "1970-01-01T00:00:00Z"


class Models(Struct, kw_only=True):
    """The list, with Anthropic's page fields beside OpenAI's."""

    object: str = "list"
    data: list[Model]
    has_more: bool = False
    first_id: str | None
    last_id: str | None


async def list_models(call: Call) -> Reply:
    """The models the caller may use, or the one the path names. Raises ModelNotFound."""
    data = [_model(name) for name in listed_models(call)]
    if call.head.model:
        return Reply(200, [], encode(data[0]))
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return Reply(200, [], encode(Models(data=data, first_id=first, last_id=last)))


def _model(name: str) -> Model:
    return Model(
        id=name, display_name=name, owned_by="switchgear simulator" if name.startswith("sim/") else "switchgear"
    )
