"""A simulator on a frozen clock: sleeping moves the clock and takes no time."""

import asyncio
from itertools import count
from typing import cast

import pytest

from switchgear.kernel.chat import Chat, Message, Text
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.upstream import ProviderSettings, Timers, UpstreamReply
from switchgear.providers.simulator import Simulator, SimulatorProvider
from switchgear.providers.simulator.director import Format
from tests.providers.canonical_dialect import CanonicalDialect, CanonicalEmbeddings, encoded

MOST_BYTES = 1_000_000


class Stage:
    """A simulator with everything around it that a test wants to see."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        numbers = count(1)
        embeddings = cast("Format", CanonicalEmbeddings())
        self.simulator = Simulator(
            {"canonical": CanonicalDialect(), "other": CanonicalDialect(), "vectors": embeddings},
            clock=self.clock,
            random_bits=lambda bits: next(numbers) & ((1 << bits) - 1),
            sleep=self.sleep,
        )
        self.provider = SimulatorProvider(ProviderSettings(name="sim"))
        self.timers = Timers()

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    @property
    def seconds(self) -> float:
        return self.clock.monotonic_ns() / 1_000_000_000

    async def send(self, model: str, body: bytes, operation: str = "chat") -> UpstreamReply:
        target = self.provider.target(operation, "vectors" if operation == "embeddings" else "canonical", model)
        assert target is not None
        return await self.simulator.send(target, body, self.timers)

    async def ask(self, model: str, chat: Chat | None = None) -> UpstreamReply:
        return await self.send(model, encoded(chat or say("hello there world")))

    async def whole(self, model: str, chat: Chat | None = None) -> bytes:
        return await (await self.ask(model, chat)).read_all(MOST_BYTES)


def say(text: str, *, stream: bool = False) -> Chat:
    message = Message(role="user", parts=(Text(text=text),))
    return Chat(model="any", messages=(message,), stream=stream, include_usage=stream)


@pytest.fixture
def stage() -> Stage:
    return Stage()
