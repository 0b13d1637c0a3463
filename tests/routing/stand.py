"""The Route stage whole, on frozen time, before upstreams that answer by script.

A stand is declared as an operator declares it: models, and what holds for all of them. Each provider named there is
made up, with so many keys and a dialect; a lane is one of its keys, and what it answers is a list.
"""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from hashlib import blake2b
from typing import Final, TypeVar

from msgspec import UNSET, Raw, Struct, convert, structs

from switchgear.app.catalogue import Catalogue
from switchgear.app.installed import installed
from switchgear.app.prices import PriceBook
from switchgear.app.routes import Grounds, route_table
from switchgear.config.model import Config
from switchgear.config.routing import ModelEntry, RoutingEntry
from switchgear.kernel.call import Call, Caller, Head, Snapshot, StreamFlags
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.record import Attempt
from switchgear.kernel.reply import Reply
from switchgear.kernel.upstream import Provider
from switchgear.routing.affinity import Bindings
from switchgear.routing.course import Means
from switchgear.routing.deployment import Connected
from switchgear.routing.fleet import Fleet
from switchgear.routing.health import Health
from switchgear.routing.hedge import Lateness
from switchgear.routing.model import RouteTable
from switchgear.routing.stage import Route
from switchgear.wire.embeddings import OpenAIEmbeddings
from tests.routing.lanes import DIALECTS, Lane, Vendor
from tests.routing.timeless import play

T = TypeVar("T")
Declared = Mapping[str, object]

INSTALLED: Final = installed()
_EMBEDDINGS: Final = OpenAIEmbeddings()


class Answered(Struct, frozen=True, kw_only=True):
    """What became of one call."""

    call: Call
    at_seconds: float
    """When its last byte, or its error, was there."""
    status: int
    body: bytes = b""
    error: SwitchgearError | None = None
    """What the client was told, as a status or inside its stream."""

    @property
    def attempts(self) -> list[Attempt]:
        """What the record says of it."""
        return self.call.attempts

    @property
    def whys(self) -> list[tuple[str, str]]:
        """Why each attempt was made, and why it failed."""
        return [(attempt.why, attempt.cause) for attempt in self.call.attempts]


