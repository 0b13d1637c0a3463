"""Scores and comments go some days after they were said last, and never before their trace."""

import pytest
from msgspec import structs

from switchgear.app.database import ControlDatabase
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.query import Doomed
from switchgear.traces.comments import store as comments
from switchgear.traces.comments.store import Comment
from switchgear.traces.score_retention import ScoreRetention
from switchgear.traces.scores.model import Score, as_it_is
from switchgear.traces.scores.store import Scores, Sought
from tests.memory_spans import MemorySpans
from tests.traces.spans import kept

DAY_SECONDS = 86_400
DAYS = {"shop": 10, "brief": 2}
FOREVER_NS = (1 << 63) - 1


class Said:
    """Scores and comments with what deletes them."""

    def __init__(self, database: ControlDatabase) -> None:
        self.clock = FrozenClock()
        self.spans = MemorySpans()
        self.scores = Scores(database, self.clock, as_it_is)
        self._database = database
        self._retention = ScoreRetention(database, self.spans)

    def score(self, id: str, **changes: object) -> Score:
        """A person's words on a session, changed."""
        plain = Score(
            project="shop",
            id=id,
            target="session",
            session="chat",
            name="note",
            data_type="text",
            text="joe is ill",
            source="human",
            at_ns=self.clock.wall_ns(),
        )
        return structs.replace(plain, **changes)

    async def comment(self, id: str, **place: str) -> None:
        now_ns = self.clock.wall_ns()
        words = Comment(id=id, project="shop", author="user:ada", text="why?", created_ns=now_ns, changed_ns=now_ns)
        async with self._database.write() as connection:
            await comments.add(connection, structs.replace(words, **place))

    async def change(self, id: str) -> None:
        async with self._database.write() as connection:
            await comments.change(connection, id, "because", self.clock.wall_ns())

    async def after(self, days: float) -> int:
        self.clock.advance(days * DAY_SECONDS)
        return await self._retention.turn(self.clock.wall_ns(), DAYS.get)

    async def left(self, project: str = "shop") -> list[str]:
        found = await self.scores.find(Sought(project=project, limit=1_000))
        async with self._database.read() as connection:
            talk = await comments.find(connection, comments.Sought(project=project))
        return sorted([one.id for one in found] + [one.id for one in talk])


@pytest.fixture
def said(database: ControlDatabase) -> Said:
    return Said(database)


async def test_each_project_has_its_own_time(said: Said) -> None:
    await said.scores.add([said.score("a"), said.score("b", project="brief"), said.score("c", project="nobody's")])
    await said.comment("d", session="chat")
    assert await said.after(3) == 1
    assert (await said.left(), await said.left("brief"), await said.left("nobody's")) == (["a", "d"], [], ["c"])
    assert await said.after(8) == 2
    assert (await said.left(), await said.left("nobody's")) == ([], ["c"])


async def test_what_is_said_of_a_trace_stays_while_it_does(said: Said) -> None:
    await said.spans.write([kept(1, 1), kept(2, 2)])
    for trace in (1, 2):
        place = {"trace_id": f"{trace:032x}"}
        await said.scores.add([said.score(f"score {trace}", target="trace", session="", **place)])
        await said.comment(f"comment {trace}", **place)
    await said.spans.delete(Doomed(project="shop", trace_ids=(f"{1:032x}",)))
    assert await said.after(11) == 2
    assert await said.left() == ["comment 2", "score 2"]
    await said.spans.delete(Doomed(project="shop", trace_ids=(f"{2:032x}",)))
    assert await said.after(0) == 2
    assert await said.left() == []


async def test_a_score_that_names_a_span_alone_has_its_own_time(said: Said) -> None:
    await said.spans.write([kept(1, 1)])
    await said.scores.add([said.score("note", target="span", session="", span_id=f"{1:016x}")])
    assert await said.after(9) == 0
    assert await said.after(2) == 1


async def test_what_is_said_anew_begins_anew_and_goes_whole(said: Said) -> None:
    await said.scores.add([said.score("a"), said.score("b")])
    await said.comment("c", session="chat")
    assert await said.after(9) == 0
    await said.scores.add([said.score("a", text="joe is well")])
    await said.scores.change("shop", "b", withdrawn=1)
    await said.change("c")
    assert await said.after(9) == 0
    assert await said.left() == ["a", "c"]
    assert await said.after(2) == 5
    assert await said.left() == []


async def test_a_time_that_is_yet_to_come_keeps_nothing(said: Said) -> None:
    await said.scores.add([said.score("a", at_ns=FOREVER_NS)])
    assert await said.after(11) == 1


async def test_more_than_one_portion_goes_past_those_that_stay(said: Said) -> None:
    await said.spans.write([kept(1, 1)])
    place = {"target": "trace", "session": "", "trace_id": f"{1:032x}"}
    await said.scores.add([said.score(f"{number:03d}", **place if number % 2 else {}) for number in range(450)])
    assert await said.after(11) == 225
    assert await said.left() == [f"{number:03d}" for number in range(1, 450, 2)]
