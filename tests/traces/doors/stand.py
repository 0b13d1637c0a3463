"""The doors of other tools on a server of their own, with an intake that remembers; and their SDKs as programs."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from switchgear.app.asker import asker_of
from switchgear.app.database import ControlDatabase
from switchgear.app.tool_doors import ToolDoors, tool_doors
from switchgear.auth.model import KeyRing, VirtualKey, digest_of, key_ring
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids, secret_hex
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.span import Content, Span, ToldSpan
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.ingest import Ingest
from switchgear.traces.ingest_counts import IngestCounts
from switchgear.traces.intake import Intake, Origin, Refusal, Taken
from switchgear.traces.media import Media
from switchgear.traces.normaliser import Normaliser
from switchgear.traces.scores.model import MaskText, as_it_is
from switchgear.traces.scores.store import Scores
from tests.management import Counting
from tests.memory_spans import MemorySpans

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = ROOT / "tests" / "e2e" / "sdks"
KEY = "sk-sg-test-0123456789abcdef0123456789"
OTHER_KEY = f"{KEY}-other"
APPLICATION_KEY, SENDING_KEY = f"{KEY}-application", f"{KEY}-sending"
READING_KEY, DELETING_KEY = f"{KEY}-reading", f"{KEY}-deleting"
BOTH = ("traces", "traces_read")
RING = key_ring(
    [
        VirtualKey(name="tester", digest=digest_of(KEY), project="blue", doors=BOTH),
        VirtualKey(name="stranger", digest=digest_of(OTHER_KEY), project="red", doors=BOTH),
        VirtualKey(name="application", digest=digest_of(APPLICATION_KEY), project="blue"),
        VirtualKey(name="sender", digest=digest_of(SENDING_KEY), project="blue", doors=("traces",)),
        VirtualKey(name="reader", digest=digest_of(READING_KEY), project="blue", doors=("traces_read",)),
        VirtualKey(name="shredder", digest=digest_of(DELETING_KEY), project="blue", doors=("traces_delete",)),
    ],
    allow_anonymous_loopback=False,
)


class Remembering(MemorySpans):
    """An intake and its store; spans as they were told, too, the newest of each id."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[tuple[str, str, str], ToldSpan] = {}
        self.origins: list[Origin] = []

    async def take(self, origin: Origin, told: Sequence[ToldSpan], *, replace: bool = False) -> Taken:
        """Refuse spans that were before the year 2000, as the real one does."""
        self.origins.append(origin)
        refused: list[Refusal] = []
        for place, span in enumerate(told):
            key = (origin.project, span.trace_id, span.span_id)
            if span.started_ns < 946_684_800_000_000_000:
                refused.append(Refusal(place=place, reason="bad_times", message="before the year 2000"))
            elif replace or key not in self.told:
                self.told[key] = span
                await self.write([_span(origin.project, span)], replace=True)
        return Taken(accepted=len(told) - len(refused), refused=tuple(refused))

    def named(self, name: str, project: str = "blue") -> ToldSpan:
        """The one span with this name."""
        (found,) = [span for key, span in self.told.items() if key[0] == project and span.name == name]
        return found


class Stand:
    """What a test holds."""

    def __init__(
        self, database: ControlDatabase, folder: Path, store: TraceStore | None = None, mask: MaskText = as_it_is
    ) -> None:
        """With a ``store``, spans are understood and kept there."""
        self.memory = Remembering()
        self.clock = FrozenClock(wall_ns=1_800_000_000_000_000_000)
        kept = self.memory if store is None else store
        self.intake: Intake = (
            self.memory if store is None else Ingest(store, Normaliser(), lambda span: span, self.clock)
        )
        self.ring: KeyRing = RING
        self.counts = IngestCounts()
        self.media = Media(database, folder / "media", self.clock, secret_hex, mask)
        self.doors = ToolDoors(
            database=database,
            intake=self.intake,
            store=kept,
            entrance=Entrance(lambda: self.ring, asker_of, self.clock),
            clock=self.clock,
            ids=Ids(self.clock, Counting()),
            media=self.media,
            counts=self.counts,
            mask=mask,
        )
        self.doors_scores = Scores(database, self.clock, as_it_is)
        self.app = FastAPI()
        for router in tool_doors(self.doors):
            self.app.include_router(router)

    @asynccontextmanager
    async def client(self, headers: Mapping[str, str] | None = None) -> AsyncGenerator[httpx.AsyncClient]:
        """Calls the doors without a socket; defects are answered as in a server."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("127.0.0.1", 50_000))
        said = {"authorization": f"Bearer {KEY}"} if headers is None else dict(headers)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=said) as made:
            yield made


def _span(project: str, told: ToldSpan) -> Span:
    def content(name: str) -> Content:
        value = told.attributes.get(name)
        return Content(parts=(value.encode(),)) if isinstance(value, str) else Content()

    kept = {name: value for name, value in told.attributes.items() if name not in ("input.value", "output.value")}
    return Span(
        project=project,
        trace_id=told.trace_id,
        span_id=told.span_id,
        parent_id=told.parent_id,
        name=told.name,
        started_ns=told.started_ns,
        ended_ns=told.ended_ns,
        status=told.status,
        status_message=told.status_message,
        input=content("input.value"),
        output=content("output.value"),
        attributes=kept,
        events=told.events,
    )


@cache
def sdk_python(*options: str) -> str:
    """The Python that has the SDKs; the test is skipped, by name, where they are not set up."""
    command = [str(ROOT / "scripts" / "tracing-sdks"), *options, "--where"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


async def run_program(name: str, url: str, *options: str, **environ: str) -> str:
    """Run one of ``tests/e2e/sdks`` against ``url``; what it prints. ``--older`` has it run with older SDKs."""
    python = sdk_python(*options)
    if not python:
        pytest.skip(f"needs the SDKs that {' '.join(('scripts/tracing-sdks', *options))} sets up")
    inherited = {name: value for name in ("HOME", "PATH", "XDG_CACHE_HOME") if (value := os.environ.get(name))}  # noqa: TID251 (of the child)
    process = await asyncio.create_subprocess_exec(
        python,
        str(PROGRAMS / name),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**inherited, "SWITCHGEAR_URL": url, "SWITCHGEAR_KEY": KEY, **environ},
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    sys.stderr.write(errors.decode())
    return out.decode()
