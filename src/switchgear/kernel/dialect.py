"""The seam of wire formats: one dialect serves clients and calls upstreams alike.

Dialects of one family meet in one canonical form: ``chat`` in that of ``kernel/chat.py``, ``embeddings`` and ``rerank``
in those of ``kernel/retrieval.py`` (with :class:`Embed` and :class:`Rerank` for Chat, their answers for Completion),
``count_tokens`` in a Chat whose Completion has only usage. What a family does not know, a stream above all, its
dialects leave out.

A dialect is pure: no I/O, no clock, no randomness. It reads and writes the canonical form of ``kernel/chat.py``;
for a call whose two ends speak the same dialect it also relays bytes untouched and only glances at what
accounting needs.
"""

from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from switchgear.kernel.chat import Chat, Completion, Event, Finish, Usage
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.kernel.retrieval import Embed


class Tally(Struct, kw_only=True):
    """What accounting learns from an answer while it passes by."""

    usage: Usage | None = None
    usage_at_start: Usage | None = None
    """What a stream told as it began, of an answer that is translated: right about the input only."""
    finish: Finish | None = None
    service: str | None = None
    """The class of service that answered, as the upstream told it: it decides the price."""
    content_bytes: int = 0
    """UTF-8 bytes of content seen (text, thinking, arguments): the base of an estimate when no usage comes."""
    content_frames: int = 0
    """Stream events that carried content; many servers send one token in each."""
    complete: bool = False
    """The dialect's own end mark was seen ([DONE], message_stop); always true of a whole JSON answer."""
    complete_at_end: bool = False
    """For dialects without an end mark: should the transfer end now, the answer is complete."""
    error: SwitchgearError | None = None


Family = Literal["chat", "embeddings", "rerank", "count_tokens"]
"""Which canonical form a dialect reads and writes; translation goes between dialects of one family."""


class Splitter(Protocol):
    """Cuts the bytes of a stream into complete frames."""

    def feed(self, data: bytes) -> bytes:
        """The frames that are complete now, joined as they came; UpstreamGarbled when one outgrows all bounds."""
        ...


class EventReader(Protocol):
    """Turns the bytes of a stream into canonical events; any split of the bytes gives the same events."""

    def feed(self, data: bytes) -> list[Event]:
        """Read more bytes. Broken data gives a final :class:`Failure` event, never an exception."""
        ...

    def close(self) -> list[Event]:
        """The transfer ended: a :class:`Failure` (UpstreamTruncated) unless :class:`Done` was already given."""
        ...


class EventWriter(Protocol):
    """Turns canonical events into the bytes of a stream."""

    def write(self, event: Event) -> bytes:
        """The bytes for one event; empty when the dialect has none for it. Failure writes an error frame."""
        ...


class Relay(Protocol):
    """Passes the frames of a stream through, same dialect in and out, with the declared splices only."""

    tally: Tally

    def forward(self, frames: bytes) -> bytes:
        """Take one or more complete frames as they came; give back what goes to the client."""
        ...


class StreamOptions(Struct, frozen=True, kw_only=True):
    """What the client asked of the stream, and what the gateway will add or hide."""

    include_usage: bool = False
    """The client asked for a usage chunk (OpenAI's ``stream_options.include_usage``)."""
    input_tokens_estimate: int = 0
    """Used where a dialect must tell usage before it is known (Anthropic's ``message_start``)."""
    asked: Chat | None = None
    """The request, for dialects whose answers repeat parts of it."""
    answer_id: str = ""
    """The gateway's own name for the answer, for dialects whose clients refer to it later; empty: the upstream's."""
    created_seconds: int = 0
    """When the call came (Unix time), for answers whose upstream tells no time."""


@runtime_checkable
class Untelling(Protocol):
    """A dialect of embeddings or rankings that leaves hints out which change nothing at its vendor's own models."""

    def untold(self, asked: Embed) -> tuple[str, ...]:
        """The names of the hints in ``asked`` that :meth:`write_request` leaves out."""
        ...


class Dialect(Protocol):
    """A wire format, both directions."""

    name: str
    family: Family
    stream_type: bytes
    """The Content-Type of its streams."""
    keepalive: bytes
    """A frame that clients of the dialect ignore; sent when an open stream has been silent."""

    def read_request(self, body: bytes) -> Chat:
        """Raises BadRequest or UnsupportedField, naming the field."""
        ...

    def write_request(self, chat: Chat) -> bytes:
        """Raises UnsupportedField for what this dialect cannot say; nothing is dropped in silence."""
        ...

    def read_reply(self, body: bytes) -> Completion:
        """Raises UpstreamGarbled, or UpstreamRefused for an error object under status 200."""
        ...

    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes:
        """The body for a client; ``asked`` is its request, for dialects whose answers depend on it or repeat it."""
        ...

    def glance(self, body: bytes) -> Tally:
        """Usage and finish of a whole answer without reading the rest; raises as :meth:`read_reply` does."""
        ...

    def prepare(self, body: bytes, model: str, *, stream: bool) -> bytes:
        """The client's request with the declared splices for an upstream of the same dialect.

        The model name becomes ``model``; a stream asks for its usage. Every other byte stays as it came.
        """
        ...

    def splitter(self) -> Splitter: ...

    def relay(self, options: StreamOptions) -> Relay: ...

    def events(self) -> EventReader: ...

    def writer(self, options: StreamOptions) -> EventWriter: ...

    def read_error(self, status: int, body: bytes, retry_after_seconds: float | None) -> UpstreamRefused:
        """Read an upstream's error answer, whatever it is (JSON of any shape, HTML, nothing); never raises."""
        ...

    def write_error(self, error: SwitchgearError, request_id: str) -> bytes:
        """The body of an error answer in the client's own shape."""
        ...

    def write_failure(self, error: SwitchgearError, request_id: str) -> bytes:
        """The frame that ends a stream that has already begun; no end mark follows it."""
        ...
