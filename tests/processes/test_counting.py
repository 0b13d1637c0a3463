"""Counters of a gateway outlive its process; what cannot be read or written is told and stops nothing."""

import asyncio
import logging
from pathlib import Path
from typing import cast

import pytest

from switchgear.config.secret import Secret
from switchgear.config.state import CountersEntry
from switchgear.engines.patient_counters import PatientCounters
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.ports import Standing
from switchgear.processes.counting import Counting, counting
from switchgear.processes.written_counts import FOLDER, WrittenCounts
from switchgear.testing.counters_contract import at_once, claim


async def process(journal: Path, name: str, clock: FrozenClock) -> Counting:
    made = counting(CountersEntry(), journal, name, clock, seeded_bits())
    await made.start()
    return made


def written(made: Counting) -> WrittenCounts:
    return cast("WrittenCounts", made.aclose.__self__)  # pyright: ignore[reportFunctionMemberAccess] (a bound method)


async def test_what_one_process_counted_the_next_goes_on_with(tmp_path: Path) -> None:
    clock = FrozenClock()
    first = await process(tmp_path, "g0-aaaa", clock)
    await first.counters.reserve("settled", (claim(), at_once()), 60)
    await first.counters.settle("settled", (claim(), at_once()), (4, 1))
    await first.counters.reserve("open", (claim(amount=2), at_once()), 60)
    await first.aclose()
    clock.advance(5)
    second = await process(tmp_path, "g7-bbbb", clock)
    assert await second.counters.standings([claim(), at_once()]) == (Standing(6, True, 2), Standing(0, True))


async def test_one_that_drains_leaves_the_file_to_the_next_and_hands_over_what_it_settles_later(tmp_path: Path) -> None:
    clock = FrozenClock()
    old = await process(tmp_path, "g0-aaaa", clock)
    await old.counters.reserve("early", (claim(amount=4),), 60)
    await old.counters.settle("early", (claim(amount=4),), (4,))
    await old.counters.reserve("late", (claim(amount=3),), 60)
    begun = asyncio.create_task(process(tmp_path, "g1-bbbb", clock))
    while not begun.done():
        await written(old).yield_the_file()
        await asyncio.sleep(0)
    new = await begun
    assert await new.counters.standings([claim()]) == (Standing(7, True, 3),)
    await new.counters.count("entry", [claim(amount=1)])
    await written(new).write()
    await old.counters.settle("late", (claim(amount=3),), (2,))
    await written(old).write()
    await old.aclose()
    for _ in range(2):
        await written(new).adopt()
    assert await new.counters.standings([claim()]) == (Standing(7, True),)
    await new.aclose()
    third = await process(tmp_path, "g2-cccc", clock)
    await written(third).adopt()
    assert await third.counters.standings([claim()]) == (Standing(7, True),)
    await third.aclose()
    assert not list((tmp_path / FOLDER).glob("*.handover"))


async def test_one_that_goes_on_is_rung_for_and_tells_at_once_what_it_has_not_written_yet(tmp_path: Path) -> None:
    clock = FrozenClock()
    old = await process(tmp_path, "g0-aaaa", clock)
    running = asyncio.ensure_future(old.run())
    try:
        await old.counters.count("written", [claim(amount=4)])
        while not (tmp_path / FOLDER / "gateway.counts").exists():
            await asyncio.sleep(0)
        await old.counters.count("later", [claim(amount=1)])
        new = await process(tmp_path, "g1-bbbb", clock)
        assert await new.counters.standings([claim()]) == (Standing(5, True),)
        await new.aclose()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await old.aclose()


async def test_one_that_stands_still_is_not_waited_for_long(tmp_path: Path) -> None:
    clock = FrozenClock()
    old = await process(tmp_path, "g0-aaaa", clock)
    await old.counters.count("written", [claim(amount=4)])
    await written(old).write()
    await old.counters.count("later", [claim(amount=1)])
    new = await process(tmp_path, "g1-bbbb", clock)
    assert await new.counters.standings([claim()]) == (Standing(4, True),)
    await new.aclose()
    await old.aclose()


async def test_a_handover_that_is_damaged_is_nobodys(tmp_path: Path) -> None:
    made = await process(tmp_path, "g0-aaaa", FrozenClock())
    (tmp_path / FOLDER / "g9.handover").write_bytes(b"half")
    await written(made).adopt()
    assert await made.counters.standings([claim()]) == (Standing(0, True),)
    assert not (tmp_path / FOLDER / "g9.handover").exists()


async def test_only_what_has_changed_is_written(tmp_path: Path) -> None:
    made = await process(tmp_path, "g0-aaaa", FrozenClock())
    await made.counters.count("entry", [claim()])
    path = tmp_path / FOLDER / "gateway.counts"
    await made.aclose()
    first = path.stat().st_ino
    await made.aclose()
    assert path.stat().st_ino == first
    assert path.stat().st_mode & 0o777 == 0o600
    await made.counters.count("other", [claim()])
    await made.aclose()
    assert path.stat().st_ino != first


async def test_what_is_damaged_is_put_aside_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "gateway.counts").write_bytes(b"half")
    made = await process(tmp_path, "g0-aaaa", FrozenClock())
    assert await made.counters.standings([claim()]) == (Standing(0, True),)
    assert (tmp_path / FOLDER / "gateway.unusable").read_bytes() == b"half"
    assert "damaged" in caplog.text


async def test_a_folder_that_cannot_be_used_costs_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FOLDER).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        made = await process(tmp_path, "g0-aaaa", FrozenClock())
        for number in range(3):
            await made.counters.count(f"entry {number}", [claim()])
            await made.aclose()
    assert caplog.text.count("cannot be written down") == 1


async def test_with_redis_a_gateway_starts_whether_it_is_there_or_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = CountersEntry(engine="redis", url=Secret("redis://:never-shown@127.0.0.1:1"))
    made = counting(nowhere, tmp_path, "g0-aaaa", FrozenClock(), seeded_bits())
    await made.start()
    assert isinstance(made.counters, PatientCounters)
    assert (await made.counters.reserve("r", (claim(),), 60))[0].fits
    await made.counters.settle("r", (claim(),), (1,))
    await made.aclose()
    assert "cannot be reached" in caplog.text
    assert "1 counts and settlements could not be told" in caplog.text
    assert "never-shown" not in caplog.text
