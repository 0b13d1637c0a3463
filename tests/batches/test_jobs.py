"""Batches are run line by line, whatever happens meanwhile, and end as OpenAI's do."""

import asyncio
import json
from datetime import UTC, time

import pytest
from msgspec import Raw, structs

from switchgear.app.database import ControlDatabase
from switchgear.batches import store
from switchgear.batches.course import LONGEST_PAUSE_SECONDS, MOST_TRIES
from switchgear.batches.gauges import exposition
from switchgear.batches.jobs import LEASE_SECONDS, clear
from switchgear.batches.sending import Answer, Sent
from switchgear.batches.service import WINDOW_SECONDS, MessageRequest
from switchgear.batches.windows import Pace, Pacer, read_windows
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import SwitchgearError, UpstreamUnreachable
from tests.batches.stand import ADA, CHAT, GOOD, RULES, Faulty, Stand, jsonl, keep_batch, line

LIMITED = Answer(status=429, request_id="req_2", body=b"{}", retry_after_seconds=20.0)
FAILED = Answer(status=502, request_id="req_3", body=b'{"error": {"code": "upstream_error"}}')


async def test_every_line_is_sent_once_and_its_answer_is_in_the_file_of_results(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        done = await stand.ended(await stand.begun([line(number) for number in range(1, 51)]))
        assert sorted(stand.gateway.numbers) == list(range(1, 51))
        assert (done.status, done.total, done.succeeded, done.error_file) == ("completed", 50, 50, "")
        results = await stand.lines(done.output_file)
        assert [each["custom_id"] for each in results] == [f"r{number}" for number in range(1, 51)]
        assert results[0] == {
            "id": f"batch_req_{done.id.removeprefix('batch_')}_1",
            "custom_id": "r1",
            "response": {"status_code": 200, "request_id": "req_1", "body": {"object": "chat.completion"}},
            "error": None,
        }
        first = stand.gateway.sent[0]
        assert (first.key, first.path, first.body) == ("ada", CHAT, jsonl([line(1)["body"]]).strip())
        file = await stand.batches.files.get(ADA, done.output_file)
        assert file.bytes == len(b"".join([each async for each in await stand.batches.files.content(ADA, file.id)]))


async def test_wrong_lines_are_told_and_the_others_run(database: ControlDatabase) -> None:
    wrong = [
        line(1),
        "no request",
        line(1),
        line(4, url="/v1/embeddings"),
        line(5, method="GET"),
        {"custom_id": "r6", "method": "POST", "url": CHAT},
        line(7, body={"messages": []}),
        line(8, body={"model": "echo", "stream": True}),
        line(9, custom_id="\0"),
    ]
    async with Stand(database) as stand:
        done = await stand.ended(await stand.begun(jsonl(wrong) + b"{no json}\n\n"))
        assert [each.custom_id for each in stand.gateway.sent] == ["r1"]
        assert (done.status, done.total, done.succeeded, done.errored) == ("completed", 10, 1, 9)
        (answer,) = await stand.lines(done.output_file)
        refused = await stand.lines(done.error_file)
        assert answer["custom_id"] == "r1"
        assert [each["custom_id"] for each in refused] == [None, "r1", "r4", "r5", "r6", "r7", "r8", None, None]
        assert [each["response"] for each in refused] == [None] * 9
        told = [(each["line"], each["code"], each["param"]) for each in json.loads(done.errors)]
        assert told == [
            (2, "invalid_json_line", None),
            (3, "duplicate_custom_id", "custom_id"),
            (4, "url_mismatch", "url"),
            (5, "invalid_method", "method"),
            (6, "missing_required_parameter", "body"),
            (7, "missing_required_parameter", "body.model"),
            (8, "unsupported_parameter", "body.stream"),
            (9, "invalid_custom_id", "custom_id"),
            (10, "invalid_json_line", None),
        ]
        assert [each["error"] for each in refused] == json.loads(done.errors)


async def test_the_oldest_batch_is_run_first_whichever_door_it_came_by(database: ControlDatabase) -> None:
    await keep_batch(database, "batch_1", created_ns=2)
    await keep_batch(database, "msgbatch_2", created_ns=1, door="anthropic")
    async with database.write() as connection:
        (claimed,) = await store.claim(connection, "here", now_ns=10, lease_ns=5, most=1)
    assert claimed.id == "msgbatch_2"


async def test_a_file_without_a_sound_line_fails(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        for content, code in ((b"\n", "empty_file"), (b"{no json}\n", "invalid_json_line")):
            done = await stand.ended(await stand.begun(content))
            assert (done.status, done.total, done.output_file) == ("failed", 0, "")
            assert [each["code"] for each in json.loads(done.errors)] == [code]
        assert stand.gateway.sent == []


async def test_who_takes_over_sends_only_the_lines_that_were_not_answered(database: ControlDatabase) -> None:
    clock = FrozenClock()
    async with Stand(database, "dying", clock) as dying, Stand(database, "other", clock) as other:
        other.pace = None
        dying.gateway.holds = lambda sent: sent.number > 8
        batch = await dying.begun([line(number) for number in range(1, 31)])
        await dying.until(batch, lambda found: found.succeeded == 8)
        while len(dying.gateway.sent) < 12:
            await asyncio.sleep(0.005)
        await dying.stop()
        other.pace = dying.pace
        await other.runner.turn()
        assert other.gateway.sent == []
        clock.advance(LEASE_SECONDS + 1)
        done = await other.ended(batch)
        assert (done.status, done.succeeded, done.errored) == ("completed", 30, 0)
        assert sorted(other.gateway.numbers) == list(range(9, 31))


async def test_the_same_installation_goes_on_at_once_when_it_starts_again(database: ControlDatabase) -> None:
    clock = FrozenClock()
    async with Stand(database, "here", clock) as killed:
        killed.gateway.holds = lambda sent: sent.number > 1
        batch = await killed.begun([line(1), line(2)])
        await killed.until(batch, lambda found: found.succeeded == 1)
    async with Stand(database, "here", clock) as again:
        assert (await again.ended(batch)).succeeded == 2
        assert again.gateway.numbers == [2]


async def test_two_that_share_a_database_never_run_the_same_batch(database: ControlDatabase) -> None:
    clock = FrozenClock()
    async with Stand(database, "first", clock) as first, Stand(database, "second", clock) as second:
        made = [await first.begun([line(number) for number in range(1, 11)]) for _ in range(3)]
        for batch in made:
            assert (await first.ended(batch)).succeeded == 10
        both = [(each.batch, each.number) for each in (*first.gateway.sent, *second.gateway.sent)]
        assert len(both) == len(set(both)) == 30


async def test_lines_are_begun_within_the_windows_alone(database: ControlDatabase) -> None:
    # The frozen clock begins at 22:13:20 UTC.
    async with Stand(database) as stand:
        stand.declare(windows=read_windows(["23:00-01:00"]))
        batch = await stand.begun([line(1)])
        await stand.until(batch, lambda found: found.status == "in_progress")
        await stand.runner.turn()
        assert stand.gateway.sent == []
        stand.clock.advance(3600)
        assert (await stand.ended(batch)).succeeded == 1


def test_a_window_may_go_over_midnight_and_is_that_of_its_time_zone() -> None:
    pace = Pace(concurrency=1, windows=((time(22), time(6)), (time(12), time(13))), zone=UTC)
    hours = [hour for hour in range(24) if pace.is_open(hour * 3600 * 10**9)]
    assert hours == [0, 1, 2, 3, 4, 5, 12, 22, 23]


def test_a_pacer_lets_so_many_begin_in_a_minute_and_evenly() -> None:
    pacer = Pacer()
    begun = [tenth for tenth in range(1200) if not pacer.wait_ns(60, tenth * 10**8)]
    assert begun == [10 * second for second in range(120)]
    assert pacer.wait_ns(None, 0) == 0


async def test_what_a_limit_holds_back_waits_with_its_batch_and_does_not_fail(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        stand.declare(concurrency=1)
        held = iter([LIMITED, LIMITED])
        stand.gateway.answers = lambda _: next(held, GOOD)
        batch = await stand.begun([line(1), line(2)])
        while not stand.gateway.sent:
            await asyncio.sleep(0.005)
        await stand.runner.turn()
        assert stand.gateway.numbers == [1]
        stand.clock.advance(20)
        while len(stand.gateway.sent) < 2:
            await asyncio.sleep(0.005)
        stand.clock.advance(20)
        done = await stand.ended(batch)
        assert (done.succeeded, done.errored) == (2, 0)
        assert sorted(stand.gateway.numbers) == [1, 1, 1, 2]


async def test_what_an_upstream_fails_is_sent_again_and_not_for_ever(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        stand.gateway.answers = lambda sent: FAILED if sent.number == 1 else GOOD
        batch = await stand.begun([line(1), line(2)])
        for tried in range(1, MOST_TRIES):
            await stand.idle(sent=1 + tried)
            assert (await stand.look(batch)).is_active
            stand.clock.advance(LONGEST_PAUSE_SECONDS)
        done = await stand.ended(batch)
        assert stand.gateway.numbers.count(1) == MOST_TRIES
        assert (done.status, done.succeeded, done.errored) == ("completed", 1, 1)
        (failed,) = await stand.lines(done.error_file)
        assert failed["response"] == {
            "status_code": 502,
            "request_id": "req_3",
            "body": {"error": {"code": "upstream_error"}},
        }


async def test_a_line_that_no_gateway_took_is_sent_when_one_is_there(database: ControlDatabase) -> None:
    refusals: list[SwitchgearError] = [UpstreamUnreachable("nobody there")] * 20

    def answer(_: Sent) -> Answer:
        if refusals:
            raise refusals.pop()
        return GOOD

    async with Stand(database) as stand:
        stand.gateway.answers = answer
        batch = await stand.begun([line(1)])
        while (await stand.look(batch)).is_active:
            stand.clock.advance(1)
            await asyncio.sleep(0.005)
        assert (await stand.look(batch)).succeeded == 1


async def test_what_does_not_fit_the_completion_window_expires(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        stand.gateway.answers = lambda sent: GOOD if sent.number == 1 else LIMITED
        batch = await stand.begun([line(1), line(2)])
        await stand.until(batch, lambda found: found.succeeded == 1)
        stand.clock.advance(WINDOW_SECONDS)
        done = await stand.ended(batch)
        assert (done.status, done.succeeded, done.unfinished) == ("expired", 1, 1)
        assert done.expired_ns == stand.clock.wall_ns()
        (expired,) = await stand.lines(done.error_file)
        assert (expired["custom_id"], expired["response"]) == ("r2", None)
        assert expired["error"] == {
            "code": "batch_expired",
            "message": "This request could not be executed before the completion window expired.",
        }


async def test_a_cancelled_batch_keeps_the_answers_of_lines_under_way_and_begins_no_more(
    database: ControlDatabase,
) -> None:
    async with Stand(database) as stand:
        stand.gateway.holds = lambda _: True
        batch = await stand.begun([line(number) for number in range(1, 21)])
        while len(stand.gateway.sent) < 4:
            await asyncio.sleep(0.005)
        assert (await stand.batches.cancel(ADA, "openai", batch.id)).status == "cancelling"
        await stand.runner.turn()
        stand.gateway.open.set()
        done = await stand.ended(batch)
        assert (done.status, done.succeeded, done.unfinished) == ("cancelled", 4, 16)
        assert len(stand.gateway.sent) == 4
        assert len(await stand.lines(done.output_file)) == 4
        assert {str(each["error"])[:27] for each in await stand.lines(done.error_file)} == {
            "{'code': 'batch_cancelled',"
        }


async def test_the_results_of_message_batches_are_told_as_anthropic_tells_them(database: ControlDatabase) -> None:
    params = b'{"model": "echo", "max_tokens": 9, "messages": []}'
    async with Stand(database) as stand:
        bad = Answer(status=400, request_id="", body=b'{"type": "error", "error": {"type": "invalid_request_error"}}')
        stand.gateway.answers = lambda sent: {1: GOOD, 2: bad}.get(sent.number, LIMITED)
        requests = [MessageRequest(f"m{number}", Raw(params)) for number in range(1, 4)]
        batch = await stand.batches.create_messages(ADA, requests)
        await stand.until(batch, lambda found: found.succeeded + found.errored == 2)
        await stand.batches.cancel(ADA, "anthropic", batch.id)
        await stand.ended(batch)
        content = b"".join([piece async for piece in await stand.batches.results(ADA, batch.id)])
        assert [json.loads(each) for each in content.splitlines()] == [
            {"custom_id": "m1", "result": {"type": "succeeded", "message": {"object": "chat.completion"}}},
            {
                "custom_id": "m2",
                "result": {
                    "type": "errored",
                    "error": {"type": "error", "error": {"type": "invalid_request_error"}},
                },
            },
            {"custom_id": "m3", "result": {"type": "canceled"}},
        ]


async def test_what_is_kept_no_longer_is_cleared_away(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        done = await stand.ended(await stand.begun([line(1)]))
        stand.clock.advance(RULES.keep_seconds - 1)
        await clear(stand.shop)
        assert (await stand.look(done)).id == done.id
        stand.clock.advance(2)
        await clear(stand.shop)
        progress = await stand.batches.progress()
        assert progress.batches == {}
        assert sum(progress.lines.values()) == 0


async def test_how_batches_stand_is_told_as_metrics(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        stand.gateway.holds = lambda sent: sent.number > 1
        batch = await stand.begun([line(1), line(2), line(3)])
        await stand.until(batch, lambda found: found.succeeded == 1)
        while stand.runner.under_way != 2 or stand.runner.progress.lines.get("succeeded") != 1:
            await asyncio.sleep(0.005)
        shown = exposition(stand.runner.progress, stand.runner.under_way)
        assert 'switchgear_batches{status="in_progress"} 1\n' in shown
        assert 'switchgear_batch_lines{state="waiting"} 2\n' in shown
        assert 'switchgear_batch_lines{state="succeeded"} 1\n' in shown
        assert "switchgear_batch_lines_under_way 2\n" in shown


async def test_an_answer_is_kept_until_the_database_takes_it_and_the_line_is_not_sent_again(
    database: ControlDatabase,
) -> None:
    faulty = Faulty(database)
    async with Stand(faulty) as stand:
        stand.gateway.holds = lambda _: True
        stand.shop.keeper.pause_seconds = 0.005
        batch = await stand.begun([line(1)])
        while not stand.gateway.sent:
            await asyncio.sleep(0.005)
        faulty.refusals = 5
        stand.gateway.open.set()
        assert (await stand.ended(batch)).succeeded == 1
        assert faulty.refusals == 0
        assert stand.gateway.numbers == [1]


async def test_results_are_in_the_order_of_the_requests_whatever_became_of_them(database: ControlDatabase) -> None:
    bad = Answer(status=400, request_id="", body=b"{}")
    async with Stand(database) as stand:
        stand.gateway.answers = lambda sent: LIMITED if sent.number > 70 else bad if sent.number % 3 else GOOD
        params = Raw(b'{"model": "echo"}')
        batch = await stand.batches.create_messages(ADA, [MessageRequest(f"m{each}", params) for each in range(90)])
        await stand.until(batch, lambda found: found.succeeded + found.errored == 70)
        await stand.batches.cancel(ADA, "anthropic", batch.id)
        await stand.ended(batch)
        content = b"".join([piece async for piece in await stand.batches.results(ADA, batch.id)])
        results = [json.loads(each) for each in content.splitlines()]
        assert [each["custom_id"] for each in results] == [f"m{each}" for each in range(90)]
        assert [each["result"]["type"] for each in results[:4]] == ["errored", "errored", "succeeded", "errored"]
        assert [each["result"]["type"] for each in results[70:]] == ["canceled"] * 20


async def test_an_outage_costs_a_batch_time_and_no_lines(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        stand.gateway.answers = lambda _: FAILED
        batch = await stand.begun([line(number) for number in range(1, 61)])
        while len(stand.gateway.sent) < 10:
            await asyncio.sleep(0.005)
        await stand.runner.turn()
        # Those under way when the tenth failed end, and no others are begun.
        assert len(stand.gateway.sent) < 10 + 4
        for _ in range(5):
            await stand.idle()
            sent = len(stand.gateway.sent)
            stand.clock.advance(LONGEST_PAUSE_SECONDS)
            await stand.idle(sent + 1)
        assert len(stand.gateway.sent) < 60
        stand.gateway.answers = lambda _: GOOD
        await stand.idle()
        stand.clock.advance(LONGEST_PAUSE_SECONDS)
        done = await stand.ended(batch)
        assert (done.status, done.succeeded, done.errored) == ("completed", 60, 0)


async def test_a_defect_costs_one_line_and_is_not_repeated(
    database: ControlDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    # A status that no column holds, and a sender that breaks.
    def answer(sent: Sent) -> Answer:
        if sent.number == 1:
            raise ZeroDivisionError
        return structs.replace(GOOD, status=1 << 80) if sent.number == 2 else GOOD

    async with Stand(database) as stand:
        stand.gateway.answers = answer
        done = await stand.ended(await stand.begun([line(number) for number in range(1, 6)]))
        assert (done.status, done.succeeded, done.errored) == ("completed", 3, 2)
        assert sorted(stand.gateway.numbers) == [1, 2, 3, 4, 5]
        assert {each["custom_id"] for each in await stand.lines(done.error_file)} == {"r1", "r2"}
    assert "line 1 of" in caplog.text
