"""``switchgear top``: the golden signals of a running gateway, while they change."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated, Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from switchgear.cli.conversation import Server
from switchgear.cli.output import Block, Cell, Grid, blocks_drawn, show_blocks, show_json
from switchgear.cli.settings import ConfigOption
from switchgear.cli.top_signals import Deployment, Reading, Signals, Traffic, read, signals
from switchgear.cli.trace_asking import configured_url
from switchgear.kernel.errors import SwitchgearError, UpstreamGarbled

_PATH: Final = "/metrics"
_TRAFFIC: Final = (
    "model", "calls/s", "429/s", "5xx/s", "first token p50", "p95", "duration p50", "p95", "tokens in/s", "out/s",
    "$/min", "rescued/s", "cached/s",
)  # fmt: skip
_DEPLOYMENTS: Final = ("deployment", "state", "in flight", "waiting", "attempts/s", "errors/s")
_STYLES: Final = {"closed": "green", "open": "red"}
_MILLI: Final = 1_000
_TWO: Final = 2
"""Readings are needed to say what happened between them."""


def top(
    config: ConfigOption = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Gateway on this machine. Default: the one at the file's address.", show_default=False
        ),
    ] = None,
    every_seconds: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.2, max=60, help="Between two readings.")
    ] = 1.0,
    window_seconds: Annotated[
        float, typer.Option("--window", metavar="SECONDS", min=1, max=3600, help="Over which rates are taken.")
    ] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Print one reading, taken over --every, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one reading as JSON.")] = False,
) -> None:
    """Show traffic, errors, latency, tokens, cost and the state of deployments, until Ctrl-C."""
    server = Server(url or configured_url(config), None)
    if once or as_json or not sys.stdout.isatty():
        before = _reading(server)
        time.sleep(every_seconds)
        told = signals(before, _reading(server))
        if as_json:
            show_json(told)
        else:
            show_blocks(blocks(told))
        return
    _watch(server, every_seconds, window_seconds)


def blocks(told: Signals) -> Iterator[Block]:
    """One reading, as lines and tables."""
    overhead = f"{_time(told.overhead_p50_seconds)} p50, {_time(told.overhead_p95_seconds)} p95"
    calls = f"{told.total.calls:.1f} calls/s over {told.seconds:.0f} s"
    yield f"{calls}, overhead {overhead}, {told.connections} connections"
    if told.behind_seconds:
        yield f"The counting is {told.behind_seconds:.0f} s behind: the journal holds what is to be read."
    if not told.models:
        yield "No call has come yet."
    else:
        rows = [_row(each) for each in (told.total, *told.models)]
        yield Grid(headings=_TRAFFIC, rows=rows)
    if told.deployments:
        yield Grid(headings=_DEPLOYMENTS, rows=[_deployment_row(each) for each in told.deployments])


def _watch(server: Server, every_seconds: float, window_seconds: float) -> None:
    """Until Ctrl-C."""
    history = _History(server, window_seconds)
    with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live:
        try:
            while True:
                drawn = blocks_drawn(history.next())
                live.update(Group(Text("switchgear top; Ctrl-C ends it\n"), *drawn), refresh=True)
                time.sleep(every_seconds)
        except KeyboardInterrupt:
            return


class _History:
    """The readings of a window; a server that goes away is told, and waited for."""

    def __init__(self, server: Server, window_seconds: float) -> None:
        self._server = server
        self._window_seconds = window_seconds
        self._readings: deque[Reading] = deque()

    def next(self) -> Iterator[Block]:
        """What is to be shown now."""
        readings = self._readings
        try:
            readings.append(_reading(self._server))
        except SwitchgearError as error:
            readings.clear()
            yield error.message
            return
        oldest = readings[-1].at_seconds - self._window_seconds
        while len(readings) > _TWO and readings[1].at_seconds <= oldest:
            readings.popleft()
        if len(readings) == 1:
            yield "Reading ..."
            return
        yield from blocks(signals(readings[0], readings[-1]))


def _reading(server: Server) -> Reading:
    """Raises SwitchgearError where the server tells none."""
    with server.request("GET", _PATH) as response:
        answer = response.read()
    try:
        return read(answer.decode(), time.monotonic())
    except ValueError as error:
        raise UpstreamGarbled(f"{_PATH} answers no metrics: {error}") from None


def _row(told: Traffic) -> tuple[str | Cell, ...]:
    return (
        told.model,
        f"{told.calls:.1f}",
        Cell(f"{told.limited:.1f}", "yellow" if told.limited else ""),
        Cell(f"{told.failed:.1f}", "red" if told.failed else ""),
        _time(told.first_token_p50_seconds),
        _time(told.first_token_p95_seconds),
        _time(told.duration_p50_seconds),
        _time(told.duration_p95_seconds),
        f"{told.input_tokens:.0f}",
        f"{told.output_tokens:.0f}",
        f"{told.usd_per_minute:.4f}",
        f"{told.rescued:.1f}",
        f"{told.cached:.1f}",
    )


def _deployment_row(told: Deployment) -> tuple[str | Cell, ...]:
    return (
        told.deployment,
        Cell(told.state, _STYLES.get(told.state, "yellow")),
        str(told.in_flight),
        str(told.waiting),
        f"{told.attempts:.1f}",
        Cell(f"{told.errors:.1f}", "red" if told.errors else ""),
    )


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * _MILLI:.3g} ms"
