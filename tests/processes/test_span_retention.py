"""Old traces are deleted, as their project wants it, and only those."""

from pathlib import Path

import pytest
from msgspec import structs

from switchgear.config.loading import parse
from switchgear.engines.sqlite_spans.store import SqliteSpans
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.query import Doomed, Find, Window
from switchgear.kernel.span import Span
from switchgear.processes.span_retention import NO_PROJECT, SpanRetention

DAY_SECONDS = 86_400
DECLARED = """
providers: {sim: {kind: simulator}}
traces: {keep_days: 10}
projects: {brief: {traces: {keep_days: 2}}, usual: {}}
"""
CONFIG = parse(DECLARED, "switchgear.yaml", {})


def ended(project: str, at_ns: int) -> Span:
    return Span(
        project=project, trace_id="1" * 32, span_id="2" * 16, name="s", started_ns=at_ns - 1_000, ended_ns=at_ns
    )


async def left(store: SqliteSpans, project: str) -> int:
    window = Window(project=project, since_ns=0, until_ns=1 << 62)
    return len((await store.find(Find(window=window, of="traces"))).traces)


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        (1, {"brief": 1, "usual": 1, NO_PROJECT: 1}),
        (3, {"brief": 0, "usual": 1, NO_PROJECT: 1}),
        (11, {"brief": 0, "usual": 0, NO_PROJECT: 0}),
    ],
)
async def test_a_trace_is_kept_as_long_as_its_project_says(tmp_path: Path, days: int, kept: dict[str, int]) -> None:
    clock = FrozenClock()
    store = SqliteSpans(tmp_path / "traces.db")
    await store.start()
    try:
        await store.write([ended(project, clock.wall_ns()) for project in kept])
        clock.advance(days * DAY_SECONDS)
        deleted = await SpanRetention(store, lambda: CONFIG, clock).turn()
        assert {project: await left(store, project) for project in kept} == kept
        assert deleted == len(kept) - sum(kept.values())
    finally:
        await store.aclose()


async def test_a_configuration_that_changes_is_heeded_at_the_next_look(tmp_path: Path) -> None:
    clock, config = FrozenClock(), [CONFIG]
    store = SqliteSpans(tmp_path / "traces.db")
    await store.start()
    try:
        await store.write([ended("usual", clock.wall_ns())])
        clock.advance(3 * DAY_SECONDS)
        retention = SpanRetention(store, lambda: config[0], clock)
        assert await retention.turn() == 0
        config[0] = structs.replace(CONFIG, traces=structs.replace(CONFIG.traces, keep_days=1))
        assert await retention.turn() == 1
        assert await store.delete(Doomed(project="usual", before_ns=clock.wall_ns())) == 0
    finally:
        await store.aclose()


async def test_a_project_that_is_not_declared_any_more_has_the_usual_time_and_a_week_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, config = FrozenClock(), [CONFIG]
    store = SqliteSpans(tmp_path / "traces.db")
    await store.start()
    try:
        await store.write([ended("gone", clock.wall_ns())])
        assert await store.projects() == ["gone"]
        clock.advance(400 * DAY_SECONDS)
        await store.write([structs.replace(ended("gone", clock.wall_ns()), trace_id="3" * 32)])
        retention = SpanRetention(store, lambda: config[0], clock)
        for _ in range(2):
            assert await retention.turn() == 0
            clock.advance(3 * DAY_SECONDS)
        assert [record.levelname for record in caplog.records] == ["WARNING"], "it is said once"
        assert "'gone'" in caplog.text
        declared = structs.replace(
            CONFIG, projects={**CONFIG.projects, "gone": structs.replace(CONFIG.projects["usual"])}
        )
        forever = structs.replace(CONFIG.traces, keep_days=1000)
        config[0] = structs.replace(declared, traces=forever)
        assert await retention.turn() == 0
        config[0] = CONFIG
        clock.advance(2 * DAY_SECONDS)
        assert await retention.turn() == 0, "its week begins anew"
        clock.advance(7 * DAY_SECONDS)
        assert await retention.turn() == 2
        assert await store.projects() == []
    finally:
        await store.aclose()
