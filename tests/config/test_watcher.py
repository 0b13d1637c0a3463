"""Hot reload: a change is applied, a broken file is told once and changes nothing."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from switchgear.config import Config, ConfigWatcher, load
from switchgear.kernel.errors import ConfigError

GOOD = "providers: {{sim: {{kind: simulator}}}}\nserver: {{port: {port}}}\n"


class House:
    """What a gateway does with a configuration: take it, or remember why not."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.errors: list[str] = []
        self.changed = asyncio.Event()
        self.refuses: str | None = None

    def apply(self, config: Config) -> None:
        if self.refuses is not None:
            raise ConfigError(self.refuses)
        self.ports.append(config.server.port)
        self.changed.set()

    def report(self, error: ConfigError) -> None:
        self.errors.append(error.message)


def write(path: Path, port: int) -> None:
    path.write_text(GOOD.format(port=port), encoding="utf-8")


def write_broken(path: Path) -> None:
    path.write_text("server: {prot: 1}\n", encoding="utf-8")


def replace(path: Path, port: int) -> None:
    """Put another file of the same size and time in its place, as editors and Kubernetes do."""
    other = path.with_suffix(".new")
    write(other, port)
    stat = path.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.rename(path)


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "switchgear.yaml"
    write(made, 1)
    return made


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def watcher(path: Path, house: House) -> ConfigWatcher:
    return ConfigWatcher(path, {}, load, house.apply, house.report, poll_seconds=0.005)


async def test_nothing_happens_while_the_file_stays_as_it_is(watcher: ConfigWatcher, house: House) -> None:
    await watcher.look()
    assert (house.ports, house.errors) == ([], [])


async def test_a_change_is_applied_once(path: Path, watcher: ConfigWatcher, house: House) -> None:
    write(path, 22)
    await watcher.look()
    await watcher.look()
    assert (house.ports, house.errors) == ([22], [])


async def test_a_file_put_in_place_by_a_rename_is_seen(path: Path, watcher: ConfigWatcher, house: House) -> None:
    replace(path, 2)
    await watcher.look()
    assert house.ports == [2]


async def test_a_broken_file_is_told_once_and_changes_nothing(path: Path, watcher: ConfigWatcher, house: House) -> None:
    write_broken(path)
    await watcher.look()
    await watcher.look()
    assert house.ports == []
    assert len(house.errors) == 1
    assert f"{path}:1:10: unknown key 'prot' in server; did you mean 'port'?" in house.errors[0]


async def test_a_file_that_vanishes_and_returns_is_told_and_then_applied(
    path: Path, watcher: ConfigWatcher, house: House
) -> None:
    remove(path)
    await watcher.look()
    await watcher.look()
    assert [message.partition(": ")[2] for message in house.errors] == ["cannot be read: No such file or directory"]
    write(path, 3)
    await watcher.look()
    assert house.ports == [3]


async def test_what_the_house_refuses_is_told(path: Path, watcher: ConfigWatcher, house: House) -> None:
    house.refuses = "no such provider"
    write(path, 33)
    await watcher.look()
    assert house.errors == ["no such provider"]


async def test_a_file_that_changes_while_it_is_read_is_read_again(path: Path, house: House) -> None:
    readings: list[int] = []

    def load_slowly(at: Path, environ: Mapping[str, str]) -> Config:
        config = load(at, environ)
        readings.append(config.server.port)
        if len(readings) == 1:
            at.write_text(GOOD.format(port=444), encoding="utf-8")
        return config

    watcher = ConfigWatcher(path, {}, load_slowly, house.apply, house.report)
    write(path, 33)
    await watcher.look()
    assert house.ports == []
    await watcher.look()
    assert (readings, house.ports) == ([33, 444], [444])


async def test_it_watches_until_it_is_cancelled(path: Path, watcher: ConfigWatcher, house: House) -> None:
    task = asyncio.get_running_loop().create_task(watcher.run())
    write(path, 555)
    await asyncio.wait_for(house.changed.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert house.ports == [555]


async def test_a_change_of_another_file_of_the_configuration_is_a_change_too(path: Path, tmp_path: Path) -> None:
    prices, house = tmp_path / "prices.json", House()
    path.write_text(f"providers: {{sim: {{kind: simulator}}}}\nprices: {{file: {prices}}}\n", encoding="utf-8")
    watcher = ConfigWatcher(path, {}, load, house.apply, house.report)
    watcher.follow(load(path, {}))

    await watcher.look()
    assert house.ports == []
    prices.write_text("{}", encoding="utf-8")
    await watcher.look()
    assert house.ports == [4000]
    await watcher.look()
    assert house.ports == [4000]
