"""What is done once an hour for as long as a process runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

_PAUSE_SECONDS: Final = 3600.0


async def hourly(turn: Callable[[], Awaitable[object]], log: logging.Logger, failure: str) -> None:
    """Do it until cancelled; ``failure`` says what an OSError left undone."""
    while True:
        try:
            await turn()
        except OSError as error:
            log.warning("%s, which is tried again in an hour: %s", failure, error)
        await asyncio.sleep(_PAUSE_SECONDS)
