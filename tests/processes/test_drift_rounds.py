"""Each project is checked for drift once a day, whichever process does it, and only where that is wanted."""

from switchgear.app.database import ControlDatabase
from switchgear.app.drift import drift_work
from switchgear.config import Config
from switchgear.config.identity import ProjectEntry
from switchgear.config.traces import DriftSettings, Traces
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids
from switchgear.processes.drift_rounds import DAILY, DriftRounds
from switchgear.traces.drift import store
from tests.management import Counting
from tests.memory_spans import MemorySpans
from tests.traces.spans import NOW_NS

DAY_SECONDS = 86_400


def rounds(database: ControlDatabase, clock: FrozenClock, config: Config) -> DriftRounds:
    drift = drift_work(MemorySpans(), database, clock, Ids(clock, Counting()))
    return DriftRounds(drift, database, lambda: config, clock)


async def test_each_project_is_checked_once_a_day_by_whoever_comes_first(database: ControlDatabase) -> None:
    clock = FrozenClock(NOW_NS)
    traces = Traces(drift=DriftSettings(daily=True, current_hours=6))
    config = Config(traces=traces, projects={"shop": ProjectEntry()})
    assert await rounds(database, clock, config).turn() == 2
    assert await rounds(database, clock, config).turn() == 0
    clock.advance(DAY_SECONDS)
    assert await rounds(database, clock, config).turn() == 2
    async with database.read() as connection:
        made = await store.find(connection, "shop", 9, drifted=False)
    assert [one.made_by for one in made] == [DAILY, DAILY]


async def test_nothing_is_checked_unless_the_file_says_so(database: ControlDatabase) -> None:
    assert await rounds(database, FrozenClock(NOW_NS), Config()).turn() == 0
