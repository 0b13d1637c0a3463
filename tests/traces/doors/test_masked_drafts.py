"""Masks reach what doors keep of spans that are told in pieces, and leave what these are put together by."""

from pathlib import Path

import pytest
import zstandard
from sqlalchemy import select

from switchgear.app.database import ControlDatabase
from switchgear.guardrails.finders import finder
from switchgear.guardrails.masking import Mask
from switchgear.traces.masked import SpanMasks
from switchgear.traces.tables import DRAFTS
from tests.traces.doors.stand import Stand

ADDRESS = "joe@example.com"
DIGITS = Mask(name="digits", finder=finder("card"), replacement="[card]")
MAIL = Mask(name="mail", finder=finder("email"), replacement="[mail]")
RUN = "018f4a2e-7c11-7abc-8def-0123456789ab"
POST = {
    "id": RUN,
    "trace_id": RUN,
    "dotted_order": f"20261126T100000000000Z{RUN}",
    "name": "answer",
    "run_type": "llm",
    "start_time": "2026-11-26T10:00:00+00:00",
    "inputs": {"q": f"I am {ADDRESS}", "card": 4111111111111111, f"to {ADDRESS}": 1},
    "events": [{"name": "new_token", "time": "2026-11-26T10:00:01+00:00", "token": ADDRESS}],
    "extra": {"metadata": {"user_id": ADDRESS, "contact": ADDRESS}},
}
PATCH = {
    "id": RUN,
    "trace_id": RUN,
    "end_time": "2026-11-26T10:00:02+00:00",
    "error": f"{ADDRESS} is unknown",
    "outputs": {"text": [ADDRESS], "usage_metadata": {"input_tokens": 4, "output_tokens": 2}},
}
EVENTS = [
    {
        "id": "1",
        "type": "trace-create",
        "timestamp": "2026-11-26T10:00:00Z",
        "body": {"id": "t-1", "name": "chat", "userId": ADDRESS, "input": {"q": ADDRESS}, "strange": ADDRESS},
    },
    {
        "id": "2",
        "type": "generation-create",
        "timestamp": "2026-11-26T10:00:01Z",
        "body": {"id": "g-1", "traceId": "t-1", "name": "reply", "output": f"Hello {ADDRESS}", "usage": {"input": 3}},
    },
]


@pytest.fixture
def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    return Stand(database, tmp_path, mask=SpanMasks(lambda project: (MAIL, DIGITS) if project == "blue" else ()).text)


async def kept(database: ControlDatabase) -> str:
    async with database.read() as connection:
        return "".join(
            zstandard.decompress(row.body).decode() for row in await connection.execute(select(DRAFTS.c.body))
        )


async def test_a_run_is_kept_and_read_back_without_what_masks_find(stand: Stand, database: ControlDatabase) -> None:
    async with stand.client() as client:
        assert (await client.post("/runs", json=POST)).status_code == 202
        assert (await client.patch(f"/runs/{RUN}", json=PATCH)).status_code == 202
        shown = (await client.get(f"/runs/{RUN}")).json()
    assert shown["inputs"] == {"q": "I am [mail]", "card": "[card]", "to [mail]": 1}
    assert shown["outputs"] == {"text": ["[mail]"], "usage_metadata": {"input_tokens": 4, "output_tokens": 2}}
    assert shown["error"] == "[mail] is unknown"
    assert shown["events"] == [{"name": "new_token", "time": "2026-11-26T10:00:01+00:00", "token": "[mail]"}]
    assert shown["extra"]["metadata"] == {"user_id": ADDRESS, "contact": "[mail]"}
    assert (await kept(database)).count(ADDRESS) == 1, "whose run it is stays"
    assert stand.memory.named("answer").ended_ns - stand.memory.named("answer").started_ns == 2_000_000_000


async def test_events_are_kept_without_it(stand: Stand, database: ControlDatabase) -> None:
    async with stand.client() as client:
        assert (await client.post("/api/public/ingestion", json={"batch": EVENTS})).status_code == 207
    assert (await kept(database)).count(ADDRESS) == 1, "whose trace it is stays"
    reply = stand.memory.named("reply")
    assert reply.attributes["langfuse.observation.output"] == "Hello [mail]"
    assert reply.attributes["user.id"] == ADDRESS
    assert reply.attributes["langfuse.observation.usage_details"] == '{"input":3}'


async def test_what_is_said_of_a_session_is_kept_without_it(stand: Stand, database: ControlDatabase) -> None:
    said = {"name": "shop", "description": f"ask {ADDRESS}", "extra": {"owner": ADDRESS}}
    async with stand.client() as client:
        assert (await client.post("/sessions", json=said)).json()["description"] == "ask [mail]"
    assert ADDRESS not in await kept(database)
