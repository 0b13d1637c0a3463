"""One live server for the tests that only talk to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.live import LiveServer


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with keys, the simulator and an alias."""
    directory: Path = tmp_path_factory.mktemp("live")
    with LiveServer(directory) as server:
        yield server
