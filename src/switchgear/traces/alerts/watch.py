"""Looks at every rule, again and again, and notes what follows: states, history, and what is to be told.

Of several control processes on one database one holds a lease and looks. A turn reads how alerts stand, asks the store
of spans without holding anything, and writes all that follows in one transaction, which succeeds only if nobody has had
a turn meanwhile. So a process that slept over its lease writes nothing, and nothing is told twice because two looked.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import Database
from switchgear.rest.written import moment
from switchgear.traces.alerts import store
from switchgear.traces.alerts.exposed import exposition
from switchgear.traces.alerts.machine import QUIET, Reading, Standing, Step, step, withdraw
from switchgear.traces.alerts.measuring import Gauge
from switchgear.traces.alerts.notice import Notice
from switchgear.traces.alerts.rule import NANOSECONDS, Rule
from switchgear.traces.alerts.store import Change, Silence

SHORTEST_LEASE_SECONDS: Final = 60
_LEASE_TURNS: Final = 3
"""Turns that may fall out before another process takes over."""
_SHOWN_SECONDS: Final = 86_400
"""How long an alert of a group that is over is still listed."""
_CLEAR_SECONDS: Final = 3_600

Rules = Callable[[AsyncConnection], Awaitable[Sequence[Rule]]]
"""All rules in force: of the file, and of the control database."""


class Pace(Struct, frozen=True, kw_only=True):
    """How often rules are looked at, and how long history is kept."""

    every_seconds: int = 30
    keep_seconds: int = 90 * 86_400

    @property
    def lease_ns(self) -> int:
        """How long who has looked holds the lease."""
        return max(SHORTEST_LEASE_SECONDS, _LEASE_TURNS * self.every_seconds) * NANOSECONDS


class Watch:
    """One control process' eye on all rules. ``owner`` is the same when the process starts again."""

    def __init__(
        self, database: Database[AsyncConnection], rules: Rules, gauge: Gauge, clock: Clock, ids: Ids, owner: str
    ) -> None:
        self._database = database
        self._rules = rules
        self._gauge = gauge
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._cleared_ns = 0
        self._seen: tuple[Sequence[Rule], Sequence[Seen]] = ((), ())
        self.log = logging.getLogger("switchgear.alerts")

    def metrics(self) -> str:
        """How alerts stood at the last look; of none while another process looks."""
        rules, found = self._seen
        return exposition((rule.name for rule in rules), (each.step.after for each in found))

    async def turn(self, pace: Pace) -> bool:
        """Look at everything once; whether this process may. Raises OSError of the control database."""
        seen = await self._turn(pace)
        self._seen = seen or ((), ())
        return seen is not None

    async def _turn(self, pace: Pace) -> "tuple[Sequence[Rule], Sequence[Seen]] | None":
        now_ns = self._clock.wall_ns()
        async with self._database.read() as connection:
            lease = await store.lease(connection)
            if not lease.is_open_to(self._owner, now_ns):
                return None
            rules = await self._rules(connection)
            standings = await store.standings(connection)
            silences = await store.silences_in_force(connection, now_ns)
        if not rules and not standings:
            return (), ()
        found = await self._look(rules, standings, silences, now_ns)
        async with self._database.write() as connection:
            if not await store.take_turn(connection, lease, self._owner, now_ns + pace.lease_ns):
                return None
            for each in found:
                await self._write(connection, each, now_ns)
            await self._clear(connection, pace, now_ns)
        return rules, found

    async def _look(
        self, rules: Sequence[Rule], standings: Sequence[Standing], silences: Sequence[Silence], now_ns: int
    ) -> list["Seen"]:
        by_rule: dict[str, list[Standing]] = {}
        for standing in standings:
            by_rule.setdefault(standing.rule, []).append(standing)
        found: list[Seen] = []
        for rule in rules:
            found += await self._look_at(rule, by_rule.pop(rule.name, []), silences, now_ns)
        gone = (standing for left in by_rule.values() for standing in left)
        return [*found, *(_gone(standing, now_ns) for standing in gone)]

    async def _look_at(
        self, rule: Rule, standings: Sequence[Standing], silences: Sequence[Silence], now_ns: int
    ) -> list["Seen"]:
        # In another project it is another alert, by whatever name: other people see it.
        kept = {standing.labels: standing for standing in standings if standing.project == rule.project}
        gone = [_gone(standing, now_ns) for standing in standings if standing.project != rule.project]
        tracked = [labels for labels, standing in kept.items() if standing.state not in QUIET]
        readings = await self._gauge.read(rule, tracked, now_ns)
        found = gone
        for labels, reading in readings.items():
            before = kept.pop(labels, None) or Standing(rule=rule.name, labels=labels, project=rule.project)
            silence = next((one for one in silences if one.covers(before)), None)
            found.append(self._stepped(rule, before, reading, silence, now_ns))
        return [*found, *(_left(standing, rule, now_ns) for standing in kept.values())]

    def _stepped(self, rule: Rule, before: Standing, reading: Reading, silence: Silence | None, now_ns: int) -> "Seen":
        next_step = step(before, reading, rule, now_ns, silenced=silence is not None)
        after = next_step.after
        if after.state not in QUIET and not after.episode:
            next_step = structs.replace(next_step, after=structs.replace(after, episode=self._ids.new()))
        quiet_by = "" if silence is None else silence.id
        return Seen(rule=rule, before=before, step=next_step, silence=quiet_by, detail=reading.detail)

    async def _write(self, connection: AsyncConnection, seen: "Seen", now_ns: int) -> None:
        before, after = seen.before, seen.step.after
        if seen.is_worth_keeping(now_ns):
            await store.put_standing(connection, after)
        elif before.looked_ns:
            await store.forget_standing(connection, after)
        if after.state != before.state:
            await store.add_change(connection, self._change(seen, now_ns))
        if seen.step.event is None:
            return
        for receiver in await self._receivers(connection, seen):
            await store.add_notice(connection, self._notice(seen, now_ns), receiver, now_ns)

    async def _receivers(self, connection: AsyncConnection, seen: "Seen") -> Sequence[str]:
        """Whom the rule names; of an end, all who were told of the beginning."""
        if seen.step.event in ("firing", "repeated") and seen.rule is not None:
            return seen.rule.receivers
        return await store.told_of(connection, seen.step.after.episode)

    def _change(self, seen: "Seen", now_ns: int) -> Change:
        before, after = seen.before, seen.step.after
        return Change(
            id=self._ids.new(),
            at_ns=now_ns,
            rule=after.rule,
            labels=after.labels,
            project=after.project,
            before=before.state,
            after=after.state,
            knowledge=after.knowledge,
            value=after.value,
            condition="" if seen.rule is None else seen.rule.condition,
            severity="" if seen.rule is None else seen.rule.severity,
            episode=after.episode,
            silence=seen.silence,
        )

    def _notice(self, seen: "Seen", now_ns: int) -> Notice:
        after, rule = seen.step.after, seen.rule
        assert seen.step.event is not None
        return Notice(
            id=self._ids.new(),
            event=seen.step.event,
            rule=after.rule,
            labels=after.labels,
            project=after.project,
            severity="warning" if rule is None else rule.severity,
            condition="" if rule is None else rule.condition,
            description="" if rule is None else rule.description,
            value=after.value,
            detail=seen.detail,
            episode=after.episode,
            since=moment(after.since_ns),
            at=moment(now_ns),
        )

    async def _clear(self, connection: AsyncConnection, pace: Pace, now_ns: int) -> None:
        if now_ns - self._cleared_ns < _CLEAR_SECONDS * NANOSECONDS:
            return
        self._cleared_ns = now_ns
        await store.clear(connection, now_ns - pace.keep_seconds * NANOSECONDS)


