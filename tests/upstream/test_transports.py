"""Both transports keep the contract of the seam."""

from switchgear.kernel.upstream import Transport
from switchgear.testing.transport_contract import TransportContract
from switchgear.upstream.aiohttp_transport import AiohttpTransport
from switchgear.upstream.client import HttpTransport
from switchgear.upstream.pool import PoolLimits


class TestHttpTransport(TransportContract):
    def make(self, limits: PoolLimits) -> Transport:
        return HttpTransport(limits)


class TestAiohttpTransport(TransportContract):
    def make(self, limits: PoolLimits) -> Transport:
        return AiohttpTransport(limits)
