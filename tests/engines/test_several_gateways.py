"""Four processes on one Redis: together they never pass a limit, and none is refused while there is room."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

import switchgear
from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_counters import RedisCounters
from tests.engines.counting_gateway import CLAIMS, LIMIT
from tests.engines.redis_server import every_key, let_time_pass

pytestmark = pytest.mark.service("redis")

ROOT = Path(__file__).parents[2]
SOURCES = Path(switchgear.__file__).parents[1]
CALLS = 50


class Gateway:
    """One of the processes."""

    def __init__(self, url: str, prefix: str, name: str, ttl_seconds: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.counting_gateway", url, prefix, name, str(CALLS), str(ttl_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": f"{SOURCES}:{ROOT}"},
        )

    def hear(self) -> str:
        return _open(self.process.stdout).readline().strip()

    def go_on(self) -> None:
        stream = _open(self.process.stdin)
        stream.write("\n")
        stream.flush()


def _open(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@contextmanager
def gateways(url: str, prefix: str, ttl_seconds: float = 60.0) -> Generator[list[Gateway]]:
    made = [Gateway(url, prefix, f"g{number}", ttl_seconds) for number in range(4)]
    try:
        assert [each.hear() for each in made] == ["ready"] * 4
        yield made
    finally:
        for each in made:
            each.process.kill()
            each.process.communicate()


async def used(client: RedisClient, prefix: str) -> list[int]:
    return [each.used for each in await RedisCounters(client, prefix).standings(CLAIMS)]


async def test_together_they_give_exactly_what_there_is(service_url: str, client: RedisClient, prefix: str) -> None:
    with gateways(service_url, prefix) as made:
        for each in made:
            each.go_on()
        assert sum(int(each.hear()) for each in made) == LIMIT
        assert await used(client, prefix) == [LIMIT] * 6
        for each in made:
            each.go_on()
        assert [each.process.wait(20) for each in made] == [0] * 4
        assert await used(client, prefix) == [LIMIT] * 5 + [0]
        assert [key for key in await every_key(client, prefix) if b"}h:" in key or b"}holds" in key] == []


async def test_what_a_killed_one_held_comes_back_and_nothing_else(
    service_url: str, client: RedisClient, prefix: str
) -> None:
    with gateways(service_url, prefix) as made:
        given: list[int] = []
        for each in made[:2]:
            each.go_on()
            given.append(int(each.hear()))
        assert given == [CALLS, CALLS]
        made[0].process.kill()
        made[1].go_on()
        assert made[1].process.wait(20) == 0
        made[2].go_on()
        assert made[2].hear() == "0"
        await let_time_pass(client, prefix, 61)
        made[3].go_on()
        assert made[3].hear() == str(CALLS)
        assert await used(client, prefix) == [LIMIT] * 5 + [CALLS]
