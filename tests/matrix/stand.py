"""A gateway with one upstream for each wire; what they are sent is kept, and what they answer is said beforehand."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from msgspec import structs

from switchgear.app.models import Outside
from switchgear.config.model import Config, Key, ProviderEntry
from switchgear.config.secret import Secret
from switchgear.kernel.reply import Headers
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Origin, Provider, ProviderSettings, Quirks, Target, Timers, UpstreamReply
from switchgear.providers.kind import Kind
from switchgear.providers.simulator.provider import SCHEME
from tests.doors.house import KEY, ONCE, Fittings, House, serving
from tests.matrix.subject import WORDS, Body, Told
from tests.matrix.wire import Wire

PIECE_BYTES: Final = 57
"""Streams arrive in pieces that begin and end anywhere."""


class Vendor:
    """A provider that speaks one wire."""

    quirks = Quirks()
    forwards = False

    def __init__(self, name: str) -> None:
        self.name = name

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        if operation != "chat":
            return None
        origin = Origin(scheme=SCHEME, host=self.name, port=0)
        return Target(origin=origin, method="POST", path="whole", headers=(), dialect=self.name, stream_path="stream")

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
        return ()


class Heard:
    """An answer under status 200."""

    status = 200

    def __init__(self, kind: str, pieces: list[bytes]) -> None:
        self.headers: Headers = [(b"content-type", kind.encode())]
        self._pieces = pieces

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def read_all(self, limit_bytes: int) -> bytes:
        whole = b"".join(self._pieces)
        self._pieces.clear()
        return whole

    def close(self) -> None:
        self._pieces.clear()


class Upstreams:
    """The transport to all of them."""

    def __init__(self, wires: Mapping[str, Wire]) -> None:
        self.says: Told = WORDS
        self.sent: list[Body] = []
        """The requests that reached one, since the last look."""
        self._wires = wires

    async def send(
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> UpstreamReply:
        assert isinstance(body, bytes)
        self.sent.append(json.loads(body))
        wire = self._wires[target.dialect]
        says = self.says if wire.signs else structs.replace(self.says, signature="")
        asked: Body = self.sent[-1]
        if target.path == "stream":
            assert asked.get("stream", wire.streamed.get("stream")) == wire.streamed.get("stream")
            data = wire.stream(says)
            pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
            return Heard(wire.stream_type, pieces)
        return Heard("application/json", [json.dumps(wire.answer(says)).encode()])

    async def aclose(self) -> None:
        """Nothing is open."""


class Stand:
    """The gateway and its upstreams."""

    def __init__(self, house: House, upstreams: Upstreams) -> None:
        self.house = house
        self.upstreams = upstreams

    async def ask(self, door: Wire, model: str, body: Body, *, streams: bool) -> tuple[int, str, bytes]:
        """Status, type and body of the answer to a client of ``door``."""
        self.upstreams.sent.clear()
        named = {"model": model} if door.names_model else {}
        asked = {**named, **body, **(door.streamed if streams else {})}
        status, headers, answer = await self.house.post(
            door.path(model, streams), json.dumps(asked, ensure_ascii=False).encode()
        )
        return status, headers.get("content-type", ""), answer


@asynccontextmanager
async def standing(wires: Mapping[str, Wire]) -> AsyncGenerator[Stand]:
    """A stand before upstreams of every wire; each provider has the name of its wire."""
    upstreams = Upstreams(wires)

    def build(settings: ProviderSettings) -> Provider:
        return Vendor(settings.name)

    def through(out: Outside) -> Outside:
        made = {name: Kind(name=name, build=build) for name in wires}
        return structs.replace(
            out,
            installed=structs.replace(out.installed, kinds={**out.installed.kinds, **made}),
            simulator=upstreams,
        )

    config = Config(
        keys=(Key(name="tester", key=Secret(KEY)),),
        providers={name: ProviderEntry(kind=name) for name in wires},
        routing=ONCE,
    )
    async with serving(config, fittings=Fittings(ways=through)) as house:
        yield Stand(house, upstreams)
