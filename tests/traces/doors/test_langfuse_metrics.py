"""Langfuse's metrics: counts, sums, means and quantiles by what its clients group by, and what is refused by name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from switchgear.app.database import ControlDatabase
from switchgear.kernel.span import ToldSpan
from switchgear.traces.intake import Origin
from tests.memory_spans import MemorySpans
from tests.traces.doors.stand import KEY, OTHER_KEY, SENDING_KEY, Stand

SECOND_NS = 1_000_000_000
BEGAN_NS = 1_796_083_200 * SECOND_NS
"""The first of December 2026, a Tuesday."""
HOUR, DAY = 3600, 86_400


def told(span: int, after: int, seconds: int, *, failed: bool = False, **said: object) -> ToldSpan:
    """A generation that began so many seconds later."""
    began_ns = BEGAN_NS + after * SECOND_NS
    return ToldSpan(
        trace_id=f"{(span + 1) // 2:032x}",
        span_id=f"{span:016x}",
        parent_id="" if span % 2 else f"{span - 1:016x}",
        name=f"step {span % 2}",
        started_ns=began_ns,
        ended_ns=began_ns + seconds * SECOND_NS,
        status="error" if failed else "unset",
        attributes={
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-x",
            **{f"langfuse.{name.replace('__', '.')}": value for name, value in said.items()},
        },
        scope_name="langfuse-sdk",
    )


SPANS = (
    told(1, 0, 1),
    told(
        *(2, HOUR, 3),
        observation__usage_details='{"input":7,"output":2}',
        observation__cost_details='{"total":0.5}',
        observation__level="WARNING",
    ),
    told(3, DAY, 5, environment="default", observation__type="span", user__id="ada"),
    told(
        *(4, 8 * DAY, 7),
        failed=True,
        observation__model__name="gpt-y",
        observation__usage_details='{"input":3,"output":1}',
        observation__level="ERROR",
    ),
    told(5, 40 * DAY, 9, failed=True, observation__type="tool", environment="staging"),
)


@pytest.fixture
async def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    made = Stand(database, tmp_path, MemorySpans())
    await made.intake.take(Origin(project="blue", door="langfuse"), SPANS)
    return made


def asking(*metrics: str, by: Sequence[str] = (), each: str = "", **more: Any) -> dict[str, Any]:
    """A query: each metric as ``aggregation_measure``."""
    pairs = [metric.split("_") for metric in metrics]
    return {
        "view": "observations",
        "metrics": [{"measure": measure, "aggregation": aggregation} for aggregation, measure in pairs],
        "dimensions": [{"field": field} for field in by],
        "fromTimestamp": "2026-12-01T00:00:00Z",
        "toTimestamp": "2027-02-01T00:00:00Z",
        **({"timeDimension": {"granularity": each}} if each else {}),
        **more,
    }


async def ask(stand: Stand, query: object, path: str = "v2/metrics", key: str = KEY) -> tuple[int, Any]:
    said = query if isinstance(query, str) else json.dumps(query)
    async with stand.client({"authorization": f"Bearer {key}"}) as client:
        answer = await client.get(f"/api/public/{path}", params={"query": said})
    return answer.status_code, answer.json()


async def lines(stand: Stand, *metrics: str, path: str = "v2/metrics", **more: Any) -> list[dict[str, Any]]:
    status, body = await ask(stand, asking(*metrics, **more), path)
    assert status == 200, body
    return body["data"]


async def test_all_of_a_time_is_one_line(stand: Stand) -> None:
    numbers = ("count_count", "sum_inputTokens", "sum_totalTokens", "sum_totalCost", "avg_latency", "p50_latency")
    (line,) = await lines(stand, *numbers, "max_latency")
    assert line == {
        "count_count": 5,
        "sum_inputTokens": 10,
        "sum_totalTokens": 13,
        "sum_totalCost": 0.5,
        "avg_latency": 5000,
        "p50_latency": 5000,
        "max_latency": 9000,
    }


async def test_lines_are_told_apart_by_dimensions_the_largest_first(stand: Stand) -> None:
    assert await lines(stand, "count_count", by=["providedModelName"]) == [
        {"providedModelName": "gpt-x", "count_count": 4},
        {"providedModelName": "gpt-y", "count_count": 1},
    ]
    found = await lines(stand, "count_count", by=["type", "environment"], filters=[equal("environment", "staging")])
    assert found == [{"type": "TOOL", "environment": "staging", "count_count": 1}]


def equal(column: str, value: str) -> dict[str, str]:
    return {"type": "string", "column": column, "operator": "=", "value": value}


@pytest.mark.parametrize("metric", ["sum_latency", "max_latency", "avg_latency", "p90_latency"])
async def test_kinds_and_levels_that_have_one_name_there_are_one_line(stand: Stand, metric: str) -> None:
    expected = {
        "sum_latency": {"ERROR": 16_000, "DEFAULT": 6_000, "WARNING": 3_000},
        "max_latency": {"ERROR": 9_000, "DEFAULT": 5_000, "WARNING": 3_000},
        "avg_latency": {"ERROR": 8_000, "DEFAULT": 3_000, "WARNING": 3_000},
        "p90_latency": {"ERROR": 9_000, "DEFAULT": 5_000, "WARNING": 3_000},
    }
    found = await lines(stand, metric, by=["level"])
    assert {line["level"]: line[metric] for line in found} == expected[metric]
    assert len(found) == 3


async def test_what_spans_call_default_and_what_they_do_not_say_is_one_environment(stand: Stand) -> None:
    found = await lines(stand, "count_count", "avg_latency", by=["environment"])
    assert found == [
        {"environment": "default", "count_count": 4, "avg_latency": 4000},
        {"environment": "staging", "count_count": 1, "avg_latency": 9000},
    ]


STARTS: Mapping[str, Mapping[str, int]] = {
    "hour": {"12-01T00:00": 1, "12-01T01:00": 1, "12-02T00:00": 1, "12-09T00:00": 1, "01-10T00:00": 1},
    "day": {"12-01T00:00": 2, "12-02T00:00": 1, "12-09T00:00": 1, "01-10T00:00": 1},
    "week": {"11-30T00:00": 3, "12-07T00:00": 1, "01-04T00:00": 1},
    "month": {"12-01T00:00": 4, "01-01T00:00": 1},
    "auto": {"11-30T00:00": 3, "12-07T00:00": 1, "01-04T00:00": 1},
}


@pytest.mark.parametrize("granularity", STARTS)
async def test_lines_stand_in_the_order_of_their_times(stand: Stand, granularity: str) -> None:
    found = await lines(stand, "count_count", each=granularity)
    counts = [(line["time_dimension"][5:16], line["count_count"]) for line in found if line["count_count"]]
    assert counts == list(STARTS[granularity].items())


async def test_lines_stand_as_they_are_asked_for_and_no_more_of_them(stand: Stand) -> None:
    order = [{"field": "level", "direction": "asc"}]
    found = await lines(stand, "count_count", by=["level"], orderBy=order, config={"row_limit": 2})
    assert [line["level"] for line in found] == ["DEFAULT", "ERROR"]
    order = [{"field": "avg_inputTokens", "direction": "asc"}]
    found = await lines(stand, "avg_inputTokens", by=["level"], orderBy=order)
    assert [line["avg_inputTokens"] for line in found] == [3, 7, None]


async def test_the_older_metrics_count_traces_too(stand: Stand) -> None:
    numbers = ("count_count", "sum_observationsCount", "sum_totalTokens", "sum_totalCost")
    (line,) = await lines(stand, *numbers, view="traces", path="metrics")
    assert list(line.values()) == [3, 5, 13, 0.5]
    by_user = await lines(stand, "count_count", view="traces", by=["userId"], path="metrics")
    assert by_user == [{"userId": None, "count_count": 3}, {"userId": "ada", "count_count": 1}]
    assert len(await lines(stand, "count_count", by=["name"], path="metrics")) == 2


async def test_filters_are_as_those_of_observations_with_times_in_milliseconds(stand: Stand) -> None:
    slow = {"type": "number", "column": "latency", "operator": ">=", "value": 5000}
    (line,) = await lines(stand, "count_count", filters=[slow, equal("providedModelName", "gpt-x")])
    assert line["count_count"] == 2


REFUSED: Sequence[tuple[Mapping[str, Any], str]] = [
    (asking("count_count", view="scores-numeric"), "scores-numeric"),
    (asking("count_count", view="traces"), "traces"),
    (asking("count_count", by=["version"]), "version"),
    (asking("count_count", by=["traceId"]), "traceId"),
    (asking("p95_count"), "p95"),
    (asking("avg_totalTokens"), "totalTokens"),
    (asking("sum_inputCost"), "inputCost"),
    (asking("histogram_latency"), "histogram"),
    (asking("avg_countScores"), "countScores"),
    (asking(), "metrics"),
    (asking("count_count", each="decade"), "decade"),
    (asking("count_count", each="minute"), "granularities"),
    (asking("count_count", each="week", toTimestamp="2037-01-01T00:00:00Z"), "granularities"),
    (asking("count_count", toTimestamp="2025-01-01T00:00:00Z"), "toTimestamp"),
    (asking("count_count", fromTimestamp=None), "fromTimestamp"),
    (asking("count_count", orderBy=[{"field": "name", "direction": "asc"}]), "name"),
    (asking("count_count", config={"row_limit": 0}), "row_limit"),
    (asking("count_count", config={"magic": 1}), "magic"),
    (asking("count_count", filters=[{"column": "name", "type": "string", "operator": "contains"}]), "contains"),
    (asking("count_count", secret=1), "secret"),
]


async def test_what_cannot_be_measured_is_refused_by_name(stand: Stand) -> None:
    for query, word in REFUSED:
        status, body = await ask(stand, query)
        assert (status, word in body["message"]) == (400, True), body
    for broken in ("", "{", "[]", '{"view":5}', '{"view":"observations","metrics":5}'):
        assert (await ask(stand, broken))[0] == 400, broken


async def test_another_project_counts_nothing_and_a_key_that_only_sends_may_not_ask(stand: Stand) -> None:
    assert await ask(stand, asking("count_count"), key=OTHER_KEY) == (200, {"data": [{"count_count": 0}]})
    for path in ("metrics", "v2/metrics"):
        assert (await ask(stand, asking("count_count"), path, SENDING_KEY))[0] == 403
