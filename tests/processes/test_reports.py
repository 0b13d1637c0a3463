"""Reports as files: replaced whole, locked while their writer lives, taken away when it is gone."""

import asyncio
import logging
from pathlib import Path

import pytest
from msgspec import msgpack

from switchgear.config.secret import Secret
from switchgear.config.state import CountersEntry
from switchgear.engines.files import FileKeyValue
from switchgear.engines.memory import MemoryKeyValue
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import UpstreamUnreachable
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.ports import KeyValue
from switchgear.processes.counting import counting
from switchgear.processes.report_values import ReportValues
from switchgear.processes.reports import FOLDER, ReportFile, living_reports
from switchgear.processes.sharing import Sharing
from switchgear.routing.fleet import Fleet
from switchgear.routing.health import Health
from switchgear.routing.policy import UNBOUNDED, Bounds, BreakerRules
from switchgear.routing.report import DeploymentReport, FleetReport, SilentGateway, word
from switchgear.testing.counters_contract import claim


def told(gateway: str, *names: str) -> FleetReport:
    return FleetReport(gateway=gateway, deployments=tuple(DeploymentReport(name=name) for name in names))


def told_at(gateway: str, clock: FrozenClock) -> FleetReport:
    return FleetReport(gateway=gateway, told_ns=clock.wall_ns())


def files(journal: Path) -> list[str]:
    return sorted(path.name for path in (journal / FOLDER).iterdir())


def test_what_living_gateways_told_last_is_read(tmp_path: Path) -> None:
    one, other = ReportFile(tmp_path, "g0"), ReportFile(tmp_path, "g1")
    one.write(told("g0", "a/m"))
    other.write(told("g1"))
    one.write(told("g0", "b/m"))
    assert living_reports(tmp_path) == [told("g0", "b/m"), told("g1")]
    assert files(tmp_path) == ["g0.json", "g1.json"]
    one.close()
    assert living_reports(tmp_path) == [told("g1")]
    other.close()


def test_what_a_killed_gateway_left_is_taken_away(tmp_path: Path) -> None:
    killed = ReportFile(tmp_path, "g0")
    killed.write(told("g0", "a/m"))
    killed._release()  # what the system does for a process that is gone
    assert living_reports(tmp_path) == []
    assert files(tmp_path) == []


def test_a_gateway_hears_of_others_once_for_each_of_their_changes(tmp_path: Path) -> None:
    one, other = ReportFile(tmp_path, "g0"), ReportFile(tmp_path, "g1")
    assert one.changed() == []
    one.write(told("g0"))
    other.write(told("g1"))
    assert one.changed() == [told("g1")]
    assert one.changed() == []
    other.write(told("g1", "a/m"))
    assert one.changed() == [told("g1", "a/m")]
    one.close()
    other.close()


def test_what_is_no_report_is_passed_over(tmp_path: Path) -> None:
    one = ReportFile(tmp_path, "g0")
    one.write(told("g0"))
    (tmp_path / FOLDER / "g0.json").write_bytes(b'{"gateway"')
    assert living_reports(tmp_path) == []
    assert living_reports(tmp_path / "nowhere") == []
    one.close()


class Worker:
    """A gateway's fleet with its round."""

    def __init__(self, journal: Path, name: str, clock: FrozenClock, store: KeyValue | None = None) -> None:
        self.clock = clock
        self.fleet = Fleet()
        self.health: Health = self.fleet.health("a/m", BreakerRules(consecutive_failures=1), UNBOUNDED)
        self.file = ReportFile(journal, name)
        values = None if store is None else ReportValues(store, name, clock)
        self.sharing = Sharing(self.fleet, self.file, name, clock, values)

    def fail(self) -> None:
        self.health.failed("unreachable", self.clock.monotonic_ns(), UpstreamUnreachable("gone"))


async def test_one_round_of_each_carries_an_open_breaker_over(tmp_path: Path) -> None:
    clock = FrozenClock(monotonic_ns=1)
    one, other = Worker(tmp_path, "g0", clock), Worker(tmp_path, "g1", clock)
    one.fail()
    await one.sharing.round()
    await other.sharing.round()
    assert other.health.breaker.state == "open"
    one.file.close()
    other.file.close()


async def test_machines_that_share_a_store_tell_each_other_within_two_rounds(tmp_path: Path) -> None:
    clock = FrozenClock(monotonic_ns=1)
    store = MemoryKeyValue(clock, 1_000_000)
    workers = [Worker(tmp_path / name, name, clock, store) for name in ("g0-a", "g0-b", "g0-c")]
    workers[0].fail()
    for _ in range(2):
        await asyncio.gather(*(worker.sharing.round() for worker in workers))
        clock.advance(0.5)
    assert [worker.health.breaker.state for worker in workers] == ["open"] * 3
    for worker in workers:
        worker.file.close()


