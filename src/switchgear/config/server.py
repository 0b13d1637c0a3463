"""Where the gateway listens, and what it takes at most."""

from typing import Annotated

from msgspec import Meta, Struct

from switchgear.config.routing import MAX_SECONDS


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens, and its bounds."""

    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address to listen on. Anything but a loopback address needs at least one enabled key, or "
            "`require_key`.",
        ),
    ] = "127.0.0.1"
    require_key: Annotated[
        bool,
        Meta(
            description="Ask everybody for a key, callers on this machine and before there is one, too. Left out, "
            "those need none as long as no key is declared or made."
        ),
    ] = False
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes any free one.")] = 4000
    max_connections: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Clients' open connections to one gateway; one more is answered 503."),
    ] = 16_384
    max_body_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 30, description="Larger request bodies are refused with 413 before they are read.")
    ] = 33_554_432
    max_upload_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=1 << 40,
            description="The same for files and forms, which are passed on while they arrive and never held whole.",
        ),
    ] = 536_870_912
    max_arriving_bytes: Annotated[
        int,
        Meta(
            ge=1024 * 1024,
            le=1 << 40,
            description="What requests may take up in one gateway while they arrive, all together; more are refused "
            "with 503.",
        ),
    ] = 1_073_741_824
    hold_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=MAX_SECONDS,
            description="How long a stream may be silent before its first content until its head goes out with a "
            "keep-alive; from then on an error is told inside the stream. 0: its head always waits.",
        ),
    ] = 15.0
    workers: Annotated[int, Meta(ge=1, le=256, description="Gateway processes that share the port.")] = 1
    drain_seconds: Annotated[
        float,
        Meta(ge=0, le=MAX_SECONDS, description="How long streams may go on after SIGTERM before they are cut."),
    ] = 30.0
    session_idle_seconds: Annotated[
        float,
        Meta(gt=0, le=MAX_SECONDS, description="A WebSocket on which nothing moves for so long is closed."),
    ] = 300.0
    session_seconds: Annotated[
        float, Meta(gt=0, le=MAX_SECONDS, description="How long a WebSocket may be open in all.")
    ] = 3600.0
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses of proxies whose word counts for where a client is (`x-forwarded-for`): `10.0.0.2`, "
            "`10.0.0.0/8`. From anybody else the header means nothing."
        ),
    ] = ()