class Stand:
    """One gateway's routing and everything around it that a test wants to see."""

    def __init__(
        self,
        models: Declared,
        routing: Declared | None = None,
        *,
        keys: Mapping[str, int] | None = None,
        dialects: Mapping[str, str] | None = None,
    ) -> None:
        """``keys`` and ``dialects`` are those of the providers that have not one key and OpenAI's dialect."""
        self.clock = FrozenClock()
        self.fleet = Fleet()
        self.sent: list[tuple[float, str]] = []
        """When, and to which deployment under which key."""
        self.bindings = Bindings()
        self._keys = keys or {}
        self._dialects = dialects or {}
        self._lanes: dict[str, tuple[Lane, ...]] = {}
        self._connected: dict[str, tuple[Connected, ...]] = {}
        self.drawn = 0
        """How often chance was asked; another number to begin with is another chance."""
        self._means = Means(
            clock=self.clock,
            random_bits=self.random_bits,
            sleep=asyncio.sleep,
            bindings=self.bindings,
            lateness=Lateness(self.clock),
        )
        self.route = Route(self._means)
        self.snapshot = self.declare(models, routing)

    def declare(self, models: Declared, routing: Declared | None = None) -> Snapshot:
        """A new configuration, from now on."""
        entries = convert(models, dict[str, ModelEntry])
        config = Config(models=entries, routing=convert(routing or {}, RoutingEntry))
        for entry in entries.values():
            for deployment in entry.deployments:
                self._connect(deployment.provider)
        table = route_table(
            config,
            Grounds(
                lanes=self._connected,
                fleet=self.fleet,
                prices=PriceBook(config, INSTALLED.prices),
                catalogue=Catalogue(config, INSTALLED.capabilities),
            ),
            [],
        )
        self.snapshot = Snapshot("v", {RouteTable: table})
        return self.snapshot

    def _connect(self, name: str) -> None:
        if name in self._lanes:
            return
        count = self._keys.get(name, 1)
        declared = self._dialects.get(name, "openai_chat")
        spoken = DIALECTS[declared]
        vendor = Vendor(name, declared)
        numbers = range(1, count + 1) if count > 1 else (0,)
        lanes = tuple(Lane(self._note, name, number, spoken) for number in numbers)

        def dialects(name: str, provider: Provider) -> Dialect:
            return DIALECTS[name]

        self._lanes[name] = lanes
        self._connected[name] = tuple(
            Connected(provider=vendor, transport=lane, dialects=dialects, key_number=number)
            for lane, number in zip(lanes, numbers, strict=True)
        )

    def _note(self, name: str) -> None:
        self.sent.append((round(self.seconds, 6), name))

    def lane(self, provider: str, key_number: int = 1) -> Lane:
        """One key of a provider."""
        return self._lanes[provider][key_number - 1]

    def health(self, name: str) -> Health:
        """What is known of a deployment, by the name ``sent`` has for it."""
        return next(health for health in self.fleet if health.name == name)

    def table(self) -> RouteTable:
        """The names that can be called."""
        return self.snapshot.part(RouteTable)

    def random_bits(self, count: int) -> int:
        """Bits that look random and are the same each time."""
        self.drawn += 1
        digest = blake2b(self.drawn.to_bytes(8, "big"), digest_size=8).digest()
        return int.from_bytes(digest, "big") >> (64 - count)

    @property
    def seconds(self) -> float:
        """Since the stand was set up."""
        return self.clock.monotonic_ns() / 1_000_000_000

    def play(self, playing: Coroutine[object, object, T]) -> T:
        """Run a coroutine on the stand's time, and on an event loop of its own: what belongs to one is made anew."""
        self._means = structs.replace(self._means, lateness=Lateness(self.clock))
        self.route = Route(self._means)
        return play(self.clock, playing)

    def call(self, model: str = "fast", /, **asked: object) -> Call:
        """A chat completion.

        ``asked`` are members of its body, but for ``dialect``, ``headers``, ``caller`` and ``operation``.
        """
        dialect = str(asked.pop("dialect", "openai_chat"))
        headers = convert(asked.pop("headers", {}), dict[str, str])
        caller = asked.pop("caller", None)
        operation = asked.pop("operation", "chat")
        fields = {
            "model": model,
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "Hi there"}],
            **asked,
        }
        body = json.dumps(fields).encode()
        metadata = fields.get("metadata")
        return Call(
            id="0" * 32,
            door=dialect,
            operation=str(operation),
            dialect=DIALECTS[dialect] if operation == "chat" else _EMBEDDINGS,  # pyright: ignore[reportArgumentType]
            body=body,
            head=Head(
                model=str(fields["model"]),
                stream=fields.get("stream") is True,
                stream_options=StreamFlags(),
                user=str(fields["user"]) if "user" in fields else None,
                metadata=UNSET if metadata is None else Raw(json.dumps(metadata).encode()),
                tools=Raw(b"[]") if "tools" in fields else UNSET,
            ),
            headers={name.encode(): value.encode("latin-1") for name, value in headers.items()},
            caller=caller if isinstance(caller, Caller) else None,
            snapshot=self.snapshot,
            started_wall_ns=self.clock.wall_ns(),
            started_monotonic_ns=self.clock.monotonic_ns(),
            loopback=True,
        )

    async def answer(self, call: Call) -> Answered:
        """Make a call and read its reply to the end."""
        body = b""
        told: list[SwitchgearError] = []

        def ended(error: SwitchgearError | None, *, cancelled: bool) -> None:
            if error is not None:
                told.append(error)

        status = 0
        reply: Reply | None = None
        try:
            reply = await self.route(call)
            status = reply.status
            reply.on_end(ended)
            body = reply.body
            if reply.frames is not None:
                async for frame in reply.frames:
                    body += frame.raw
        except SwitchgearError as error:
            status = status or error.status
            told = [error]
        finally:
            if reply is not None:
                reply.close()
        error = told[0] if told else None
        return Answered(call=call, at_seconds=round(self.seconds, 6), status=status, body=body, error=error)

    def ask(self, model: str = "fast", /, **asked: object) -> Answered:
        """One call, alone, to its end."""
        answered = self.play(self.answer(self.call(model, **asked)))
        self.assert_nothing_is_left_open()
        return answered

    def assert_nothing_is_left_open(self) -> None:
        """Every place is free again, every answer was read to its end or closed."""
        assert {health.name: health.gate.in_flight for health in self.fleet if health.gate.in_flight} == {}
        assert all(health.gate.waiting == 0 for health in self.fleet)
        lanes = [lane for lanes in self._lanes.values() for lane in lanes]
        assert all(lane.sending == 0 for lane in lanes)
        assert not any(playing.is_open for lane in lanes for playing in lane.played)


def deployments(*names: str, **terms: object) -> Declared:
    """The entry of a model with these deployments, all under the same terms."""
    return {"deployments": [{"model": name, **terms} for name in names]}
