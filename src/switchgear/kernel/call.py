"""What goes down through the pipeline."""

from collections.abc import Mapping
from typing import TypeVar

from msgspec import UNSET, Raw, Struct, UnsetType, structs

from switchgear.kernel.capture import CaptureRules
from switchgear.kernel.chat import Chat
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import Internal, SwitchgearError
from switchgear.kernel.labels import KNOWN, NONE, PROPERTY, Labels, labels_of
from switchgear.kernel.record import Attempt, Wait
from switchgear.kernel.trace_context import TraceContext, onward, span_id_of
from switchgear.kernel.upload import Upload

T = TypeVar("T")

_UNSAID = KNOWN.isdisjoint
_NAMES = b"\n".join


class StreamFlags(Struct):
    """OpenAI's ``stream_options``, as far as the gateway must know it."""

    include_usage: bool | None = None


class Head(Struct):
    """The few fields of a request body that every stage may need; the rest stays bytes."""

    model: str
    stream: bool | None = None
    stream_options: StreamFlags | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    user: str | None = None
    metadata: Raw | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET
    n: Raw | UnsetType = UNSET
    """How many answers are asked for."""


class Caller(Struct, frozen=True, kw_only=True):
    """Who is calling: the name of a virtual key, or ``anonymous`` on loopback when no keys are configured."""

    key: str
    models: tuple[str, ...] = ()
    """Names of the models the key may use; empty means all."""
    organisation: str = ""
    project: str = ""
    team: str = ""
    user: str = ""
    """Whose key it is: a user, or a service account. For whom a call is made is the caller's own word (`Labels`)."""
    tags: tuple[str, ...] = ()
    """Of every call under the key, beside what the caller says."""


def model_allowed(allowed: tuple[str, ...], model: str) -> bool:
    """Whether ``model`` is among ``allowed``: exact names, or prefixes that end in ``*``; empty allows all."""
    if not allowed:
        return True
    return any(model.startswith(name[:-1]) if name.endswith("*") else model == name for name in allowed)


class Snapshot:
    """One immutable version of all that the data plane needs to know: a part for each slice that asks."""

    __slots__ = ("_parts", "capture", "is_limited", "version")

    def __init__(
        self,
        version: str,
        parts: Mapping[type, object],
        *,
        is_limited: bool = False,
        capture: CaptureRules | None = None,
    ) -> None:
        self.version = version
        self.capture = capture
        """What is kept of what calls say; None: nothing of any."""
        self.is_limited = is_limited
        """Whether calls fall under limits: those of one that has none do not pass the stage that looks."""
        self._parts = dict(parts)

    def part(self, kind: type[T]) -> T:
        """The part of type ``kind``; Internal when the composition forgot it."""
        found = self._parts.get(kind)
        if not isinstance(found, kind):
            raise Internal(
                f"the snapshot has no {kind.__name__}; app.py must build one for every slice in the pipeline"
            )
        return found


class Call(Struct, kw_only=True, eq=False):
    """One request, from the door that read it to the upstream that answers it."""

    id: str
    door: str
    operation: str
    dialect: Dialect
    body: bytes
    head: Head
    headers: Mapping[bytes, bytes]
    """Names in lower case."""
    snapshot: Snapshot
    started_wall_ns: int
    started_monotonic_ns: int
    loopback: bool
    """The connection comes from this machine."""
    peer: str = ""
    """The address of the connection's other end; empty where it has none."""
    upload: Upload | None = None
    """The body of an endpoint that takes it while it arrives; ``body`` is then empty."""
    tunnels: bool = False
    """Whether the upload is all that a client says in another protocol."""
    request_bytes: int = 0
    """What was taken of an upload."""
    findings: tuple[str, ...] = ()
    """What was seen wrong with it on its way."""
    notices: tuple[tuple[bytes, bytes], ...] = ()
    """Headers that tell the client something of the call, whatever becomes of it."""
    captured: str = ""
    """What stood in the path for the endpoint's placeholder: a model's name, an id."""
    query: str = ""
    """As it stood behind the path. It may hold a key: it is not recorded."""
    answer_id: str = ""
    """Under which id the client may refer to the answer later; empty: whatever the upstream calls it."""
    pinned: str = ""
    """The deployment that holds what the call refers to: where the model has it, it alone can answer."""
    avoided: frozenset[str] = frozenset()
    """Providers that it must not go to."""
    shadow_of: str = ""
    """The id of the call that this one is a copy of."""
    batched: bool = False
    """Whether it is a line of a batch that this installation runs."""
    caller: Caller | None = None
    """Set by Authenticate."""
    defect: SwitchgearError | None = None
    """What was found wrong with the request before the pipeline began."""
    attempts: list[Attempt] = []
    trace: TraceContext | None = None
    """Where it stands in its caller's trace; None: it came with none, and is a trace of its own."""
    authenticated_ns: int = 0
    """From the start of the call to the first look at its limits, of a call that has some."""
    limited_ns: int = 0
    """The same to their word."""
    waits: tuple[Wait, ...] = ()
    """For places at deployments' gates."""
    early_head_ns: int = 0
    """Nanoseconds from the start of the call to the head of its stream, where that went out before any answer."""
    recorded: bool = False
    """The outcome is written down: what the client sees can no longer change."""
    _chat: Chat | None = None
    _labels: Labels | None = None

    @property
    def stream(self) -> bool:
        """Whether the client asked for a stream."""
        return self.head.stream is True

    def chat(self) -> Chat:
        """The canonical form of the body, decoded once, when first asked for; that of the dialect's family.

        A dialect whose path names the model, and says whether to stream, leaves that to the head.
        Raises BadRequest or UnsupportedField.
        """
        if self._chat is None:
            self._chat = self.read(self.body)
        return self._chat

    @property
    def decoded(self) -> Chat | None:
        """The canonical form, where somebody has asked for it already."""
        return self._chat

    def labels(self) -> Labels:
        """What the caller says about the call, read once, when first asked for."""
        labels = self._labels
        if labels is None:
            head, headers = self.head, self.headers
            # Most calls say nothing, and must not pay for it.
            if head.user or head.metadata or not _UNSAID(headers) or _NAMES(headers).rfind(PROPERTY) >= 0:
                labels = labels_of(headers, head.user, b"" if head.metadata is UNSET else bytes(head.metadata))
            else:
                labels = NONE
            self._labels = labels
        return labels

    @property
    def kept_bytes(self) -> int:
        """How much is kept of what it says, and as much of what it is answered; 0: nothing.

        Of a stranger nothing is kept.
        """
        rules, caller = self.snapshot.capture, self.caller
        if rules is None or caller is None or rules.level(caller.project) == "none":
            return 0
        return rules.max_bytes

    def trace_headers(self, entry: Attempt) -> tuple[tuple[str, str], ...]:
        """What tells an upstream that its work is part of the caller's trace, below the span that ``entry`` becomes.

        Empty where the call came with no trace.
        """
        if self.trace is None:
            return ()
        entry.span_id = span_id_of(self.id, len(self.attempts))
        return onward(self.trace, entry.span_id)

    def read(self, body: bytes) -> Chat:
        """The canonical form of another body for the same call. Raises BadRequest or UnsupportedField."""
        chat = self.dialect.read_request(body)
        if chat.model:
            return chat
        # Where the path names the model, it also says whether to stream.
        said = {"stream": self.stream} if self.dialect.family == "chat" else {}
        return structs.replace(chat, model=self.head.model, **said)

    def rewrite(self, body: bytes) -> None:
        """Go on with another body of the same dialect; what was read of the first is forgotten."""
        self.body = body
        self._chat = None
