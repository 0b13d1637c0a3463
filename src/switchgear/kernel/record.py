"""What is remembered of a call: one record, with one entry for each attempt at an upstream.

These are the journal's payloads. Fields are only ever added, with a default: old segments stay readable.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from switchgear.kernel.capture import CaptureLevel
from switchgear.kernel.chat import Usage
from switchgear.kernel.pricing import CostReason, CostState

Outcome = Literal["ok", "refused", "failed", "cancelled"]
"""``refused`` is the caller's fault, ``failed`` anybody else's; ``cancelled``: the client went away first."""


class Attempt(Struct, kw_only=True, omit_defaults=True):
    """One try at one deployment."""

    deployment: str
    provider: str
    model: str
    """The model's name at the provider."""
    started_ns: int
    """Wall time."""
    status: int = 0
    """The upstream's HTTP status; 0 when none came."""
    first_byte_ns: int = 0
    """Nanoseconds from the start of the attempt to the first byte of the answer's body; 0 when none came."""
    first_token_ns: int = 0
    """The same to the first piece of content: lifecycle events, pings and empty deltas are none."""
    why: str = ""
    """What made it: empty for the first one, else ``retry``, ``fallback``, ``hedge``, ``resume`` or ``shadow``."""
    cause: str = ""
    """Why it failed, as routing understood it."""
    duration_ns: int = 0
    outcome: Outcome = "ok"
    error: str = ""
    """The error's code, with its message after a colon."""
    finish: str = ""
    usage: Usage | None = None
    audio_seconds: float = 0.0
    """Of the recording that was heard, where the answer tells."""
    characters: int = 0
    """Of the text that was spoken."""
    images: int = 0
    """That were made, where the answer holds or names them."""
    cost_nano_usd: int = 0
    """What it cost, in nano-dollars, under ``price``."""
    cost: CostState = ""
    """How sure that is."""
    reason: CostReason = ""
    """Why it is not settled."""
    service: str = ""
    """The class of service that answered, as the upstream told it."""
    least: Usage | None = None
    """Of what is not settled: what was used for certain."""
    most: Usage | None = None
    """What cannot have been passed; None where nothing bounds it. Estimated: how its input was read is not known."""
    lowest_nano_usd: int = 0
    """What ``least`` costs."""
    highest_nano_usd: int | None = None
    """What ``most`` costs at the dearest rates that fit; None where nothing bounds it."""
    price: str = ""
    """The version of the price table, or ``declared-`` and a digest of the operator's rates; empty: not known."""
    upstream_id: str = ""
    dropped: tuple[str, ...] = ()
    """Fields of the request that the deployment's ``drop`` left out."""
    span_id: str = ""
    """Which span the upstream was told to stand below; empty where the call came with no trace."""


class Wait(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """For a place at a deployment's gate."""

    deployment: str
    began_ns: int
    """From the start of the call."""
    duration_ns: int


class CallRecord(Struct, kw_only=True, omit_defaults=True):
    """One finished call."""

    id: str
    started_ns: int
    """Wall time."""
    door: str
    operation: str
    model: str = ""
    """As the client named it."""
    key: str = ""
    """The virtual key's name, never the key."""
    organisation: str = ""
    project: str = ""
    team: str = ""
    owner: str = ""
    """The user or service account whose key it is."""
    user: str = ""
    """For whom, as the caller says."""
    session: str = ""
    """The conversation, as the caller says."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}
    """Whatever else the caller says of the call."""
    stream: bool = False
    status: int = 0
    """The status the client saw."""
    outcome: Outcome = "ok"
    error: str = ""
    duration_ns: int = 0
    first_byte_ns: int = 0
    """From the start of the call to the first byte of the answer for the client; keep-alives are none."""
    early_head_ns: int = 0
    """From the start of the call to the head of its stream, where that went out before any answer was there."""
    request_bytes: int = 0
    response_bytes: int = 0
    """Of the answer's body, a stream's as far as it was made; 0 for a refusal of the gateway's own."""
    findings: tuple[str, ...] = ()
    """What was seen wrong on the way: with the lines of an upload, or a model that is deprecated or retired."""
    config: str = ""
    """The version of the configuration the call ran under."""
    attempts: list[Attempt] = []
    shadow_of: str = ""
    """The id of the call that this one is a copy of; nobody saw its answer."""
    gateway: str = ""
    """Which gateway process wrote the record."""
    trace_id: str = ""
    """The trace that the call came with; empty: its own id is the trace's."""
    parent_span_id: str = ""
    """The caller's span in it."""
    authenticated_ns: int = 0
    """From the start of the call to the first look at its limits; 0 where it has none."""
    limited_ns: int = 0
    """The same to their word."""
    waits: tuple[Wait, ...] = ()


class CapturedRecord(CallRecord, kw_only=True, omit_defaults=True):
    """A finished call with what it said: whoever reads only a CallRecord passes over the rest, and does not keep it."""

    capture: CaptureLevel = "none"
    dialect: str = ""
    """Of both bodies; empty: they are no dialect's."""
    request_body: bytes = b""
    request_cut: bool = False
    """There was more of it."""
    answer_body: bytes = b""
    answer_frames: bytes = b""
    """In its place, of a stream: compressed with zstd."""
    answer_cut: bool = False
