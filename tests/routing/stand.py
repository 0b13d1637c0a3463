"""The Route stage whole, on frozen time, before upstreams that answer by script.

A stand is declared as an operator declares it: models, and what holds for all of them. Each provider named there is
made up, with so many keys and a dialect; a lane is one of its keys, and what it answers is a list.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from hashlib import blake2b
from math import inf
from typing import Final, TypeVar

from msgspec import UNSET, Raw, Struct, convert

from switchgear.app.routes import route_table
from switchgear.config.model import Config
from switchgear.config.routing import ModelEntry, RoutingEntry
from switchgear.kernel.call import Call, Caller, Head, Snapshot, StreamFlags
from switchgear.kernel.chat import Choice, Completion, Text, Usage
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.dialect import Dialect, StreamOptions
from switchgear.kernel.errors import SwitchgearError, UpstreamError, UpstreamTimeout, UpstreamTruncated
from switchgear.kernel.fold import unfold
from switchgear.kernel.record import Attempt
from switchgear.kernel.reply import Headers, Reply
from switchgear.kernel.upstream import Origin, Provider, Quirks, Target, Timers, UpstreamReply
from switchgear.routing.affinity import Bindings
from switchgear.routing.course import Means
from switchgear.routing.deployment import Connected, lane_name
from switchgear.routing.fleet import Fleet
from switchgear.routing.health import Health
from switchgear.routing.model import RouteTable
from switchgear.routing.stage import Route
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.embeddings import OpenAIEmbeddings
from switchgear.wire.openai_chat import OpenAIChat
from tests.routing.timeless import play

T = TypeVar("T")
Declared = Mapping[str, object]

DIALECTS: Final[Mapping[str, Dialect]] = {
    "openai_chat": OpenAIChat(),
    "anthropic": Anthropic(),
    "embedder": OpenAIChat(),
}
_EMBEDDINGS: Final = OpenAIEmbeddings()
SILENCE: Final = inf
"""A step of a stream: nothing more comes until somebody loses patience."""
Step = bytes | float | UpstreamError


class Answer(Struct, frozen=True, kw_only=True):
    """What one request gets: after so many seconds a status and headers, then a body step by step.

    A step is bytes, seconds to wait, or the error that reading raises. ``says`` makes a good answer of it in whatever
    form was asked for; ``error`` is raised in place of a status.
    """

    after_seconds: float = 0.0
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    steps: tuple[Step, ...] = ()
    says: str = ""
    error: UpstreamError | None = None


def says(text: str = "Hello", *, after: float = 0.0) -> Answer:
    """A good answer."""
    return Answer(says=text, after_seconds=after)


def refuses(status: int, code: str = "", *, retry_after: str = "", kind: str = "", after: float = 0.0) -> Answer:
    """An error answer."""
    body = {"error": {"message": f"refused with {status}", "type": kind or None, "code": code or None}}
    told = ((b"retry-after", retry_after.encode()),) if retry_after else ()
    headers = ((b"content-type", b"application/json"), *told)
    return Answer(status=status, headers=headers, steps=(json.dumps(body).encode(),), after_seconds=after)


def streams(*steps: Step, after: float = 0.0) -> Answer:
    """A stream under status 200, as these bytes."""
    return Answer(headers=((b"content-type", b"text/event-stream"),), steps=steps, after_seconds=after)


def breaks(error: UpstreamError, *, after: float = 0.0) -> Answer:
    """No answer."""
    return Answer(error=error, after_seconds=after)


class Asked(Struct, frozen=True, kw_only=True):
    """One request that reached a lane."""

    at_seconds: float
    body: bytes
    timers: Timers


class Playing:
    """One answer while it is read; its pauses end when a timer fires or the reader closes it."""

    def __init__(self, answer: Answer, body: Sequence[Step], timers: Timers) -> None:
        self.status = answer.status
        self.headers: Headers = [*answer.headers]
        self.is_open = True
        self._steps = list(body)
        self._timers = timers
        self._until = asyncio.get_running_loop().time() + timers.total_seconds
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def read(self) -> bytes:
        while self._steps:
            if self._closing.done():
                raise UpstreamTruncated("closed")
            step = self._steps.pop(0)
            if isinstance(step, UpstreamError):
                raise step
            if isinstance(step, bytes):
                return step
            await self._pass(step)
        self.is_open = False
        return b""

    async def _pass(self, seconds: float) -> None:
        left = self._until - asyncio.get_running_loop().time()
        limit = min(self._timers.idle_seconds, left)
        await asyncio.wait((self._closing,), timeout=min(seconds, limit))
        if self._closing.done():
            raise UpstreamTruncated("closed")
        if seconds > limit:
            raise UpstreamTimeout("silent", phase="total" if left <= self._timers.idle_seconds else "idle")

    async def read_all(self, limit_bytes: int) -> bytes:
        body = b""
        while data := await self.read():
            body += data
        return body

    def close(self) -> None:
        self.is_open = False
        if not self._closing.done():
            self._closing.set_result(None)


class Vendor:
    """A provider that offers chat, unless its dialect is ``embedder``; the target's path is the model's name."""

    quirks = Quirks(begins_answers=True)
    forwards = False

    def __init__(self, name: str, dialect: str) -> None:
        self.name = name
        self._dialect = dialect

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        if operation != "chat" or self._dialect == "embedder":
            return None
        origin = Origin(scheme="http", host=f"{self.name}.example", port=80)
        return Target(origin=origin, method="POST", path=model, headers=(), dialect=self._dialect)

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
        return ()


class Lane:
    """One key of a provider: a transport that answers by script, and then always the same."""

    def __init__(self, note: Callable[[str], None], name: str, key_number: int, dialect: Dialect) -> None:
        self.asked: list[Asked] = []
        self.always: Answer = says()
        self.script: list[Answer] = []
        self.played: list[Playing] = []
        self.sending = 0
        """Requests whose status is awaited."""
        self._note = note
        self._name = name
        self._key_number = key_number
        self._dialect = dialect

    def answers(self, *answers: Answer) -> None:
        """The next answers, in this order; after them it is what ``always`` says."""
        self.script += answers

    @property
    def seconds(self) -> list[float]:
        """When it was asked."""
        return [asked.at_seconds for asked in self.asked]

    async def send(
        self, target: Target, body: bytes, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> UpstreamReply:
        now = asyncio.get_running_loop().time()
        self._note(lane_name(self._name, target.path, self._key_number))
        self.asked.append(Asked(at_seconds=round(now, 6), body=body, timers=timers))
        answer = self.script.pop(0) if self.script else self.always
        await self._wait(answer.after_seconds, timers)
        if answer.error is not None:
            raise answer.error
        playing = Playing(*self._worded(answer, body), timers)
        self.played.append(playing)
        return playing

    async def _wait(self, seconds: float, timers: Timers) -> None:
        limit = min(timers.first_byte_seconds, timers.total_seconds)
        self.sending += 1
        try:
            if seconds:
                await asyncio.sleep(min(seconds, limit))
        finally:
            self.sending -= 1
        if seconds > limit:
            raise UpstreamTimeout(
                "silent", phase="total" if timers.total_seconds <= timers.first_byte_seconds else "first_byte"
            )

    def _worded(self, answer: Answer, request: bytes) -> tuple[Answer, Sequence[Step]]:
        if not answer.says:
            return answer, answer.steps
        streamed = json.loads(request).get("stream") is True
        media = self._dialect.stream_type if streamed else b"application/json"
        form = Answer(headers=((b"content-type", media),))
        return form, streamed_answer(self._dialect, answer.says) if streamed else (
            self._dialect.write_reply(completion(answer.says)),
        )

    async def aclose(self) -> None: ...


def completion(text: str) -> Completion:
    """A whole answer that says ``text``."""
    choice = Choice(parts=(Text(text=text),), finish="stop")
    return Completion(id="c1", model="m", choices=(choice,), usage=Usage(input=3, output=2))


def streamed_answer(dialect: Dialect, text: str) -> tuple[bytes, ...]:
    """The same as a stream, event by event."""
    writer = dialect.writer(StreamOptions(include_usage=True))
    return tuple(written for event in unfold(completion(text)) if (written := writer.write(event)))


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
        means = Means(clock=self.clock, random_bits=self.random_bits, sleep=asyncio.sleep, bindings=self.bindings)
        self.route = Route(means)
        self.snapshot = self.declare(models, routing)

    def declare(self, models: Declared, routing: Declared | None = None) -> Snapshot:
        """A new configuration, from now on."""
        entries = convert(models, dict[str, ModelEntry])
        config = Config(models=entries, routing=convert(routing or {}, RoutingEntry))
        for entry in entries.values():
            for deployment in entry.deployments:
                self._connect(deployment.provider)
        table = route_table(config, self._connected, self.fleet, [])
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
        """Run a coroutine on the stand's time."""
        return play(self.clock, playing)

    def call(self, model: str = "fast", *, dialect: str = "openai_chat", **asked: object) -> Call:
        """A chat completion; ``asked`` are members of its body, ``headers`` and ``caller`` aside."""
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
                model=model,
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

    def ask(self, model: str = "fast", *, dialect: str = "openai_chat", **asked: object) -> Answered:
        """One call, alone, to its end."""
        answered = self.play(self.answer(self.call(model, dialect=dialect, **asked)))
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
