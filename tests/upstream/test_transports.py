"""Both transports keep the contract of the seam."""

from typing import Final

from switchgear.kernel.upstream import Transport
from switchgear.testing.transport_contract import TransportContract
from switchgear.upstream.aiohttp_transport import AiohttpTransport
from switchgear.upstream.client import HttpTransport
from switchgear.upstream.pool import PoolLimits
from switchgear.upstream.tls import client_context

# The system's authorities take longer to read than most of these tests.
AUTHORITIES: Final = client_context()


class TestHttpTransport(TransportContract):
    def make(self, limits: PoolLimits) -> Transport:
        return HttpTransport(limits, AUTHORITIES)


class TestAiohttpTransport(TransportContract):
    def make(self, limits: PoolLimits) -> Transport:
        return AiohttpTransport(limits, AUTHORITIES)
