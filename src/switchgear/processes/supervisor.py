"""The supervisor: owns the listening socket, runs a control process and the gateways, and loses no call doing so.

All gateways accept from one inherited socket, so a rolling restart (SIGHUP) starts the new ones first and then drains
the old: connections waiting to be accepted belong to the socket, not to the process that went. A child that dies is
started again, with growing pauses. SIGTERM drains everything and ends.
"""

import asyncio
import logging
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from switchgear.processes.child import START_SECONDS, Child
from switchgear.processes.lines import open_entrance
from switchgear.processes.options import ControlOptions, GatewayOptions, command_line

_RESTART_PAUSES_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
_FIRST_START_KILLS: Final = 3
"""So often a process is started again that was killed before it was ever ready."""
_STEADY_SECONDS: Final = 30.0
_CONTROL_STOP_SECONDS: Final = 5.0
_DRAIN_GRACE_SECONDS: Final = 3.0

GATEWAY_MODULE: Final = "switchgear.processes.gateway"
CONTROL_MODULE: Final = "switchgear.processes.control"


class Plan(Struct, frozen=True, kw_only=True):
    """What a supervisor runs."""

    config_path: str | None
    workers: int
    drain_seconds: float
    environ: Mapping[str, str]
    """Of all that it starts."""
    runs_batches: bool = False


class Supervisor:
    """Runs until told to stop; the exit status is 0 unless the first start failed, which the log says."""

    def __init__(self, plan: Plan, listening: socket.socket, announce: Callable[[], None]) -> None:
        self._plan = plan
        self._listening = listening
        self._announce = announce
        self._gateways: list[Child] = []
        self._control: Child | None = None
        self._stopping = asyncio.Event()
        self._watchers: set[asyncio.Task[None]] = set()
        self._restarting = asyncio.Lock()
        self._log = logging.getLogger("switchgear.supervisor")
        self._directory = tempfile.TemporaryDirectory(prefix="switchgear-")
        self._socket_path = str(Path(self._directory.name) / "control.sock")
        folder = Path(self._directory.name)
        self._entrance = open_entrance(folder) if plan.runs_batches else None
        self._lines = self._directory.name if plan.runs_batches else None
        self._next_number = 0

    async def run(self) -> int:
        """Start everything, wait for a signal, drain."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        try:
            if not await self._start_all():
                return 0 if self._stopping.is_set() else 1
            self._announce()
            await self._stopping.wait()
            return 0
        finally:
            await self._stop_all()
            self._directory.cleanup()

    async def _start_all(self) -> bool:
        control, *gateways = await asyncio.gather(
            self._start_control(), *(self._start_gateway() for _ in range(self._plan.workers))
        )
        self._control = control
        self._gateways = gateways
        # The first that fails decides: gateways would wait for the feed of a control process that refused to start.
        starts = [asyncio.ensure_future(self._first_start(child)) for child in (control, *gateways)]
        for ready in asyncio.as_completed(starts):
            if not await ready:
                for start in starts:
                    start.cancel()
                await asyncio.wait(starts)
                return False
        for child in (self._control, *self._gateways):
            self._watch(child)
        return True

    async def _first_start(self, child: Child) -> bool:
        """Whether a child became ready, or one in its place where it was killed before; why not, the log says."""
        for pause in (*_RESTART_PAUSES_SECONDS[:_FIRST_START_KILLS], None):
            if await child.wait_ready():
                return True
            status = await child.status()
            if self._stopping.is_set():
                return False
            if status is None:
                self._log.error("%s was not ready within %.0f s, so serve ends", child.name, START_SECONDS)
                return False
            if status >= 0 or pause is None:
                why = "why, it says above" if status >= 0 else "again and again something kills it"
                self._log.error("%s %s before it was ready, so serve ends: %s", child.name, _end(status), why)
                return False
            self._log.error("%s %s before it was ready; starting another in %.1f s", child.name, _end(status), pause)
            child.release()
            await asyncio.sleep(pause)
            child = await self._replace(child)
        return False

    async def _start_control(self) -> Child:
        def command(ready_fd: int, life_fd: int) -> list[str]:
            options = ControlOptions(
                config_path=self._plan.config_path,
                socket_path=self._socket_path,
                lines=self._lines,
                ready_fd=ready_fd,
                life_fd=life_fd,
            )
            return command_line(CONTROL_MODULE, options)

        return await Child.start("control", command, self._plan.environ)

    async def _start_gateway(self) -> Child:
        number = self._next_number
        self._next_number += 1
        listen_fd = self._listening.fileno()
        lines_fd = None if self._entrance is None else self._entrance.fileno()

        def command(ready_fd: int, life_fd: int) -> list[str]:
            options = GatewayOptions(
                config_path=self._plan.config_path,
                listen_fd=listen_fd,
                control_socket=self._socket_path,
                lines=self._lines,
                lines_fd=lines_fd,
                ready_fd=ready_fd,
                life_fd=life_fd,
                number=number,
            )
            return command_line(GATEWAY_MODULE, options)

        inherited = (listen_fd,) if lines_fd is None else (listen_fd, lines_fd)
        return await Child.start(f"gateway {number}", command, self._plan.environ, inherited)

    def _watch(self, child: Child) -> None:
        task = asyncio.get_running_loop().create_task(self._revive(child))
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def _revive(self, child: Child) -> None:
        """Wait for a child's end, and start another in its place unless the end was wanted."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            await child.process.wait()
            child.release()
            if child.stopping or self._stopping.is_set():
                return
            failures = 1 if loop.time() - started > _STEADY_SECONDS else failures + 1
            pause = _RESTART_PAUSES_SECONDS[min(failures, len(_RESTART_PAUSES_SECONDS)) - 1]
            self._log.error("%s %s; starting another in %.1f s", child.name, _end(child.process.returncode or 0), pause)
            await asyncio.sleep(pause)
            if self._stopping.is_set():
                return
            child = await self._replace(child)

    async def _replace(self, dead: Child) -> Child:
        if dead is self._control:
            self._control = await self._start_control()
            return self._control
        fresh = await self._start_gateway()
        self._gateways = [fresh if child is dead else child for child in self._gateways]
        return fresh

    def _on_hangup(self) -> None:
        task = asyncio.get_running_loop().create_task(self._roll())
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def _roll(self) -> None:
        """Replace every gateway: the new one answers before the old one drains."""
        async with self._restarting:
            for old in tuple(self._gateways):
                if self._stopping.is_set():
                    return
                fresh = await self._start_gateway()
                if not await fresh.wait_ready():
                    self._log.error("the new gateway did not become ready; %s goes on", old.name)
                    fresh.terminate()
                    await fresh.ended(_CONTROL_STOP_SECONDS)
                    return
                self._gateways = [fresh if child is old else child for child in self._gateways]
                self._watch(fresh)
                old.terminate()
                await old.ended(self._plan.drain_seconds + _DRAIN_GRACE_SECONDS)
            self._log.info("all gateways were replaced")

    async def _stop_all(self) -> None:
        self._stopping.set()
        for child in self._gateways:
            child.terminate()
        # Or the system would go on taking connections for it, which nobody answers until all streams have ended.
        self._listening.close()
        await asyncio.gather(
            *(child.ended(self._plan.drain_seconds + _DRAIN_GRACE_SECONDS) for child in self._gateways)
        )
        if self._control is not None:
            self._control.terminate()
            await self._control.ended(_CONTROL_STOP_SECONDS)
        for task in tuple(self._watchers):
            task.cancel()


def _end(status: int) -> str:
    """How a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
