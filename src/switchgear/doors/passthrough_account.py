"""What is passed on, and what the record and the deployment's health are told of one try at it."""

from typing import Final

from msgspec import Struct

from switchgear.doors.passthrough_cost import settle
from switchgear.doors.passthrough_reply import Place
from switchgear.doors.passthrough_upload import Body
from switchgear.kernel.call import Call
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.pricing import Price
from switchgear.kernel.record import Attempt
from switchgear.kernel.upstream import Target, Timers, UpstreamReply
from switchgear.routing.budget import Budget
from switchgear.routing.causes import cause_of
from switchgear.routing.health import Health
from switchgear.routing.passthrough import Way
from switchgear.routing.policy import Retries
from switchgear.wire.audio_measures import DurationScan
from switchgear.wire.image_count import ImageScan
from switchgear.wire.usage_scan import UsageScan

_JSON: Final = b"application/json"
_READABLE: Final = (_JSON, b"text/event-stream")


class Errand(Struct, frozen=True, kw_only=True):
    """Where one call is passed on to."""

    way: Way
    target: Target
    place: Place
    timers: Timers
    metered: bool
    """Whether a usage in the answer is the call's own."""
    retries: Retries = Retries(attempts=1)
    deployment: str = ""
    """Empty where the call names no model: then the provider's name stands for it."""
    model: str = ""
    health: Health | None = None
    """Of the deployment."""
    budget: Budget | None = None
    """What may be tried again at the provider."""
    upload: Body | None = None
    """In place of the call's body."""
    characters: int = 0
    """Of the text that is to be spoken."""
    heard: bool = False
    """Whether the answer may tell how long a recording is."""
    drawn: bool = False
    """Whether the answer may hold pictures."""
    free: bool = False
    """Whether vendors bill nothing for it."""
    price: Price | None = None


class Account:
    """The entry of one attempt, completed once; its place at the deployment's gate is taken already."""

    __slots__ = ("_clock", "_duration", "_errand", "_images", "_is_probe", "_started_ns", "_usage", "entry")

    def __init__(self, call: Call, errand: Errand, clock: Clock, why: str = "") -> None:
        self._clock = clock
        self._errand = errand
        self._started_ns = clock.monotonic_ns()
        self._usage: UsageScan | None = None
        self._duration: DurationScan | None = None
        self._images: ImageScan | None = None
        self._is_probe = errand.health is not None and errand.health.begin(self._started_ns)
        self.entry = Attempt(
            deployment=errand.deployment or errand.way.name,
            provider=errand.way.name,
            model=errand.model,
            started_ns=clock.wall_ns(),
            why=why,
            characters=errand.characters,
        )
        call.attempts.append(self.entry)

    def opened(self, upstream: UpstreamReply) -> None:
        """Status and headers came."""
        said = dict(upstream.headers)
        self.entry.status = upstream.status
        self.entry.upstream_id = said.get(b"x-request-id", b"").decode("latin-1")
        media = said.get(b"content-type", b"").lower()
        if self._errand.metered and media.startswith(_READABLE):
            self._usage = UsageScan()
        if self._errand.heard and media.startswith(_JSON):
            self._duration = DurationScan()
        if self._errand.drawn and media.startswith(_JSON):
            self._images = ImageScan()

    def worked(self) -> None:
        """The upstream answers, and it is no error."""
        health = self._errand.health
        if health is not None:
            health.worked(self._clock.monotonic_ns(), probe=self._is_probe)
            self._is_probe = False

    def came(self, data: bytes) -> None:
        """Bytes of the answer came."""
        if not self.entry.first_byte_ns:
            self.entry.first_byte_ns = self._clock.monotonic_ns() - self._started_ns
        if self._usage is not None:
            self._usage.feed(data)
        if self._duration is not None:
            self._duration.feed(data)
        if self._images is not None:
            self._images.feed(data)

    def ended(self, error: SwitchgearError | None, *, cancelled: bool = False, blames: bool = True) -> None:
        """Nothing more comes; ``blames``: whether an error is the deployment's doing."""
        entry = self.entry
        now_ns = self._clock.monotonic_ns()
        entry.duration_ns = now_ns - self._started_ns
        self._measure()
        if error is not None:
            entry.outcome = "cancelled" if error.fault == "caller" else "failed"
            entry.error = f"{error.code}: {error.message}"
            entry.cause = "" if error.fault == "caller" else cause_of(error, answered=entry.status != 0)
        elif cancelled:
            entry.outcome = "cancelled"
        settle(entry, self._errand.price, free=self._errand.free)
        if self._errand.health is not None:
            self._tell(self._errand.health, error if blames else None, now_ns)

    def _measure(self) -> None:
        scan, entry = self._usage, self.entry
        told = 0.0
        if scan is not None:
            entry.usage, told = scan.usage, scan.seconds
        entry.audio_seconds = told or (0.0 if self._duration is None else self._duration.seconds)
        entry.images = 0 if self._images is None else self._images.images

    def _tell(self, health: Health, error: SwitchgearError | None, now_ns: int) -> None:
        if error is not None and error.fault != "caller":
            cause = cause_of(error, answered=self.entry.status != 0)
            health.failed(cause, now_ns, error, probe=self._is_probe, late=self.entry.first_byte_ns != 0)
        elif self._is_probe:
            health.left(probe=True)
        usage = self.entry.usage
        health.end(usage.total_input + usage.total_output if usage is not None and health.counts_tokens else 0, now_ns)
