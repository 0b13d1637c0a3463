"""Both transports keep the contract of the seam; our own also on the event loop that the product runs on."""

import asyncio

import pytest
import uvloop

from switchgear.kernel.upstream import Transport
from switchgear.testing.transport_contract import TransportContract
from switchgear.upstream.aiohttp_transport import AiohttpTransport
from switchgear.upstream.client import HttpTransport
from switchgear.upstream.pool import PoolLimits


class TestHttpTransport(TransportContract):
    def make(self, limits: PoolLimits) -> Transport:
        return HttpTransport(limits)


class TestHttpTransportOnUvloop(TransportContract):
    @pytest.fixture
    def event_loop_policy(self) -> asyncio.AbstractEventLoopPolicy:
        return uvloop.EventLoopPolicy()

    def make(self, limits: PoolLimits) -> Transport:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, uvloop.Loop)
        return HttpTransport(limits)


class TestAiohttpTransport(TransportContract):
    def make(self, limits: PoolLimits) -> Transport:
        return AiohttpTransport(limits)
