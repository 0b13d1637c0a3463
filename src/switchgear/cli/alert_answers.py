"""The work of ``switchgear alerts``, on the control database itself."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.alerts import receivers_of
from switchgear.app.database import ControlDatabase
from switchgear.app.migrations import require_newest
from switchgear.cli.alerts import AlertHistoryOptions, ListAlertsOptions, SilenceOptions, TryReceiverOptions
from switchgear.cli.database import in_database
from switchgear.cli.identity import author
from switchgear.cli.output import show_json, show_table
from switchgear.cli.settings import effective_config
from switchgear.config import Config, read_environment
from switchgear.config.problems import suggestion
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.traces.alerts import store
from switchgear.traces.alerts.notice import Outcome, trial
from switchgear.traces.alerts.rule import NANOSECONDS
from switchgear.traces.alerts.service import Alerts, Wish
from switchgear.traces.alerts.shown import (
    AlertObject,
    ChangeObject,
    NoticeObject,
    SilenceObject,
    shown_alert,
    shown_change,
    shown_notice,
    shown_silence,
)
from switchgear.traces.alerts.tables import CHANGES, NOTICES
from switchgear.upstream.client import HttpTransport

Answer = TypeVar("Answer")
_ALERTS: Final = ("rule", "labels", "project", "state", "known", "value", "since", "silenced")
_CHANGES: Final = ("at", "rule", "labels", "from", "to", "value", "condition", "silenced")
_NOTICES: Final = ("at", "notice", "rule", "labels", "event", "receiver", "state", "tries", "last")
_SILENCES: Final = ("silence", "rule", "labels", "project", "until", "by", "why")


def list_alerts(given: ListAlertsOptions) -> None:
    """How they stand."""

    async def find(connection: AsyncConnection, _: Alerts) -> list[AlertObject]:
        found = await store.standings(connection, given.rule or None)
        silences = await store.silences_in_force(connection, SystemClock().wall_ns())
        return [shown_alert(one, silences) for one in found if one.state == "firing" or not given.firing]

    found = _read(given.config, find)
    if given.as_json:
        show_json(found)
        return
    rows = [
        (
            *(one.rule, one.labels, one.project or "", one.state, one.knowledge, _number(one.value)),
            *(one.since or "", one.silence or ""),
        )
        for one in found
    ]
    show_table("Alerts", _ALERTS, rows)


def history(given: AlertHistoryOptions) -> None:
    """What they went through, or who was told."""
    if given.notices:
        _notices(given)
        return

    async def find(connection: AsyncConnection, _: Alerts) -> list[ChangeObject]:
        wanted = [CHANGES.c.rule == given.rule] if given.rule else []
        return [shown_change(one) for one in await store.changes(connection, wanted, given.limit)]

    found = _read(given.config, find)
    if given.as_json:
        show_json(found)
        return
    rows = [
        (one.at, one.rule, one.labels, one.before, one.after, _number(one.value), one.condition, one.silence or "")
        for one in found
    ]
    show_table("What alerts went through, newest first", _CHANGES, rows)


def _notices(given: AlertHistoryOptions) -> None:
    async def find(connection: AsyncConnection, _: Alerts) -> list[NoticeObject]:
        wanted = [NOTICES.c.rule == given.rule] if given.rule else []
        kept = await store.notices(connection, wanted, given.limit)
        tries = await store.tries(connection, [one.id for one in kept])
        return [shown_notice(one, tries) for one in kept]

    found = _read(given.config, find)
    if given.as_json:
        show_json(found)
        return
    rows = [
        (
            *(one.at, one.id, one.rule, one.labels, one.event, one.receiver, one.state, str(len(one.tries))),
            one.tries[-1].error if one.tries else "",
        )
        for one in found
    ]
    show_table("What receivers were told, newest first", _NOTICES, rows)


def silence(given: SilenceOptions) -> None:
    """Make one, end one, or list those in force."""
    if given.end:
        typer.echo(f"{_write(given.config, lambda connection, alerts: _end(connection, alerts, given.end))}: over")
        return
    if given.why:
        until_ns = SystemClock().wall_ns() + given.for_seconds * NANOSECONDS
        facts = {"rule": given.rule, "labels": given.labels, "project": given.project}
        wish = Wish(until_ns=until_ns, why=given.why, **facts)
        typer.echo(_write(given.config, lambda connection, alerts: _make(connection, alerts, wish)))
        return
    if given.rule or given.labels or given.project:
        raise ConfigError("say with --why what the silence is for")
    _show_silences(given)


async def _make(connection: AsyncConnection, alerts: Alerts, wish: Wish) -> str:
    return (await alerts.silence(connection, wish, author())).id


async def _end(connection: AsyncConnection, alerts: Alerts, name: str) -> str:
    found = await store.find_silence(connection, name)
    if found is None:
        raise ConfigError(f"there is no silence {name[:100]!r}; `switchgear alerts silence` names those in force")
    return (await alerts.end_silence(connection, found, author())).id


def _show_silences(given: SilenceOptions) -> None:
    now_ns = SystemClock().wall_ns()

    async def find(connection: AsyncConnection, _: Alerts) -> list[SilenceObject]:
        return [shown_silence(one, now_ns) for one in await store.silences_in_force(connection, now_ns)]

    found = _read(given.config, find)
    if given.as_json:
        show_json(found)
        return
    rows = [(one.id, one.rule, one.labels, one.project or "", one.until, one.made_by, one.why) for one in found]
    show_table("Silences in force", _SILENCES, rows)


def try_receiver(given: TryReceiverOptions) -> None:
    """Tell one."""
    config = effective_config(given.config, read_environment())
    if given.receiver not in config.alerts.receivers:
        hint = suggestion(given.receiver, config.alerts.receivers)
        raise ConfigError(f"no receiver {given.receiver[:100]!r} is declared under 'alerts.receivers'{hint}")
    outcome = asyncio.run(_tell(config, given.receiver))
    if not outcome.sent:
        raise ConfigError(f"{given.receiver} was not told: {outcome.error}")
    typer.echo(f"{given.receiver} was told{f' ({outcome.status})' if outcome.status else ''}")


async def _tell(config: Config, name: str) -> Outcome:
    clock, transport = SystemClock(), HttpTransport()
    try:
        deliver = receivers_of(config.alerts, transport, clock)[name]
        return await deliver(trial(Ids(clock, seeded_bits()).new(), name, clock.wall_ns()))
    finally:
        await transport.aclose()


def _read(config: Path | None, ask: Callable[[AsyncConnection, Alerts], Awaitable[Answer]]) -> Answer:
    async def run(database: ControlDatabase) -> Answer:
        await require_newest(database)
        async with database.read() as connection:
            return await ask(connection, _alerts())

    return in_database(effective_config(config, read_environment()), run)


def _write(config: Path | None, ask: Callable[[AsyncConnection, Alerts], Awaitable[Answer]]) -> Answer:
    async def run(database: ControlDatabase) -> Answer:
        await require_newest(database)
        async with database.write() as connection:
            return await ask(connection, _alerts())

    return in_database(effective_config(config, read_environment()), run)


def _alerts() -> Alerts:
    clock = SystemClock()
    return Alerts(Ids(clock, seeded_bits()), clock.wall_ns, tuple)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
