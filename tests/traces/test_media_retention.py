"""Media stay as long as a trace that told of them, and as their project wants it; then their bytes go, too."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import pytest
from msgspec import structs
from sqlalchemy import update

from switchgear.app.database import ControlDatabase
from switchgear.engines.sealed_spans.reader import SealedSpans
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import NotFound
from switchgear.kernel.ids import secret_hex
from switchgear.kernel.query import Doomed
from switchgear.traces import media_uses
from switchgear.traces.media import Expected, Media
from switchgear.traces.media_retention import MediaRetention
from switchgear.traces.scores.model import as_it_is
from switchgear.traces.tables import MEDIA
from tests.traces.spans import kept

DAY_SECONDS: Final = 86_400
DAYS: Final = {"shop": 10, "brief": 2}
PICTURE: Final = b"a picture"


class Kept:
    """Media with what keeps them, and what was told of them."""

    def __init__(self, database: ControlDatabase, folder: Path, store: SqliteSpans) -> None:
        self.clock = FrozenClock()
        self.folder = folder / "media"
        self.media = Media(database, self.folder, self.clock, secret_hex, as_it_is)
        self.retention = MediaRetention(self.media, database, store)

    async def told(self, trace: int, content: bytes = PICTURE, project: str = "shop") -> str:
        """A trace tells of a file, and brings it where it is not here; its id."""
        digest = hashlib.sha256(content)
        name = base64.urlsafe_b64encode(digest.digest()).decode()[:22]
        coming = Expected(
            id=name,
            digest=digest.hexdigest(),
            content_type="image/png",
            bytes=len(content),
            trace_id=f"{trace:032x}" if trace else "",
        )
        medium = await self.media.expect(project, coming)
        await self.media.bring(project, name, medium.token, content)
        return name

    async def turn(self) -> int:
        return await self.retention.turn(self.clock.wall_ns(), DAYS.get)

    async def is_here(self, name: str, project: str = "shop") -> bool:
        medium = await self.media.find(project, name)
        return medium is not None and medium.is_here

    def files(self) -> list[bytes]:
        return [path.read_bytes() for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SqliteSpans]:
    made = SqliteSpans(tmp_path / "traces.db", SealedSpans(tmp_path / "traces.sealed"))
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
def at_hand(database: ControlDatabase, tmp_path: Path, store: SqliteSpans) -> Kept:
    return Kept(database, tmp_path, store)


@pytest.mark.parametrize("sealed", [False, True])
async def test_a_medium_goes_with_the_last_trace_that_told_of_it(
    store: SqliteSpans, at_hand: Kept, sealed: bool
) -> None:
    await store.write([kept(1, 1), kept(2, 2)])
    if sealed:
        assert await store.seal(1, 1) == 2
    name = await at_hand.told(1)
    assert await at_hand.told(2) == name
    at_hand.clock.advance(11 * DAY_SECONDS)
    assert await at_hand.turn() == 0
    await store.delete(Doomed(project="shop", trace_ids=(f"{1:032x}",)))
    assert await at_hand.turn() == 0
    assert (await at_hand.is_here(name), at_hand.files()) == (True, [PICTURE])
    await store.delete(Doomed(project="shop", trace_ids=(f"{2:032x}",)))
    assert await at_hand.turn() == 1
    assert (await at_hand.is_here(name), at_hand.files()) == (False, [])


async def test_what_no_trace_has_stays_as_long_as_its_project_keeps_traces_after_it_was_told_of_last(
    at_hand: Kept,
) -> None:
    name = await at_hand.told(0)
    at_hand.clock.advance(9 * DAY_SECONDS)
    await at_hand.told(7)
    at_hand.clock.advance(9 * DAY_SECONDS)
    assert await at_hand.turn() == 0
    at_hand.clock.advance(2 * DAY_SECONDS)
    assert await at_hand.turn() == 1
    assert not await at_hand.is_here(name)
    assert await at_hand.told(0) == name
    assert await at_hand.is_here(name), "it can be brought anew"


async def test_bytes_of_two_projects_go_when_neither_has_them(at_hand: Kept) -> None:
    name = await at_hand.told(1)
    for project in ("brief", "undeclared"):
        await at_hand.told(1, project=project)
    at_hand.clock.advance(3 * DAY_SECONDS)
    assert await at_hand.turn() == 1
    assert not await at_hand.is_here(name, "brief")
    at_hand.clock.advance(8 * DAY_SECONDS)
    assert await at_hand.turn() == 1
    assert at_hand.files() == [PICTURE], "nothing is deleted of a project for which no time is known"
    assert await at_hand.is_here(name, "undeclared")


async def test_what_was_announced_and_never_brought_is_forgotten_after_a_day(at_hand: Kept) -> None:
    coming = Expected(id="late", digest="0" * 64, content_type="image/png", bytes=1)
    first = await at_hand.media.expect("undeclared", coming)
    at_hand.clock.advance(DAY_SECONDS - 1)
    again = await at_hand.media.expect("undeclared", coming)
    assert again == structs.replace(first, used_ns=at_hand.clock.wall_ns())
    at_hand.clock.advance(2)
    assert await at_hand.turn() == 0, "it was announced again"
    at_hand.clock.advance(DAY_SECONDS)
    assert await at_hand.turn() == 1
    with pytest.raises(NotFound):
        await at_hand.media.bring("undeclared", "late", first.token, b"1")


async def test_media_of_deleted_traces_go_at_once_but_for_those_of_others(
    database: ControlDatabase, at_hand: Kept
) -> None:
    shared, own = await at_hand.told(1), await at_hand.told(1, b"another")
    await at_hand.told(2)
    await at_hand.told(1, project="brief")
    async with database.write() as connection:
        assert await media_uses.remove_of_traces(connection, "shop", [f"{1:032x}", f"{3:032x}"]) == 1
    assert (await at_hand.is_here(shared), await at_hand.is_here(own)) == (True, False)
    assert await at_hand.turn() == 0
    assert at_hand.files() == [PICTURE]
    async with database.write() as connection:
        assert await media_uses.remove_of_traces(connection, "shop", [f"{2:032x}"]) == 1
    assert await at_hand.is_here(shared, "brief")


async def test_files_that_a_kill_left_unfinished_go_and_those_that_are_being_brought_stay(at_hand: Kept) -> None:
    name = await at_hand.told(1)
    (path,) = [each for each in at_hand.folder.rglob("*") if each.is_file()]
    path.with_suffix(".0123.new").write_bytes(b"half")
    _, *_ = await asyncio.gather(at_hand.media.sweep(), *(at_hand.told(1, b"%d" % n) for n in range(20)))
    at_hand.clock.advance(1)
    await at_hand.media.sweep()
    assert sorted(at_hand.files()) == sorted([PICTURE, *(b"%d" % n for n in range(20))])
    assert await at_hand.is_here(name)


async def test_media_from_before_uses_were_noted_have_their_time_anew(database: ControlDatabase, at_hand: Kept) -> None:
    await at_hand.told(1)
    async with database.write() as connection:
        await connection.execute(update(MEDIA).values(used_ns=0))
    at_hand.clock.advance(100 * DAY_SECONDS)
    assert await at_hand.turn() == 0
    at_hand.clock.advance(11 * DAY_SECONDS)
    assert await at_hand.turn() == 1
