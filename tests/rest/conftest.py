"""The whole management API on each engine."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from switchgear.app.database import ControlDatabase
from tests.management import application, client


@pytest.fixture
async def api(database: ControlDatabase) -> AsyncGenerator[httpx.AsyncClient]:
    """The API as the operator on this machine calls it."""
    async with client(application(database)) as made:
        yield made
