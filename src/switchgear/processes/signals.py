"""Waiting for the word to stop."""

import asyncio
import signal

from switchgear.processes.child import when_orphaned


def stop_event(life_fd: int | None) -> asyncio.Event:
    """An event set by SIGTERM, SIGINT, or the parent's end."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    when_orphaned(life_fd, stopping.set)
    return stopping
