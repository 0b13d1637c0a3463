"""Old traces are deleted, as their project wants it, and only those."""

from pathlib import Path

import pytest
from msgspec import structs

from switchgear.app.database import ControlDatabase
from switchgear.config.loading import parse
from switchgear.engines.sqlite_spans.store import SqliteSpans
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.query import Doomed, Find, Window
from switchgear.kernel.span import Span
from switchgear.processes.span_retention import NO_PROJECT, SpanRetention
from switchgear.traces.score_retention import ScoreRetention
from switchgear.traces.scores.model import Score, as_it_is
from switchgear.traces.scores.store import Scores, Sought

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


def score_of(project: str, at_ns: int) -> Score:
    return Score(
        project=project,
        id="s",
        target="session",
        session="chat",
        name="note",
        data_type="text",
        text="fine",
        source="human",
        at_ns=at_ns,
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


@pytest.mark.parametrize(
    ("said", "days"),
    [
        ("keep_days: 10", {"brief": 2, "usual": 10, "long": 99, NO_PROJECT: 10}),
        ("keep_days: 10, keep_scores_days: 50", {"brief": 2, "usual": 50, "long": 99, NO_PROJECT: 50}),
    ],
)
async def test_scores_have_the_time_of_traces_where_nothing_else_is_said(
    database: ControlDatabase, tmp_path: Path, said: str, days: dict[str, int]
) -> None:
    config = parse(
        f"""
providers: {{sim: {{kind: simulator}}}}
traces: {{{said}}}
projects: {{brief: {{traces: {{keep_days: 2}}}}, usual: {{}}, long: {{traces: {{keep_days: 2, keep_scores_days: 99}}}}}}
""",
        "switchgear.yaml",
        {},
    )
    clock, store = FrozenClock(), SqliteSpans(tmp_path / "traces.db")
    await store.start()
    began_ns = clock.wall_ns()
    scores = Scores(database, clock, as_it_is)
    await scores.add([score_of(project, began_ns) for project in days])
    retention = SpanRetention(store, lambda: config, clock, scores=ScoreRetention(database, store))
    gone: dict[str, int] = {}
    for day in (1, 2, 9, 10, 49, 50, 98, 99):
        clock.advance((day + 0.5) * DAY_SECONDS - (clock.wall_ns() - began_ns) / 1e9)
        await retention.turn()
        left_there = [project for project in days if await scores.find(Sought(project=project))]
        gone |= {project: day for project in days if project not in {*gone, *left_there}}
    await store.aclose()
    assert gone == days


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
