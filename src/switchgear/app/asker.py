"""Who sends a request to the control process: by the word of the gateway that forwarded it, or by the connection."""

from collections.abc import Mapping

from fastapi import Request
from msgspec import Struct

from switchgear.auth.address import is_of_this_machine
from switchgear.rest.principal import Asker

_PREFIX = "x-switchgear-gateway-"


class Gateway(Struct, frozen=True, kw_only=True):
    """What the gateway that forwarded a request said of itself; empty without one."""

    config: str
    problem: str
    journal: str
    lost_records: int
    draining: bool
    local_caller: bool
    feed_age_seconds: float | None
    """How long ago the gateway's feed was confirmed."""
    client: str
    """The caller's address; empty where it has none."""


def gateway_of(request: Request) -> Gateway:
    """Read the headers that a gateway adds, and believe them only on the Unix socket, where no stranger is."""
    host = request.client.host if request.client is not None else ""
    said: Mapping[str, str] = {} if host else request.headers
    age = said.get(f"{_PREFIX}feed-age")
    return Gateway(
        config=said.get(f"{_PREFIX}config", ""),
        problem=said.get(f"{_PREFIX}problem", ""),
        journal=said.get(f"{_PREFIX}journal", ""),
        lost_records=int(said.get(f"{_PREFIX}lost-records", "0")),
        draining=said.get(f"{_PREFIX}draining") == "yes",
        local_caller=is_of_this_machine(host, request.headers),
        feed_age_seconds=float(age) if age else None,
        client=said.get(f"{_PREFIX}client", host),
    )


def asker_of(request: Request) -> Asker:
    """What is known of a request before anybody knows who asks."""
    gateway = gateway_of(request)
    return Asker(
        method=request.method,
        path=request.url.path,
        headers=dict(request.headers),
        cookies=request.cookies,
        address=gateway.client,
        local=gateway.local_caller,
    )
