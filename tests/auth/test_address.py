"""Where a client is: proxies are believed only where they are trusted."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.auth.address import client_address, is_within, read_ranges

TRUSTED = read_ranges(["10.0.0.0/8", "fd00::/8"])


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 128))
def test_a_range_holds_what_the_standard_library_says(address: object, base: object, size: int) -> None:
    network = ip_network(f"{base}/{min(size, ip_address(str(base)).max_prefixlen)}", strict=False)
    mapped = getattr(address, "ipv4_mapped", None)
    expected = (mapped or ip_address(str(address))) in network
    assert is_within(str(address), read_ranges([str(network)])) == expected


@pytest.mark.parametrize("text", ["", "unknown", "_hidden", "10.0.0", "10.0.0.1.1", "localhost", "1e3", "::g"])
def test_what_is_no_address_is_in_no_range(text: str) -> None:
    assert not is_within(text, read_ranges(["0.0.0.0/0", "::/0"]))


def test_an_address_of_version_4_is_the_same_inside_one_of_version_6() -> None:
    assert is_within("::ffff:10.1.2.3", TRUSTED)
    assert client_address("::ffff:203.0.113.7", {}, ()) == "203.0.113.7"
    assert client_address("fe80::1%eth0", {}, ()) == "fe80::1"


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("203.0.113.7", {b"x-forwarded-for": b"198.51.100.1"}, "203.0.113.7"),
        ("10.0.0.2", {}, "10.0.0.2"),
        ("10.0.0.2", {b"x-forwarded-for": b"198.51.100.1"}, "198.51.100.1"),
        ("10.0.0.2", {b"x-forwarded-for": b"192.0.2.66, 198.51.100.1, 10.0.0.9"}, "198.51.100.1"),
        ("10.0.0.2", {b"x-forwarded-for": b"198.51.100.1:51000"}, "198.51.100.1"),
        ("10.0.0.2", {b"x-forwarded-for": b"[2001:db8::1]:443"}, "2001:db8::1"),
        ("10.0.0.2", {b"x-forwarded-for": b"192.0.2.66, unknown"}, ""),
        ("10.0.0.2", {b"x-forwarded-for": b""}, ""),
        ("10.0.0.2", {b"forwarded": b'proto=https;for="[2001:db8::1]:9", for=10.0.0.9'}, "2001:db8::1"),
        ("10.0.0.2", {b"forwarded": b"for=_hidden"}, ""),
        ("fd00::2", {b"x-forwarded-for": b"10.9.9.9"}, "10.9.9.9"),
        ("", {b"x-forwarded-for": b"10.9.9.9"}, ""),
    ],
)
def test_a_client_is_where_the_last_trusted_proxy_saw_it(peer: str, headers: dict[bytes, bytes], expected: str) -> None:
    assert client_address(peer, headers, TRUSTED) == expected


def test_without_trusted_proxies_no_header_means_anything() -> None:
    assert client_address("10.0.0.2", {b"x-forwarded-for": b"198.51.100.1"}, ()) == "10.0.0.2"
