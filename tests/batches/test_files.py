"""Files and batches are bounded, and each is its own scope's business."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec import Raw, structs
from sqlalchemy import Table, func, select

from switchgear.app.database import ControlDatabase
from switchgear.batches.jobs import clear
from switchgear.batches.model import MAX_LINE_BYTES, MAX_LINES, Caller
from switchgear.batches.service import MessageRequest, Wish
from switchgear.batches.tables import FILE_LINES, FILES
from switchgear.batches.uploads import ArrivingFile, LineCutter
from switchgear.kernel.errors import BadRequest, BodyTooLarge, NotFound, RateLimited, SwitchgearError
from tests.batches.stand import ADA, BOUNDARY, CHAT, MEDIA, Stand, form, jsonl, line, pieces

BOB = Caller(key="bob")
PARAMS = Raw(b'{"model": "echo"}')


async def count(database: ControlDatabase, table: Table) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def stuck(body: bytes) -> AsyncIterator[bytes]:
    """A body of which the end does not come."""
    yield body[:-10]
    await asyncio.Event().wait()


async def refused(body: bytes) -> SwitchgearError:
    """Why a form is not taken."""
    arriving = ArrivingFile(MEDIA, pieces(body, 1000), max_bytes=100_000)
    with pytest.raises(SwitchgearError) as caught:
        async for _ in arriving.read():
            pass
    return caught.value


async def test_a_form_must_hold_one_file_of_the_purpose_batch_and_say_so_first() -> None:
    good = form(b"a\nb")
    assert "only files of the purpose 'batch'" in (await refused(form(b"a", "assistants"))).message
    assert "must come before the file" in (await refused(good[good.index(b"\r\n--") + 2 :])).message
    assert "ends before it is whole" in (await refused(good[:-10])).message
    assert "no part 'file'" in (await refused(good.replace(b'"file"', b'"other"'))).message
    second = good.replace(f"\r\n--{BOUNDARY}--".encode(), b"\r\n" + good[good.index(b"\r\n--") + 2 :].rstrip())
    assert "several files" in (await refused(second)).message


@pytest.mark.parametrize("size", [1, 2, 3, 50, 1000])
async def test_lines_are_the_same_however_the_form_is_cut(size: int) -> None:
    arriving = ArrivingFile(MEDIA, pieces(form(b"one\r\n\ntwo\n\nthree", name="dir/\x00n\u00e4me.jsonl"), size), 1000)
    lines = [line async for some in arriving.read() for line in some]
    assert lines == [b"one\r\n", b"\n", b"two\n", b"\n", b"three"]
    assert (arriving.lines, arriving.size_bytes, arriving.filename) == (5, 16, "näme.jsonl")


def test_files_are_bounded_in_bytes_lines_and_the_length_of_a_line() -> None:
    with pytest.raises(BodyTooLarge, match="over 10 bytes"):
        LineCutter(10).feed(b"a" * 11)
    with pytest.raises(BodyTooLarge, match="line 0"):
        LineCutter(1 << 30).feed(b"a" * (MAX_LINE_BYTES + 1))
    with pytest.raises(BodyTooLarge, match="line 1"):
        LineCutter(1 << 30).feed(b"a" * (MAX_LINE_BYTES + 1) + b"\n")
    with pytest.raises(BadRequest, match="more than 50000 lines"):
        LineCutter(1 << 30).feed(b"\n" * (MAX_LINES + 1))


async def test_what_is_refused_leaves_nothing_behind(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        with pytest.raises(BodyTooLarge):
            await stand.file(b"a" * 100_001)
        with pytest.raises(BadRequest):
            await stand.batches.files.take(ADA, MEDIA, pieces(form(jsonl([line(1)]))[:-3], 100))
        assert await count(database, FILES) == 0
        assert await count(database, FILE_LINES) == 0


async def test_files_and_batches_are_counted_for_each_scope(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        stand.pace = None
        stand.rules = structs.replace(stand.rules, max_files=2, max_batches=1)
        await stand.begun([line(1)])
        file = await stand.file([line(1)])
        with pytest.raises(RateLimited, match="max_files"):
            await stand.file([line(1)])
        with pytest.raises(RateLimited, match="max_batches"):
            await stand.batches.create(ADA, Wish(endpoint=CHAT, input_file=file.id))
        with pytest.raises(RateLimited, match="max_batches"):
            await stand.batches.create_messages(ADA, [MessageRequest("a", PARAMS)])
        assert (await stand.begun([line(1)], BOB)).key == "bob"


async def test_nobody_finds_what_is_in_another_scope(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        batch = await stand.ended(await stand.begun([line(1)]))
        files, batches = stand.batches.files, stand.batches
        for caller in (BOB, Caller(key="ada", project="bots"), Caller(key="bob", project="ada")):
            for ask in (
                files.get(caller, batch.input_file),
                files.content(caller, batch.output_file),
                files.delete(caller, batch.input_file),
                batches.get(caller, "openai", batch.id),
                batches.cancel(caller, "openai", batch.id),
                batches.delete(caller, "openai", batch.id),
                batches.create(caller, Wish(endpoint=CHAT, input_file=batch.input_file)),
            ):
                with pytest.raises(NotFound):
                    await ask
        with pytest.raises(NotFound):
            await batches.get(ADA, "anthropic", batch.id)


async def test_keys_of_one_project_are_one_scope(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        file = await stand.file([line(1)], Caller(key="ada", project="bots"))
        assert (await stand.batches.files.get(Caller(key="bob", project="bots"), file.id)).id == file.id


async def test_a_file_that_a_batch_reads_stays_and_a_deleted_one_is_gone(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        stand.gateway.holds = lambda _: True
        batch = await stand.begun([line(1)])
        with pytest.raises(BadRequest, match="read by a batch that is not over"):
            await stand.batches.files.delete(ADA, batch.input_file)
        with pytest.raises(BadRequest, match="not over"):
            await stand.batches.delete(ADA, "openai", batch.id)
        stand.gateway.open.set()
        done = await stand.ended(batch)
        for file in (done.input_file, done.output_file):
            await stand.batches.files.delete(ADA, file)
            with pytest.raises(NotFound):
                await stand.batches.files.content(ADA, file)
        assert (await stand.look(batch)).output_file == ""
        with pytest.raises(BadRequest, match="cannot be cancelled any more"):
            await stand.batches.cancel(ADA, "openai", batch.id)


async def test_only_known_endpoints_and_sound_messages_make_a_batch(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        file = await stand.file([line(1)])
        with pytest.raises(BadRequest, match="are not run here"):
            await stand.batches.create(ADA, Wish(endpoint="/v1/videos", input_file=file.id))
        for requests, told in (
            ([], "at least one"),
            ([MessageRequest("a", PARAMS), MessageRequest("a", PARAMS)], "stands in line 0 already"),
            ([MessageRequest("a", Raw(b"{}"))], "must name a model"),
            ([MessageRequest("a", Raw(b'{"model": "echo", "stream": true}'))], "stream"),
        ):
            with pytest.raises(BadRequest, match=told):
                await stand.batches.create_messages(ADA, requests)
        assert (await stand.batches.progress()).batches == {}


async def test_an_upload_that_was_left_behind_is_cleared_away(database: ControlDatabase) -> None:
    async with Stand(database) as stand:
        taking = asyncio.create_task(stand.batches.files.take(ADA, MEDIA, stuck(form(b"a\n" * 2000))))
        while not await count(database, FILE_LINES):
            await asyncio.sleep(0.005)
        stand.clock.advance(7201)
        await clear(stand.shop)
        assert await count(database, FILE_LINES) == 0
        taking.cancel()
        await asyncio.wait([taking])
