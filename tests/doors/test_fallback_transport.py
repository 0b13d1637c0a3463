"""A provider that asks for the fallback transport, and for an egress proxy, is reached that way."""

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.secret import Secret
from switchgear.kernel.errors import ConfigError
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import chat, running

ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"by the proxy"}}],"usage":{"prompt_tokens":1,"completion_tokens":4}}'
)


async def test_a_provider_is_called_through_its_egress_proxy() -> None:
    heads: list[bytes] = []

    async def proxy(peer: Peer) -> None:
        head, _ = await peer.request()
        heads.append(head)
        answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        await peer.send(answer % (len(ANSWER), ANSWER))
        await peer.gone()

    async with ScriptedUpstream(proxy) as upstream:
        entry = ProviderEntry(
            kind="openai_compatible",
            base_url="http://llm.invalid/v1",
            transport="aiohttp",
            proxy=Secret(f"http://{upstream.origin.authority}"),
        )
        async with running(providers={"far": entry}) as house:
            status, _, body = await house.post("/v1/chat/completions", chat("far/m"))
    assert status == 200
    assert b"by the proxy" in body
    assert heads[0].startswith(b"POST http://llm.invalid/v1/chat/completions HTTP/1.1\r\n")


async def test_a_proxy_without_the_fallback_transport_is_refused() -> None:
    entry = ProviderEntry(kind="openai", api_key=Secret("k"), proxy=Secret("http://127.0.0.1:3128"))
    with pytest.raises(ConfigError, match=r"providers\.far\.proxy: a proxy needs `transport: aiohttp`"):
        async with running(providers={"far": entry}):
            raise AssertionError("this must not run")
