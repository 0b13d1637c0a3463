"""What a gateway says of itself: to the control process when it forwards, or to a caller when it is alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from msgspec.json import encode

from switchgear.auth.address import Ranges
from switchgear.auth.model import KeyRing
from switchgear.config.feed import feed_age_seconds
from switchgear.doors.gateway import Snapshots
from switchgear.kernel.clock import Clock
from switchgear.kernel.reply import Headers, Reply


class Health(Protocol):
    """Whether finished calls can be written down, and how many could not."""

    @property
    def healthy(self) -> bool: ...

    @property
    def lost_records(self) -> int: ...


class Exposition(Protocol):
    """Counts in Prometheus' text format."""

    def render(self) -> str: ...


class GatewayState:
    """The configuration in force, what is wrong with the newest one, the journal, and whether the process drains."""

    def __init__(self, snapshots: Snapshots, journal: Health, meter: Exposition | None, clock: Clock) -> None:
        self._snapshots = snapshots
        self._journal = journal
        self._meter = meter
        self._alone = meter is not None
        self.config_problem = ""
        self.secrets_problem: Callable[[], str] = str
        """Which secrets could not be read again."""
        self.draining = False
        self.feed: Path | None = None
        """Where the feed of the control process is."""
        self._clock = clock

    def headers(self) -> tuple[tuple[str, str], ...]:
        """For the control process; the problem in one line of ASCII, as a header must be."""
        problem = " | ".join(self.problem.split("\n")).encode("ascii", "replace").decode()[:2000]
        return (
            ("x-switchgear-gateway-config", self._snapshots.current.version),
            ("x-switchgear-gateway-problem", "".join(c if c.isprintable() else " " for c in problem)),
            ("x-switchgear-gateway-journal", "ok" if self._journal.healthy else "failing"),
            ("x-switchgear-gateway-lost-records", str(self._journal.lost_records)),
            ("x-switchgear-gateway-feed-age", "" if self.feed_age_seconds is None else f"{self.feed_age_seconds:.1f}"),
            ("x-switchgear-gateway-draining", "yes" if self.draining else "no"),
        )

    @property
    def problem(self) -> str:
        """What is wrong with the newest configuration, or with what it refers to; empty: nothing."""
        return self.config_problem or self.secrets_problem()

    @property
    def feed_age_seconds(self) -> float | None:
        """How long ago a control process said that its database says what this gateway knows; None: never."""
        age = None if self.feed is None else feed_age_seconds(self.feed, self._clock.wall_ns())
        return None if age is None else round(age, 1)

    @property
    def trusted_proxies(self) -> Ranges:
        """Whose word counts for where a client is."""
        return self._snapshots.current.part(KeyRing).trusted_proxies

    @property
    def ready(self) -> bool:
        """Whether new calls are welcome."""
        return self._journal.healthy and not self.draining

    def healthz(self) -> Reply:
        """The process answers."""
        return Reply(200, _json(), encode({"status": "ok"}))

    def readyz(self) -> Reply:
        """Whether new calls are welcome, and under which configuration."""
        facts = {
            "status": "ok" if self.ready else "not ready",
            "config": self._snapshots.current.version,
            "config_problem": self.problem,
            "journal": "ok" if self._journal.healthy else "failing",
            "feed_age_seconds": self.feed_age_seconds,
            "draining": self.draining,
            "journal_lost_records": self._journal.lost_records,
            "control": "none" if self._alone else "down",
        }
        return Reply(200 if self.ready else 503, _json(), encode(facts))

    def readyz_of_control(self) -> Reply:
        """There is no control process that would answer, or not yet."""
        return Reply(503, [*_json(), (b"retry-after", b"1")], encode({"status": "not ready", "control": "down"}))

    def metrics(self) -> Reply:
        """This process's own counts."""
        text = self._meter.render() if self._meter is not None else ""
        return Reply(200, [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")], text.encode())


def _json() -> Headers:
    return [(b"content-type", b"application/json")]
