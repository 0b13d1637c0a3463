"""The test stand: what every scenario needs, and the starting and stopping of what it measures."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.machine import CorePlan, free_port
from bench.payloads import BODY_BYTES, Bodies, chat_body
from bench.programs import LoadGenerator, LoadResult, Mock, RunningLoad, Schedule, Target
from bench.subjects import CHAT_PATH, Running, Site, Subject

SWEEP = (200.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0, 32_000.0, 64_000.0, 128_000.0, 256_000.0, 512_000.0)


@dataclass(frozen=True)
class Effort:
    """How long and how often things are measured."""

    rounds: int = 3
    seconds: float = 3.0
    warmup_seconds: float = 0.5
    rates: tuple[float, ...] = SWEEP
    open_streams: int = 1000


QUICK = Effort(rounds=1, seconds=1.5, warmup_seconds=0.3, rates=(200.0, 500.0, 2000.0, 16_000.0, 128_000.0))


class UnderTest(Protocol):
    """What a scenario sees of a running subject."""

    target: Target

    def cpu_seconds(self) -> float: ...
    def resident_kb(self) -> int: ...


class Direct:
    """No gateway at all: the calibration that every added latency is reckoned from."""

    def __init__(self, mock_port: int) -> None:
        self.target = Target(port=mock_port, path=CHAT_PATH, headers=(), model="gpt-bench")

    def cpu_seconds(self) -> float:
        return 0.0

    def resident_kb(self) -> int:
        return 0


@dataclass(frozen=True)
class Stand:
    """The mock is up, the generator is ready; `starts` keeps the seconds from exec to first answer of every start."""

    plan: CorePlan
    effort: Effort
    mock: Mock
    cache: Path
    folder: Path
    starts: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    @contextmanager
    def running(self, subject: Subject) -> Generator[Running]:
        """Start a subject in a folder of its own, alone on its core. Raises Unavailable."""
        with tempfile.TemporaryDirectory(
            dir=self.folder, prefix=f"{subject.name}-", ignore_cleanup_errors=True
        ) as folder:
            # nginx as root drops its workers to another user, who must be able to enter.
            Path(folder).chmod(0o755)
            site = Site(Path(folder), free_port(), self.mock.port, self.cache)
            running = Running(subject.launch(site), site, self.plan)
            try:
                self.starts.setdefault(subject.name, []).append(running.first_answer_seconds)
                yield running
            finally:
                running.stop()

    def load(self, target: Target, schedule: Schedule, wishes: str = "") -> LoadResult:
        """Put one load on one target, and wait for its end."""
        return self.begin(target, schedule, self.body(target, schedule, wishes)).result()

    def body(self, target: Target, schedule: Schedule, wishes: str = "", size: int = BODY_BYTES) -> Path:
        """The request of such a load."""
        return Bodies(self.folder).file(chat_body(target.model, wishes, stream=schedule.stream, size=size))

    def begin(self, target: Target, schedule: Schedule, body: Path | None) -> RunningLoad:
        """Begin to put one load on one target; without a body it asks by GET."""
        return LoadGenerator(self.plan).start(target, body, schedule)
