"""An upstream without a socket: what it answers is a list."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from switchgear.kernel.call import Call, Head, Snapshot, StreamFlags
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import UpstreamError, UpstreamTruncated
from switchgear.kernel.reply import Headers, Reply
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Origin, Provider, Quirks, Target, Timers, UpstreamReply
from switchgear.routing.attempt import attempt
from switchgear.routing.budget import Budget
from switchgear.routing.deployment import Connected, Deployment, Terms
from switchgear.routing.health import Health
from switchgear.routing.policy import UNBOUNDED, BreakerRules
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.openai_chat import OpenAIChat

EVENTS: Final = [(b"content-type", b"text/event-stream; charset=utf-8")]
JSON: Final = [(b"content-type", b"application/json")]
SILENCE: Final = None
"""A step of a script: nothing more comes until the reply is closed."""

DONE: Final = b"data: [DONE]\n\n"
Step = bytes | UpstreamError | None


def chunk(content: str = "", *, finish: str | None = None, usage: str = "") -> bytes:
    """One chunk of an OpenAI stream."""
    stop = f'"{finish}"' if finish else "null"
    delta = f'{{"content":"{content}"}}' if content else "{}"
    choices = f'[{{"index":0,"delta":{delta},"finish_reason":{stop}}}]'
    told = f',"usage":{usage}' if usage else ""
    line = f'{{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":{choices}{told}}}'
    return f"data: {line}\n\n".encode()


USAGE: Final = b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'  # noqa: E501
WHOLE: Final = b'{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}'  # noqa: E501


class ScriptedReply:
    """An UpstreamReply that plays its steps, one to a read, and knows whether it was closed."""

    def __init__(self, steps: Sequence[Step], headers: Headers, status: int) -> None:
        self.status = status
        self.headers = headers
        self.closed = False
        self.reads = 0
        self._steps = list(steps)
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def read(self) -> bytes:
        self.reads += 1
        if self.closed:
            raise UpstreamTruncated("closed")
        if not self._steps:
            return b""
        step = self._steps.pop(0)
        if step is None:
            await asyncio.wait((self._closing,))
            raise UpstreamTruncated("closed")
        if isinstance(step, UpstreamError):
            raise step
        return step

    async def push(self, sink: Callable[[bytes], bool]) -> None:
        while sink(await self.read()):
            pass

    async def read_all(self, limit_bytes: int) -> bytes:
        body = b""
        while data := await self.read():
            body += data
        return body

    def close(self) -> None:
        self.closed = True
        if not self._closing.done():
            self._closing.set_result(None)


class Stage:
    """One upstream that answers with a script, and the calls made to it."""

    def __init__(self, *steps: Step, headers: Headers = EVENTS, status: int = 200) -> None:
        self.reply = ScriptedReply(steps, headers, status)
        self.clock = FrozenClock()
        self.sent = b""
        self.error: UpstreamError | None = None

    async def send(
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> UpstreamReply:
        assert isinstance(body, bytes)
        self.sent = body
        if self.error is not None:
            raise self.error
        return self.reply

    async def aclose(self) -> None: ...

    async def attempt(
        self, call: Call, *, end_mark: bytes = b"", speaks: Dialect | None = None, drop: tuple[str, ...] = ()
    ) -> Reply:
        """Try the call at this upstream."""
        spoken = speaks or OpenAIChat()

        def dialects(name: str, provider: Provider) -> Dialect:
            return spoken

        vendor = Vendor(spoken.name)
        connected = Connected(provider=vendor, transport=self, dialects=dialects, missing_end_mark=end_mark)
        deployment = deployed(connected, "m", Terms(drop=drop))
        plan = deployment.plan(call.operation, call.dialect)
        assert plan is not None
        return await attempt(call, deployment, plan, self.clock)


def healthy(name: str) -> Health:
    """Of a deployment that nothing has happened to."""
    return Health(name, BreakerRules(), UNBOUNDED)


def deployed(connected: Connected, model: str, terms: Terms | None = None) -> Deployment:
    """A deployment in good health."""
    health = healthy(f"{connected.provider.name}/{model}")
    return Deployment(connected, model, terms or Terms(), health, Budget(0.2))


class Vendor:
    """A provider that offers everything in one dialect."""

    name = "acme"
    quirks = Quirks()
    forwards = False

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        origin = Origin(scheme="http", host="acme.example", port=80)
        return Target(origin=origin, method="POST", path="/v1", headers=(), dialect=self._dialect)

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
        return ()


def a_call(dialect: Dialect | None = None, *, stream: bool = True, usage: bool = False) -> Call:
    """A chat completion; through the OpenAI door unless another dialect is named."""
    spoken = dialect or OpenAIChat()
    flag = b"true" if stream else b"false"
    return Call(
        id="0" * 32,
        door="openai",
        operation="chat",
        dialect=spoken,
        body=b'{"model":"fast","max_tokens":50,"stream":%b,"messages":[{"role":"user","content":"Hi there"}]}' % flag,
        head=Head(model="fast", stream=stream, stream_options=StreamFlags(include_usage=usage)),
        headers={},
        snapshot=Snapshot("v", {}),
        started_wall_ns=0,
        started_monotonic_ns=0,
        loopback=True,
    )


def anthropic() -> Dialect:
    """The other dialect: a call that speaks it is translated."""
    return Anthropic()


async def text_of(reply: Reply) -> bytes:
    """All bytes of a streamed reply."""
    assert reply.frames is not None
    return b"".join([frame.raw async for frame in reply.frames])
