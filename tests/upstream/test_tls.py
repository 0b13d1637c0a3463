"""An upstream must prove that it is who the configuration says; the authority in tls/ is the tests' own."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from switchgear.kernel.errors import ConfigError, UpstreamUnreachable
from switchgear.kernel.upstream import Transport
from switchgear.testing.scripted_upstream import ScriptedUpstream
from switchgear.testing.transport_stand import Stand, answering, refusal, sized
from switchgear.upstream.aiohttp_transport import AiohttpTransport
from switchgear.upstream.client import HttpTransport
from switchgear.upstream.tls import client_context

FOLDER = Path(__file__).parent / "tls"
AUTHORITY = FOLDER / "authority.pem"
Make = Callable[[ssl.SSLContext | None], Transport]


def over_http_transport(tls: ssl.SSLContext | None) -> Transport:
    return HttpTransport(tls=tls)


def over_aiohttp(tls: ssl.SSLContext | None) -> Transport:
    return AiohttpTransport(tls=tls)


MAKES = (over_http_transport, over_aiohttp)


def serving(certificate: str) -> ScriptedUpstream:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / certificate)
    return ScriptedUpstream(answering(sized(b"1"), sized(b"2" * 300_000)), tls=context)


@pytest.mark.parametrize("make", MAKES)
async def test_an_upstream_with_a_trusted_certificate_is_spoken_to(make: Make) -> None:
    transport = make(client_context(AUTHORITY))
    async with serving("loopback.pem") as upstream:
        stand = Stand(transport, upstream)
        assert await stand.fetch() == b"1"
        assert await stand.fetch() == b"2" * 300_000
        assert upstream.connections == 1
        await transport.aclose()


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize(("certificate", "authority"), [("loopback.pem", None), ("elsewhere.pem", AUTHORITY)])
async def test_an_upstream_that_cannot_prove_its_name_is_unreachable(
    make: Make, certificate: str, authority: Path | None
) -> None:
    transport = make(client_context(authority))
    async with serving(certificate) as upstream:
        await refusal(UpstreamUnreachable, Stand(transport, upstream).send())
        await transport.aclose()


@pytest.mark.parametrize("make", MAKES)
def test_a_context_that_verifies_nothing_is_refused(make: Make) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    with pytest.raises(ConfigError):
        make(context)
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ConfigError):
        make(context)


def test_a_missing_file_of_authorities_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.pem"):
        client_context(tmp_path / "absent.pem")
