"""The work of ``switchgear traces seal``, on a store that no control process has open."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import typer

from switchgear.app.span_sealing import SealedNow, seal_closed
from switchgear.app.spans import open_sqlite
from switchgear.cli.settings import glanced_config
from switchgear.cli.trace_options import SealTracesOptions
from switchgear.config import read_environment
from switchgear.config.traces import Traces
from switchgear.engines.sqlite_spans.schema import is_open_elsewhere
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import BadRequest, ConfigError


def seal(options: SealTracesOptions) -> None:
    """Seal what is closed, and say how much that was."""
    now_ns = SystemClock().wall_ns()
    before_ns = min(_moment_ns(options.before), now_ns) if options.before else now_ns
    settings = stopped_store(options.config, "the control process seals hourly by itself; stop it to seal now")
    try:
        sealed = asyncio.run(_sealed(settings, now_ns, before_ns))
    except OSError as error:
        raise ConfigError(str(error)) from error
    typer.echo(f"{sealed.spans} spans were sealed")
    for name, count in sealed.held.items():
        typer.echo(f"{count} wait for the collector {name} to take them, or to be taken out of traces.export")


def stopped_store(config: Path | None, otherwise: str) -> Traces:
    """Where the spans are that no control process has open. Raises ConfigError; one that has is told ``otherwise``."""
    settings = glanced_config(config, read_environment()).traces
    if settings.clickhouse is not None:
        raise ConfigError("traces.clickhouse keeps the spans: nothing is sealed there")
    path = Path(settings.path)
    if not path.exists():
        raise ConfigError(f"{path} is not there: no spans were kept yet, or `traces.path` names another file")
    if is_open_elsewhere(path):
        raise ConfigError(f"{path} is open: {otherwise}")
    return settings


async def _sealed(settings: Traces, now_ns: int, before_ns: int) -> SealedNow:
    store = await open_sqlite(Path(settings.path))
    try:
        return await seal_closed(store, settings, now_ns, before_ns)
    finally:
        await store.aclose()


def _moment_ns(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"--before: {text!r} is no moment such as 2026-11-27 or 2026-11-27T10:00") from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000
