"""How limits stand, as the gateway tells whoever runs it."""

from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from switchgear.app.limits import limits_in
from switchgear.config.loading import parse
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.clock import Clock, FrozenClock, SystemClock
from switchgear.kernel.limit_report import LimitReport, merged_limits
from switchgear.kernel.ports import Claim
from switchgear.limits.standings import Standings
from switchgear.routing.report import FleetReport, Word
from switchgear.traces.gauges import exposition
from switchgear.traces.meter import Meter
from tests.doors.house import House
from tests.limits.test_stage import PLAIN, asked, limited

LIMITS = """
  few: {scope: {key: "*"}, requests: 4, per: day}
  people: {scope: {end_user: "*"}, usd: "1", per: month}
"""


def values(text: str, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def looking(house: House, counters: MemoryCounters, clock: Clock | None = None) -> Standings:
    snapshots = house.snapshots
    assert snapshots is not None
    return Standings(lambda: limits_in(snapshots.current), counters, clock or SystemClock(), counters.counted)


async def standings(house: House, counters: MemoryCounters) -> tuple[LimitReport, ...]:
    return await looking(house, counters).look()


def used(told: tuple[LimitReport, ...]) -> dict[str, int]:
    return {f"{one.limit} {one.whom}": one.used for one in told}


async def test_every_count_that_calls_fell_under_is_told_with_the_fullest_first() -> None:
    async with limited(LIMITS) as (house, counters):
        for user in ("ann", "ann", "bob"):
            await asked(house, user=user)
        told = await standings(house, counters)
        assert [(one.limit, one.whom, one.used, one.allowed) for one in told] == [
            ("few", "key=tester", 3, 4),
            ("people", "end_user=ann", 20_000_000, 1_000_000_000),
            ("people", "end_user=bob", 10_000_000, 1_000_000_000),
        ]
        assert all(one.held == 0 and one.ends_ns for one in told)


async def test_where_nothing_is_limited_nothing_is_told() -> None:
    async with limited("  {}") as (house, counters):
        assert await standings(house, counters) == ()


async def test_what_was_counted_before_a_reload_is_told_of_the_limits_that_are_there_now() -> None:
    async with limited(LIMITS + "  gone: {requests: 9, per: day}") as (house, counters):
        await asked(house, user="ann b")
        house.change(limits=parse(PLAIN + LIMITS.replace('key: "*"', "key: tester"), "f", {}).limits)
        before = used(await standings(house, counters))
        assert before == {"few key=tester": 1, "people end_user=ann b": 10_000_000}
        await asked(house, user="ann b")
        assert used(await standings(house, counters)) == {"few key=tester": 2, "people end_user=ann b": 20_000_000}
        house.change(limits=parse(PLAIN + "  few: {scope: {key: other}, requests: 4, per: day}", "f", {}).limits)
        assert await standings(house, counters) == ()


async def test_what_was_counted_in_a_window_that_is_over_is_told_no_longer() -> None:
    clock = FrozenClock()
    async with limited('  few: {scope: {key: "*"}, requests: 4, per: minute}', clock) as (house, counters):
        looks = looking(house, counters, clock)
        await asked(house)
        house.change()
        assert used(await looks.look()) == {"few key=tester": 1}
        clock.advance(150)
        assert await looks.look() == ()
        house.change()
        assert await looks.look() == ()


async def test_where_counters_cannot_be_listed_the_last_snapshot_still_knows_what_was_counted() -> None:
    async with limited(LIMITS) as (house, counters):
        snapshots = house.snapshots
        assert snapshots is not None
        looks = Standings(lambda: limits_in(snapshots.current), counters, SystemClock())
        await asked(house, user="ann")
        told = used(await looks.look())
        for _ in range(2):
            house.change()
            assert used(await looks.look()) == told == {"few key=tester": 1, "people end_user=ann": 10_000_000}


async def test_of_very_many_counters_those_of_the_limits_in_force_are_found() -> None:
    async with limited(LIMITS) as (house, counters):
        await asked(house)
        now = Claim(counter="", amount=3, limit=0, window="day 1", keep_seconds=86_400.0)
        names = [f"{name} requests key={number}" for number in range(600) for name in ("few", "other")]
        await counters.count("e", [structs.replace(now, counter=name) for name in names])
        house.change()
        assert used(await standings(house, counters)) == {"few key=tester": 1}


def report(used: int, whom: str = "key=a", ends_ns: int = 1) -> LimitReport:
    return LimitReport(
        limit="l", quantity="requests", whom=whom, used=used, held=0, allowed=10, action="block", ends_ns=ends_ns
    )


def test_of_what_several_gateways_tell_the_newest_window_counts_and_in_it_the_most() -> None:
    told = [report(9), report(3, ends_ns=2), report(4, ends_ns=2), report(6, "key=b")]
    assert [(one.whom, one.used) for one in merged_limits(told)] == [("key=b", 6), ("key=a", 4)]


def test_the_gauge_shows_each_limit_by_whoever_uses_most() -> None:
    text = exposition(Word(reports=(FleetReport(gateway="g", limits=(report(9), report(6, "key=b"))),)))
    assert values(text, "switchgear_limit_used_ratio") == {("l", "requests"): 0.9}


async def test_calls_beyond_a_limit_are_counted_by_what_became_of_them() -> None:
    rules = "  hard: {requests: 2, per: day}\n  soft: {requests: 1, per: day, action: warn}"
    async with limited(rules) as (house, _):
        for _ in range(4):
            await asked(house)
        meter = Meter()
        for record in house.journal.records:
            meter.count(record)
    counted = values(meter.render(), "switchgear_limited_calls_total")
    assert counted == {("soft", "warned"): 1, ("hard", "refused"): 2}
