"""Budgets are compared with the ledger: what was settled before and after must frame what it says."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from switchgear.app.database import ControlDatabase
from switchgear.config import Config
from switchgear.config.limits import LimitEntry
from switchgear.config.state import CountersEntry
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.ports import Claim
from switchgear.ledger.reconciling import Proof
from switchgear.ledger.service import Ledger
from switchgear.limits.model import window_at
from switchgear.processes.counter_proof import CounterProof, reader
from switchgear.processes.counting import counting
from switchgear.processes.written_counts import FOLDER
from tests.ledger.samples import NOON_NS, attempt, record, taken

CLOCK = FrozenClock(wall_ns=NOON_NS)
LIMITS = {
    "each": LimitEntry(scope={"key": "*"}, per="month", usd="10"),
    "ann": LimitEntry(scope={"user": "ann"}, per="day", usd="10"),
    "all": LimitEntry(per="day", usd="100"),
    "sliding": LimitEntry(scope={"key": "*"}, per="day", usd="10", window="sliding"),
    "counts": LimitEntry(scope={"key": "*"}, per="day", tokens=1000),
    "asked": LimitEntry(scope={"model": "*"}, per="day", usd="10"),
}


def counter(name: str, period: str, amount: int) -> Claim:
    window = window_at("month" if period == "month" else "day", NOON_NS, sliding=False)
    return Claim(counter=name, amount=amount, limit=0, window=window.name, keep_seconds=1e6)


class Scene:
    """Counters, a ledger, and what happens between the looks at them."""

    def __init__(self, database: ControlDatabase) -> None:
        self.database = database
        self.counters = MemoryCounters(CLOCK)
        self.meanwhile: list[Sequence[Claim]] = []

    async def read(self, claims: Sequence[Claim]) -> list[int]:
        return [each.used - each.held for each in await self.counters.standings(claims)]

    async def pause(self, seconds: float) -> None:
        if self.meanwhile:
            await self.counters.count(f"meanwhile {len(self.meanwhile)}", self.meanwhile.pop())

    async def prove(self) -> Proof:
        config = Config(limits=LIMITS)
        return await CounterProof(Ledger(self.database, CLOCK), lambda: config, CLOCK, self.read, self.pause).prove()


@pytest.fixture
async def scene(database: ControlDatabase) -> Scene:
    """Two calls of one key and one of another, counted by every budget."""
    made = Scene(database)
    await taken(database, record(1), record(2), record(3, key="other", attempts=[attempt(cost_nano_usd=1000)]))
    await made.counters.count("each bot", [counter("each usd key=bot", "month", 690)])
    await made.counters.count("each other", [counter("each usd key=other", "month", 1000)])
    await made.counters.count("ann", [counter("ann usd user=ann", "day", 1690)])
    await made.counters.count("all", [counter("all usd ", "day", 1690)])
    return made


async def test_budgets_that_counted_what_the_ledger_says_agree(scene: Scene) -> None:
    proof = await scene.prove()
    assert (proof.compared, proof.differing, proof.difference_nano_usd) == (4, 0, 0)


async def test_a_counter_that_lost_or_won_something_is_named_with_both_sums(scene: Scene) -> None:
    await scene.counters.count("lost", [counter("each usd key=bot", "month", -90)])
    await scene.counters.count("won", [counter("all usd ", "day", 5)])
    proof = await scene.prove()
    assert [(each.where, each.one_nano_usd, each.other_nano_usd) for each in proof.findings] == [
        ("each usd key=bot, month 2026-11", 690, 600),
        (f"all usd , {window_at('day', NOON_NS, sliding=False).name}", 1690, 1695),
    ]
    assert proof.difference_nano_usd == 95


async def test_calls_that_end_while_they_are_compared_are_no_difference(scene: Scene) -> None:
    late = [counter("each usd key=bot", "month", 345), counter("ann usd user=ann", "day", 345)]
    scene.meanwhile = [late, [counter("all usd ", "day", 345)]]
    await taken(scene.database, record(4), position=2)
    assert (await scene.prove()).differing == 0


async def test_what_calls_under_way_hold_is_not_spent(scene: Scene) -> None:
    await scene.counters.reserve("open", [Claim(counter="all usd ", amount=0, limit=0)], 60)
    held = counter("all usd ", "day", 500)
    await scene.counters.reserve(
        "other", [Claim(counter=held.counter, amount=500, limit=10**9, window=held.window)], 60
    )
    assert (await scene.prove()).differing == 0


async def test_without_budgets_nothing_is_read(database: ControlDatabase) -> None:
    async def never(_: object) -> list[int]:
        raise AssertionError("nothing is to be read")

    async def at_once(_: float) -> None:
        """No time passes."""

    proof = await CounterProof(Ledger(database, CLOCK), Config, CLOCK, never, at_once).prove()
    assert proof.compared == 0


async def test_counters_of_a_gateway_that_counts_for_itself_are_read_from_its_file(tmp_path: Path) -> None:
    budget = counter("all usd ", "day", 7)
    gateway = counting(CountersEntry(), tmp_path, "g0-aaaa", CLOCK, seeded_bits())
    await gateway.start()
    await gateway.counters.count("entry", [budget])
    await gateway.counters.reserve("open", (Claim(counter="all usd ", amount=3, limit=99, window=budget.window),), 60)
    await gateway.aclose()
    assert await reader(CountersEntry(), tmp_path, CLOCK)([budget]) == [7]
    (tmp_path / FOLDER / "gateway.counts").write_bytes(b"half")
    with pytest.raises(OSError, match="damaged"):
        await reader(CountersEntry(), tmp_path, CLOCK)([budget])
