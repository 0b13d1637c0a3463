"""A dialect without a vendor: the canonical form itself, answers as JSON, one line to an event.

Requests are pickled, because JSON has no place for what the form holds as raw bytes.
"""

import pickle
from typing import TYPE_CHECKING, TypeVar

from msgspec.json import decode, encode

from switchgear.kernel.chat import (
    Chat,
    ChoiceStop,
    Completion,
    Delta,
    Done,
    Event,
    Failure,
    PartStart,
    PartStop,
    Start,
    UsageReport,
)
from switchgear.kernel.dialect import EventWriter, Family, StreamOptions
from switchgear.kernel.errors import BadRequest, SwitchgearError
from switchgear.kernel.retrieval import Embed, Embeddings
from switchgear.providers.simulator.director import Format

T = TypeVar("T")
Told = Start | PartStart | Delta | PartStop | ChoiceStop | UsageReport | Done


class CanonicalWriter:
    """Like OpenAI's writer, it tells usage only when asked."""

    def __init__(self, options: StreamOptions) -> None:
        self._options = options

    def write(self, event: Event) -> bytes:
        if isinstance(event, Failure):
            return encode({"failure": event.error.status, "code": event.error.code}) + b"\n"
        if isinstance(event, UsageReport) and not self._options.include_usage:
            return b""
        return encode(event) + b"\n"


class CanonicalDialect:
    family: Family = "chat"
    stream_type = b"application/jsonl"

    def read_request(self, body: bytes) -> Chat:
        return unpickled(body, Chat)

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        return encode(completion)

    def writer(self, options: StreamOptions) -> EventWriter:
        return CanonicalWriter(options)

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        return encode({"status": error.status, "code": error.code, "message": error.message, "param": error.param})


class CanonicalEmbeddings:
    family: Family = "embeddings"

    def read_request(self, body: bytes) -> Embed:
        return unpickled(body, Embed)

    def write_reply(self, reply: Embeddings, asked: Embed | None = None) -> bytes:
        return encode(reply)

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        return encode({"status": error.status, "code": error.code, "message": error.message, "param": error.param})


def encoded(request: Chat | Embed) -> bytes:
    """A request's body."""
    return pickle.dumps(request)


def unpickled(body: bytes, kind: type[T]) -> T:
    try:
        request: object = pickle.loads(body)
    except pickle.UnpicklingError as error:
        raise BadRequest(str(error)) from error
    assert isinstance(request, kind)
    return request


def read_lines(raw: bytes) -> list[Told]:
    """The events of a stream that did not fail."""
    return [decode(line, type=Told) for line in raw.splitlines()]


if TYPE_CHECKING:
    _: type[Format] = CanonicalDialect
