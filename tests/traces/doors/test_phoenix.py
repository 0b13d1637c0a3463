"""Phoenix' door: what is wrong is refused by itself, and counted."""

from pathlib import Path

import pytest

from switchgear.app.database import ControlDatabase
from tests.traces.doors.stand import Stand

GOOD = {
    "name": "step",
    "context": {"trace_id": f"{1:032x}", "span_id": f"{1:016x}"},
    "span_kind": "CHAIN",
    "start_time": "2026-11-26T10:00:00Z",
    "end_time": "2026-11-26T10:00:01Z",
    "status_code": "OK",
}


@pytest.fixture
async def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    return Stand(database, tmp_path)


async def test_a_bad_span_is_refused_alone_and_counted_by_its_door(stand: Stand) -> None:
    async with stand.client() as client:
        answer = await client.post("/v1/projects/bot/spans", json={"data": [GOOD, "no span", 7]})
    assert answer.status_code == 400
    assert [span.name for span in stand.memory.told.values()] == ["step"]
    assert stand.counts.refused == {("phoenix", "unreadable"): 2}
