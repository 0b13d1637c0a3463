"""Transports of the providers that ask for another than the gateway's own."""

from importlib import import_module

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Transport


class Fallbacks:
    """aiohttp transports, one for each egress proxy, made when a configuration first asks for one."""

    def __init__(self) -> None:
        self._by_proxy: dict[str | None, Transport] = {}

    def through(self, proxy: str | None) -> Transport:
        """The transport through ``proxy``, or direct. Raises ConfigError when aiohttp is not installed."""
        if proxy not in self._by_proxy:
            try:
                # By name, because the library is an extra that most gateways never load.
                module = import_module("switchgear.upstream.aiohttp_transport")
            except ImportError as error:
                raise ConfigError("transport: aiohttp is not installed; pip install 'switchgear[aiohttp]'") from error
            self._by_proxy[proxy] = module.AiohttpTransport(proxy=proxy)
        return self._by_proxy[proxy]

    async def aclose(self) -> None:
        """Close them all."""
        for transport in self._by_proxy.values():
            await transport.aclose()
