"""The journal's records become spans in a store, each once."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.query import Aggregate, Doomed, Find, Found, Group
from switchgear.kernel.span import Span
from switchgear.processes.span_keeping import OFFSETS_FILE, SpanKeeper
from switchgear.traces.gateway_spans import CallRules
from switchgear.traces.masked import SpanMasks
from switchgear.traces.offsets import FileOffsets
from switchgear.wire.registry import discover
from tests.traces.samples import record, write, writer


class Spans:
    """A store in memory, which may be broken."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], Span] = {}
        self.broken = False

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        if self.broken:
            raise OSError("full")
        before = len(self.kept)
        for span in spans:
            self.kept.setdefault((span.project, span.trace_id, span.span_id), span)
        return len(self.kept) - before

    async def find(self, question: Find) -> Found:
        raise OSError("not asked here")

    async def aggregate(self, question: Aggregate) -> list[Group]:
        raise OSError("not asked here")

    async def read(self, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
        raise OSError("not asked here")

    async def delete(self, doomed: Doomed) -> int:
        raise OSError("not asked here")


def keeper(directory: Path, store: Spans, clock: FrozenClock | None = None) -> SpanKeeper:
    rules = CallRules(kinds={"openai": "openai"}, steps="all")
    masks = SpanMasks(lambda _: ())
    return SpanKeeper(directory, store, clock or FrozenClock(), discover(), lambda: rules, masks)


async def test_what_is_read_again_after_a_crash_is_kept_once(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3)
    store = Spans()
    for _ in range(2):  # the first one dies before its position is kept
        first = keeper(tmp_path, store)
        await first.take(first.open())

    assert len(store.kept) == 6


async def test_a_store_that_fails_is_owed_what_the_journal_holds(tmp_path: Path) -> None:
    write(tmp_path, 1)
    store = Spans()
    store.broken = True
    keeping = keeper(tmp_path, store)
    with pytest.raises(OSError, match="full"):
        await keeping.take(keeping.open())
    store.broken = False

    await keeping.take(keeping.open())

    assert len(store.kept) == 2


async def test_the_position_is_kept_after_the_spans(tmp_path: Path) -> None:
    clock = FrozenClock()
    clock.advance(10)
    journal, store = writer(tmp_path, clock), Spans()
    journal.append(record(1))
    keeping = keeper(tmp_path, store, clock)

    await keeping.take(keeping.open())
    journal.close()

    assert FileOffsets(tmp_path / OFFSETS_FILE).load()
    assert len(store.kept) == 2