class Seen(Struct, frozen=True, kw_only=True):
    """What a turn found of one alert."""

    rule: Rule | None
    """None: it is gone."""
    before: Standing
    step: Step
    silence: str = ""
    detail: str = ""
    lingers: bool = True
    """Whether its rule is still there."""

    def is_worth_keeping(self, now_ns: int) -> bool:
        """Whether it is listed: what is wrong, what was so lately, and each rule that is not grouped."""
        after = self.step.after
        if after.state not in QUIET or (self.lingers and not after.labels):
            return True
        is_new = now_ns - after.since_ns < _SHOWN_SECONDS * NANOSECONDS
        return self.lingers and is_new and after.state != "inactive"


def _left(standing: Standing, rule: Rule, now_ns: int) -> Seen:
    """A group that this look says nothing of: it was over before, or the rule is grouped otherwise now."""
    if standing.state not in QUIET:
        return _gone(standing, now_ns)
    keeps = structs.replace(standing, looked_ns=now_ns)
    return Seen(rule=rule, before=standing, step=Step(after=keeps), lingers=bool(standing.labels))


def _gone(standing: Standing, now_ns: int) -> Seen:
    """An alert that no rule is about any more."""
    if standing.state in QUIET:
        return Seen(rule=None, before=standing, step=Step(after=standing), lingers=False)
    return Seen(rule=None, before=standing, step=withdraw(standing, now_ns), lingers=False)
