"""Batches put together: the service, its routes for gateways, and the runner of one control process."""

from collections.abc import Callable

from fastapi import APIRouter
from msgspec import Struct

from switchgear.app.database import ControlDatabase
from switchgear.batches import api, messages_api
from switchgear.batches.gauges import exposition
from switchgear.batches.jobs import Runner
from switchgear.batches.model import Rules
from switchgear.batches.sending import Send
from switchgear.batches.service import Batches
from switchgear.batches.shop import Shop
from switchgear.batches.windows import Pace, read_windows
from switchgear.config.batches import BatchesEntry, zone
from switchgear.config.model import Config
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids

_DAY_SECONDS = 86_400


class BatchWork(Struct, frozen=True, kw_only=True):
    """What a control process has to do with batches."""

    service: Batches
    routers: tuple[APIRouter, ...]
    runner: Runner | None
    """None: it sends nothing, for it has no gateways."""

    def metrics(self) -> str:
        """How batches stand, in Prometheus' text format; nothing where this process runs none."""
        return "" if self.runner is None else exposition(self.runner.progress, self.runner.under_way)


def rules_of(entry: BatchesEntry | None) -> Rules:
    """How much may be kept; where nothing is declared, by the usual bounds."""
    declared = entry or BatchesEntry()
    return Rules(
        max_file_bytes=declared.max_file_bytes,
        max_files=declared.max_files,
        max_batches=declared.max_batches,
        keep_seconds=declared.keep_days * _DAY_SECONDS,
    )


def pace_of(entry: BatchesEntry | None) -> Pace | None:
    """When and how fast lines are begun; None: not at all."""
    if entry is None:
        return None
    return Pace(
        concurrency=entry.concurrency,
        requests_per_minute=entry.requests_per_minute,
        windows=read_windows(entry.windows),
        zone=zone(entry.time_zone),
    )


def batch_service(database: ControlDatabase, config: Callable[[], Config], clock: Clock, ids: Ids) -> Batches:
    """Files and batches, under the rules of the configuration of the moment."""
    return Batches(database, lambda: rules_of(config().batches), clock, ids)


def batch_work(
    database: ControlDatabase, config: Callable[[], Config], clock: Clock, ids: Ids, send: Send | None, owner: str
) -> BatchWork:
    """All of it; ``owner`` names this installation among those that share the database."""
    service = batch_service(database, config, clock, ids)
    runner: Runner | None = None
    if send is not None:
        shop = Shop(database, send, lambda: pace_of(config().batches), lambda: rules_of(config().batches), clock, ids)
        runner = Runner(shop, owner)
        service.on_change = runner.wake

    def is_on() -> bool:
        return config().batches is not None

    routers = (
        api.router(service, is_on),
        messages_api.router(service, is_on, lambda: rules_of(config().batches).max_file_bytes),
    )
    return BatchWork(service=service, routers=routers, runner=runner)