async def test_gateways_keep_what_a_vendor_allows_in_a_minute_together(tmp_path: Path) -> None:
    clock = FrozenClock(monotonic_ns=1)
    bounds = Bounds(requests_per_minute=10)
    workers = [Worker(tmp_path, name, clock) for name in ("g0", "g1", "g2")]
    for worker in workers:
        worker.fleet.health("a/m", BreakerRules(), bounds)
    for _ in range(4):
        workers[0].health.begin(clock.monotonic_ns())
        workers[1].health.begin(clock.monotonic_ns())
    for worker in workers:
        await worker.sharing.round()
    assert workers[2].health.headroom(clock.monotonic_ns()) == pytest.approx(0.2)
    await workers[0].sharing.round()
    assert workers[0].health.headroom(clock.monotonic_ns()) == pytest.approx(0.2)
    for worker in workers[:2]:
        worker.file.close()
    clock.advance(11)
    await workers[2].sharing.round()
    assert workers[2].health.headroom(clock.monotonic_ns()) == 1
    workers[2].file.close()


async def test_a_gateway_that_is_gone_is_not_asked_for_any_more(tmp_path: Path) -> None:
    clock = FrozenClock(monotonic_ns=1)
    store = MemoryKeyValue(clock, 1_000_000)
    here, gone = ReportValues(store, "here", clock), ReportValues(store, "gone", clock)
    await gone.exchange(told_at("gone", clock))
    assert await here.exchange(told_at("here", clock)) == [told_at("gone", clock)]
    assert await here.exchange(None) == []
    clock.advance(11)
    await here.exchange(told_at("here", clock))
    assert msgpack.decode(await store.get("gateways") or b"") == {"here": clock.wall_ns()}


@pytest.mark.parametrize("damaged", [b"", b"{", b"\x80", b"\x93"])
async def test_values_that_are_no_reports_are_passed_over(tmp_path: Path, damaged: bytes) -> None:
    clock = FrozenClock(monotonic_ns=1)
    store = MemoryKeyValue(clock, 1_000_000)
    here, other = ReportValues(store, "here", clock), ReportValues(store, "other", clock)
    await store.put("gateways", damaged, 60)
    await other.exchange(told_at("other", clock))
    await store.put("gateway:other", damaged, 60)
    assert await here.exchange(None) == []


async def test_a_store_that_fails_is_told_again_and_stops_no_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FrozenClock(monotonic_ns=1)
    store = FileKeyValue(tmp_path / "blocked", clock, 1_000_000)
    (tmp_path / "blocked").write_bytes(b"")
    one, other = Worker(tmp_path, "g0", clock, store), Worker(tmp_path, "g1", clock)
    one.fail()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await one.sharing.round()
    await other.sharing.round()
    assert other.health.breaker.state == "open"
    assert caplog.text.count("cannot tell each other") == 1
    one.file.close()
    other.file.close()


async def test_a_gateway_tells_whether_it_can_ask_the_counters_that_it_shares(tmp_path: Path) -> None:
    clock = FrozenClock(monotonic_ns=1)
    one = Worker(tmp_path, "g0", clock)
    nowhere = CountersEntry(engine="redis", url=Secret("redis://127.0.0.1:1"))
    shared = counting(nowhere, tmp_path, "g0-aaaa", clock, seeded_bits()).shared
    assert shared is not None
    one.sharing.shared_counters = shared
    await shared.count("entry", [claim()])
    await one.sharing.round()
    assert (one.sharing.last.counters_reachable, one.sharing.last.counters_owed) == (False, 1)
    one.file.close()


async def test_nothing_is_written_while_nothing_changes(tmp_path: Path) -> None:
    one = Worker(tmp_path, "g0", FrozenClock(monotonic_ns=1))
    path = tmp_path / FOLDER / "g0.json"
    await one.sharing.round()
    first = path.stat().st_ino, path.stat().st_mtime_ns
    await one.sharing.round()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == first
    one.fail()
    await one.sharing.round()
    assert living_reports(tmp_path) == [one.sharing.last]
    one.file.close()


async def test_what_still_holds_is_said_again_every_other_second_so_that_a_frozen_gateway_is_known(
    tmp_path: Path,
) -> None:
    clock = FrozenClock(monotonic_ns=1)
    one, frozen = Worker(tmp_path, "g0", clock), Worker(tmp_path, "g1", clock)
    one.fail()
    frozen.fail()
    await frozen.sharing.round()
    for _ in range(24):
        await one.sharing.round()
        assert clock.wall_ns() - living_reports(tmp_path)[0].told_ns < 2_000_000_000
        clock.advance(0.5)
    found = word(living_reports(tmp_path), clock.wall_ns())
    assert [told.gateway for told in found.reports] == ["g0"]
    assert found.silent == (SilentGateway(gateway="g1", age_seconds=12.0),)
    one.file.close()
    frozen.file.close()


async def test_a_folder_that_cannot_be_written_is_told_once_and_is_no_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = Worker(tmp_path, "g0", FrozenClock(monotonic_ns=1))
    (tmp_path / FOLDER).write_bytes(b"in the way")
    with caplog.at_level(logging.WARNING):
        await one.sharing.round()
        await one.sharing.round()
    assert len(caplog.messages) == 1
    (tmp_path / FOLDER).unlink()
    await one.sharing.round()
    assert living_reports(tmp_path) == [one.sharing.last]
    one.file.close()


async def test_a_gateway_that_ends_takes_its_file_along(tmp_path: Path) -> None:
    one = Worker(tmp_path, "g0", FrozenClock(monotonic_ns=1))
    running = asyncio.get_running_loop().create_task(one.sharing.run())
    while not living_reports(tmp_path):
        await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.wait([running])
    assert files(tmp_path) == []
