"""Upstreams that answer by script, one lane for each key of a provider, and what an answer of theirs can be."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final

from msgspec import Struct

from switchgear.kernel.chat import Choice, Completion, Text, Usage
from switchgear.kernel.dialect import Dialect, StreamOptions
from switchgear.kernel.errors import UpstreamError, UpstreamTimeout, UpstreamTruncated
from switchgear.kernel.fold import unfold
from switchgear.kernel.reply import Headers
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Origin, Quirks, Target, Timers, UpstreamReply
from switchgear.routing.deployment import lane_name
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.openai_chat import OpenAIChat

DIALECTS: Final[Mapping[str, Dialect]] = {
    "openai_chat": OpenAIChat(),
    "anthropic": Anthropic(),
    "embedder": OpenAIChat(),
}
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
    """A provider that offers chat, unless its dialect is ``embedder``; the target's path is the model's name.

    Its models can be begun, unless it is called ``chatty``.
    """

    forwards = False

    def __init__(self, name: str, dialect: str) -> None:
        self.name = name
        self.quirks = Quirks(begins_answers=name != "chatty")
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
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> UpstreamReply:
        assert isinstance(body, bytes)
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
