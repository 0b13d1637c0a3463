"""The Gemini door: content generated whole and streamed, tokens counted, contents embedded, models.

Paths are those of ai.google.dev/api: the method stands behind the model, ``/v1beta/models/{model}:generateContent``.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.json import Decoder, encode
from msgspec.structs import replace

from switchgear.doors.counting import CountTokens
from switchgear.doors.endpoint import Endpoint, Pipelines, ReadHead, Request
from switchgear.doors.errors import raise_defect
from switchgear.doors.gemini_array import AsArray
from switchgear.doors.listing import Catalogued, Listed, listed_models
from switchgear.kernel.call import Call, Head
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.reply import Reply
from switchgear.wire.gemini_array import GeminiArray, write_only_failure

DOOR: Final = "gemini"
PREFIXES: Final = ("/v1beta", "/v1", "/gemini/v1beta", "/gemini/v1")
OPENAIS: Final = "/v1"
"""Below it, ``/models`` is the OpenAI door's as well."""
_COLLECTION: Final = "models/"


def endpoints(dialects: Mapping[str, Dialect], pipelines: Pipelines) -> list[Endpoint]:
    """All that the door offers."""
    generate = Endpoint(
        door=DOOR,
        operation="chat",
        method="POST",
        path=":generateContent",
        dialect=dialects["gemini"],
        streams=False,
        pipeline=pipelines.wrap(pipelines.route),
        bad_body=pipelines.wrap(raise_defect),
        read_head=head_reader(stream=False),
        bad_request=pipelines.bad_request,
    )
    count = replace(
        generate,
        operation="count_tokens",
        path=":countTokens",
        dialect=dialects["gemini_count_tokens"],
        pipeline=pipelines.wrap(CountTokens(pipelines.route)),
    )
    embed = replace(generate, operation="embeddings", path=":embedContent", dialect=dialects["gemini_embed_content"])
    embed_batch = replace(embed, path=":batchEmbedContents", dialect=dialects["gemini_embeddings"])
    models = replace(
        generate, operation="models", method="GET", path="", pipeline=pipelines.wrap(list_models), read_head=None
    )
    methods = (generate, *_streams(generate, pipelines), count, embed, embed_batch)
    offered: list[Endpoint] = []
    for prefix in PREFIXES:
        place = f"{prefix}/models"
        offered += (replace(method, path=f"{place}/{{model}}{method.path}") for method in methods)
        fits = is_googles if prefix == OPENAIS else None
        offered += (replace(models, path=path, fits=fits) for path in (place, f"{place}/{{model}}"))
    return offered


def _streams(generate: Endpoint, pipelines: Pipelines) -> tuple[Endpoint, Endpoint]:
    """Streams: an array of chunks, as Google answers, or events for those who ask for them, as all its SDKs do."""
    events = replace(
        generate,
        path=":streamGenerateContent",
        streams=True,
        read_head=head_reader(stream=True),
        fits=asks_for_events,
    )
    array = replace(
        events,
        dialect=GeminiArray(),
        pipeline=pipelines.wrap(AsArray(pipelines.route)),
        write_only_failure=write_only_failure,
        fits=None,
    )
    return events, array


def asks_for_events(request: Request) -> bool:
    """Whether a stream is wanted as server-sent events."""
    return "sse" in parse_qs(request.query).get("alt", ())


def is_googles(request: Request) -> bool:
    """Whether a client of Google's asks, where other doors have the same path."""
    return b"x-goog-api-key" in request.headers


class _Config(Struct):
    max_output_tokens: int | None = field(default=None, name="maxOutputTokens")
    snake: int | None = field(default=None, name="max_output_tokens")


class _Body(Struct):
    config: _Config | None = field(default=None, name="generationConfig")
    snake: _Config | None = field(default=None, name="generation_config")
    tools: Raw | UnsetType = UNSET


def head_reader(*, stream: bool) -> ReadHead:
    """Reads the head of a call whose path says model and method."""
    return partial(_read_head, Decoder(_Body), stream=stream)


def _read_head(decoder: Decoder[_Body], request: Request, *, stream: bool) -> Head:
    body = decoder.decode(request.body)
    config = body.config or body.snake or _Config()
    limit = config.max_output_tokens if config.max_output_tokens is not None else config.snake
    return Head(
        model=request.captured.removeprefix(_COLLECTION), stream=stream or None, max_tokens=limit, tools=body.tools
    )


class Model(Struct, kw_only=True, rename="camel"):
    """An entry of the list of models, as far as a gateway knows it."""

    name: str
    display_name: str
    description: str = ""
    version: str = ""
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    supported_generation_methods: tuple[str, ...] = ("generateContent", "countTokens", "embedContent")


class Models(Struct, kw_only=True):
    """The list, all on one page."""

    models: list[Model]


async def list_models(call: Call) -> Reply:
    """The models the caller may use, or the one the path names. Raises ModelNotFound."""
    find = call.snapshot.part(Catalogued).find
    data = [_model(name, find(name)) for name in listed_models(call)]
    return Reply(200, [], encode(data[0] if call.head.model else Models(models=data)))


def _model(name: str, listed: Listed) -> Model:
    known = listed.capabilities
    return Model(
        name=_COLLECTION + name,
        display_name=name,
        description="switchgear simulator" if listed.is_simulated else "",
        version=listed.version,
        input_token_limit=known.context_tokens,
        output_token_limit=known.max_output_tokens,
    )
