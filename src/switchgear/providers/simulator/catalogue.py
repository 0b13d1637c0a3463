"""The simulator's models, as data."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from switchgear.kernel.chat import Finish

Manner = Literal["echo", "lorem", "tools", "think", "json", "media", "refuse", "vectors", "ranks"]
"""What a model answers when nothing goes wrong; ``vectors``: embeddings only, ``ranks``: documents in order only."""

Fault = Literal[
    "empty",
    "error",
    "error_in_stream",
    "flap",
    "garbage",
    "html",
    "no_done",
    "no_usage",
    "reset",
    "stall",
    "stall_first",
    "truncate",
    "unreachable",
]


class SimulatedModel(Struct, frozen=True, kw_only=True):
    name: str
    description: str
    manner: Manner = "echo"
    fault: Fault | None = None
    finish: Finish = "stop"
    parameters: tuple[tuple[str, str], ...] = ()
    """Defaults of its own, as they would stand behind the name."""


ERROR_CODES: Final[Mapping[int, str]] = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "permission_denied",
    404: "model_not_found",
    408: "request_timeout",
    409: "conflict",
    422: "unprocessable_entity",
    429: "rate_limit_exceeded",
    500: "server_error",
    502: "bad_gateway",
    503: "service_unavailable",
    504: "gateway_timeout",
    529: "overloaded",
}


def _error(status: int, *parameters: tuple[str, str]) -> SimulatedModel:
    return SimulatedModel(
        name=f"error-{status}",
        description=f"answers with status {status}",
        fault="error",
        parameters=(("status", str(status)), *parameters),
    )


MODELS: Final = (
    SimulatedModel(name="echo", description="repeats the last words of the user"),
    SimulatedModel(name="lorem", description="64 words that mean nothing", manner="lorem"),
    SimulatedModel(
        name="embed", description="unit vectors from a hash of the text, 256 numbers each", manner="vectors"
    ),
    SimulatedModel(
        name="rerank", description="documents by the share of the query's words that they hold", manner="ranks"
    ),
    SimulatedModel(
        name="slow",
        description="echo; the first token after 2 s, then 20 a second",
        parameters=(("ttft_ms", "2000"), ("tokens_per_second", "20")),
    ),
    SimulatedModel(name="tools", description="calls every tool offered, then speaks of the results", manner="tools"),
    SimulatedModel(name="think", description="thinks, signs its thoughts, then answers", manner="think"),
    SimulatedModel(name="json", description="the smallest answer that fits the response format", manner="json"),
    SimulatedModel(name="image", description="says which media it was sent", manner="media"),
    SimulatedModel(name="refuse", description="refuses", manner="refuse", finish="refusal"),
    SimulatedModel(
        name="length",
        description="16 words, then stops as if the limit on output tokens were reached",
        manner="lorem",
        finish="length",
        parameters=(("tokens", "16"),),
    ),
    _error(400),
    _error(401),
    _error(403),
    _error(404),
    _error(408),
    _error(409),
    _error(422),
    _error(429, ("retry_after_seconds", "2")),
    _error(500),
    _error(502),
    _error(503),
    _error(504),
    _error(529),
    SimulatedModel(
        name="too-long",
        description="refuses as too long for its context window",
        fault="error",
        parameters=(("status", "400"), ("code", "context_length_exceeded")),
    ),
    SimulatedModel(
        name="filtered",
        description="refuses by its content filter",
        fault="error",
        parameters=(("status", "400"), ("code", "content_filter")),
    ),
    SimulatedModel(
        name="flap",
        description="fails for a minute, answers for a minute, by turns",
        fault="flap",
        parameters=(("status", "503"),),
    ),
    SimulatedModel(
        name="error-in-stream",
        description="status 200, some tokens, then an error",
        manner="lorem",
        fault="error_in_stream",
        parameters=(("status", "500"),),
    ),
    SimulatedModel(name="stall", description="some tokens, then silence", manner="lorem", fault="stall"),
    SimulatedModel(name="stall-first", description="silence from the start", manner="lorem", fault="stall_first"),
    SimulatedModel(name="truncate", description="ends in the middle, cleanly", manner="lorem", fault="truncate"),
    SimulatedModel(name="reset", description="the connection breaks in the middle", manner="lorem", fault="reset"),
    SimulatedModel(name="unreachable", description="no connection can be made", fault="unreachable"),
    SimulatedModel(name="html", description="a web page in place of an answer", fault="html"),
    SimulatedModel(name="empty", description="a body without a byte", fault="empty"),
    SimulatedModel(name="garbage", description="bytes that are no dialect", fault="garbage"),
    SimulatedModel(name="no-usage", description="echo, but tells no usage", fault="no_usage"),
    SimulatedModel(name="no-done", description="echo, but its streams have no end mark", fault="no_done"),
)
