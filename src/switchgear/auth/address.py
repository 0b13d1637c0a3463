"""Where a client is: its connection's other end, or behind proxies that are trusted, what they say."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from msgspec import Struct

Headers = Mapping[bytes, bytes]


class Range(Struct, frozen=True):
    """The addresses whose leading bits are those of ``network``, as integers."""

    is_ipv6: bool
    network: int
    mask: int


Ranges = tuple[Range, ...]


def read_ranges(texts: Iterable[str]) -> Ranges:
    """Addresses and CIDR blocks of both versions. Raises ValueError."""
    networks = [ip_network(text) for text in texts]
    return tuple(Range(one.version == 6, int(one.network_address), int(one.netmask)) for one in networks)


def is_within(text: str, ranges: Ranges) -> bool:
    """Whether the address ``text`` is in one of ``ranges``; what is no address is in none."""
    address = _address(text)
    if address is None:
        return False
    number, is_ipv6 = int(address), address.version == 6
    return any(one.is_ipv6 == is_ipv6 and number & one.mask == one.network for one in ranges)


def client_address(peer: str, headers: Headers, trusted: Ranges) -> str:
    """The client's address: the last in ``x-forwarded-for``, or RFC 7239's ``forwarded``, that no trusted proxy has.

    From a peer that is not trusted neither header means anything. What a trusted proxy says and is no address is
    nobody's address: the empty text.
    """
    if not trusted or not is_within(peer, trusted):
        return _plain(peer)
    address = peer
    for hop in reversed(_hops(headers)):
        address = hop
        if not is_within(hop, trusted):
            break
    return _plain(address)


def _hops(headers: Headers) -> list[str]:
    forwarded = headers.get(b"x-forwarded-for")
    if forwarded is not None:
        return [_without_port(hop.strip()) for hop in forwarded.decode("latin-1").split(",")]
    elements = headers.get(b"forwarded", b"").decode("latin-1").split(",")
    pairs = (pair.strip().partition("=") for element in elements for pair in element.split(";"))
    return [_without_port(value.strip().strip('"')) for name, _, value in pairs if name.strip().lower() == "for"]


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _plain(text: str) -> str:
    address = _address(text)
    return "" if address is None else str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address of version 4 inside one of version 6 is the former: sockets of both versions show it so."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


PEER: Final = "x-switchgear-gateway-peer"
"""In which a gateway tells the control process whether a caller is on its machine."""


def is_of_this_machine(address: str, headers: Mapping[str, str]) -> bool:
    """Whether who asks the control process is on its machine: by the gateway's word on the Unix socket, where callers
    have no address and no stranger is; elsewhere by the connection, as gateways decide it for theirs.
    """
    if not address:
        return headers.get(PEER, "local") == "local"
    proxied = "x-forwarded-for" in headers or "forwarded" in headers
    own = names_this_machine(headers.get("host", ""), headers.get("origin"))
    return (address.startswith("127.") or address == "::1") and own and not proxied


_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")


def names_this_machine(host: str, origin: str | None) -> bool:
    """Whether a request's ``Host`` and ``Origin`` name this machine: a page of a foreign site, or a rebound DNS name,
    does not. A browser always tells its page's origin, when a request can change something, and the host it asked for.
    """
    names = [host] if origin is None else [host, origin.partition("://")[2]]
    return all(_host_name(name) in _LOOPBACK_NAMES for name in names)


def _host_name(authority: str) -> str:
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]
