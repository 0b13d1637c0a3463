"""What gateways keep beside the journal, and where: values that may vanish, and counts that may not."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from switchgear.config.secret import Secret

PREFIX: Final = r"^[A-Za-z0-9_.:-]{1,64}$"
PREFIX_IN_WORDS: Final[Mapping[str, str]] = {PREFIX: "letters, digits, '_', '.', ':' and '-', at most 64"}

StateEngine = Literal["files", "memory", "redis"]
CountersEngine = Literal["memory", "redis"]
RedisUrl = Annotated[
    Secret | None,
    Meta(
        description="With `redis`: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` with TLS; by "
        "reference (`${REDIS_URL}`), and never shown."
    ),
]
RedisPrefix = Annotated[
    Annotated[str, Meta(pattern=PREFIX)],
    Meta(description="With `redis`: what the names of all keys begin with, one for each installation."),
]


class State(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What gateways remember between calls: the conversations behind `previous_response_id`."""

    engine: Annotated[
        StateEngine,
        Meta(
            description="`files`: shared by all gateways of this machine, and there after a restart. "
            "`redis`: shared by the gateways of several machines, which then tell each other of failing deployments "
            "too; an extra. `memory`: each gateway's own, so only for `server.workers: 1`."
        ),
    ] = "files"
    directory: Annotated[
        str, Meta(min_length=1, description="Folder of the files, relative to the working directory.")
    ] = "./switchgear-data/state"
    url: RedisUrl = None
    prefix: RedisPrefix = "switchgear"
    keep_bytes: Annotated[
        int,
        Meta(
            ge=1_048_576,
            description="What would run out first is deleted when all of it together is larger. Redis bounds the whole "
            "by settings of its own; there it is the largest single value.",
        ),
    ] = 1_073_741_824
    response_ttl_seconds: Annotated[
        float, Meta(gt=0, le=31_622_400, description="How long a response is kept, as long as there is room.")
    ] = 2_592_000.0


class CountersEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where limits and budgets are counted."""

    engine: Annotated[
        CountersEngine,
        Meta(
            description="`memory`: each gateway counts for itself, and goes on where it stopped when it is restarted. "
            "`redis`: the gateways with one server and `prefix` count together; an extra."
        ),
    ] = "memory"
    url: RedisUrl = None
    prefix: RedisPrefix = "switchgear"
    timeout_ms: Annotated[
        float,
        Meta(
            ge=20,
            le=1_000,
            description="With `redis`: how long at most five calls wait for an answer before the server counts as "
            "unreachable, and limits do what they declare for that.",
        ),
    ] = 75.0
