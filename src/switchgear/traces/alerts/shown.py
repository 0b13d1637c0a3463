"""What is kept of alerts as the API and the command line show it."""

from collections.abc import Sequence

from msgspec import Struct

from switchgear.rest.written import moment
from switchgear.traces.alerts.machine import Knowledge, Standing, State
from switchgear.traces.alerts.notice import Told
from switchgear.traces.alerts.store import Change, KeptNotice, NoticeState, Silence, Try


class AlertObject(Struct, frozen=True, kw_only=True):
    """How one alert stands: that of a rule, for one value of what it is grouped by."""

    rule: str
    labels: str
    project: str | None
    state: State
    knowledge: Knowledge
    """What the last look knew: `met`, `clear`, `too_little` to judge by, or `unanswered`."""
    value: float | None
    episode: str | None
    since: str | None
    looked_at: str | None
    known_at: str | None
    """When something was last known."""
    told_at: str | None
    silence: str | None
    """The id of what keeps it quiet."""


class ChangeObject(Struct, frozen=True, kw_only=True):
    """One alert came from one state into another."""

    id: str
    at: str
    rule: str
    labels: str
    project: str | None
    before: State
    after: State
    knowledge: Knowledge
    value: float | None
    condition: str
    severity: str
    episode: str | None
    silence: str | None


class TryObject(Struct, frozen=True, kw_only=True):
    """One attempt at a notice."""

    number: int
    at: str
    outcome: str
    status: int
    error: str


class NoticeObject(Struct, frozen=True, kw_only=True):
    """One thing that one receiver was told, or is to be."""

    id: str
    at: str
    rule: str
    labels: str
    project: str | None
    receiver: str
    event: Told
    episode: str
    state: NoticeState
    next_at: str | None
    ended_at: str | None
    tries: list[TryObject]


class SilenceObject(Struct, frozen=True, kw_only=True):
    """Somebody wants to hear nothing of some alerts for a time."""

    id: str
    project: str | None
    rule: str
    labels: str
    why: str
    made_by: str
    made_at: str
    until: str
    ended_at: str | None
    ended_by: str | None
    in_force: bool


def shown_alert(standing: Standing, silences: Sequence[Silence]) -> AlertObject:
    """An alert; ``silences`` are those in force."""
    return AlertObject(
        rule=standing.rule,
        labels=standing.labels,
        project=standing.project or None,
        state=standing.state,
        knowledge=standing.knowledge,
        value=standing.value,
        episode=standing.episode or None,
        since=_moment(standing.since_ns),
        looked_at=_moment(standing.looked_ns),
        known_at=_moment(standing.known_ns),
        told_at=_moment(standing.told_ns),
        silence=next((one.id for one in silences if one.covers(standing)), None),
    )


def shown_change(change: Change) -> ChangeObject:
    """A line of history."""
    return ChangeObject(
        id=change.id,
        at=moment(change.at_ns),
        rule=change.rule,
        labels=change.labels,
        project=change.project or None,
        before=change.before,
        after=change.after,
        knowledge=change.knowledge,
        value=change.value,
        condition=change.condition,
        severity=change.severity,
        episode=change.episode or None,
        silence=change.silence or None,
    )


def shown_notice(kept: KeptNotice, tries: Sequence[Try]) -> NoticeObject:
    """A notice with the attempts at it."""
    return NoticeObject(
        id=kept.id,
        at=moment(kept.at_ns),
        rule=kept.rule,
        labels=kept.labels,
        project=kept.project or None,
        receiver=kept.receiver,
        event=kept.event,
        episode=kept.episode,
        state=kept.state,
        next_at=moment(kept.next_ns) if kept.state == "waiting" else None,
        ended_at=_moment(kept.ended_ns),
        tries=[
            TryObject(number=one.number, at=moment(one.at_ns), outcome=one.outcome, status=one.status, error=one.error)
            for one in tries
            if one.notice == kept.id
        ],
    )


def shown_silence(silence: Silence, now_ns: int) -> SilenceObject:
    """A silence."""
    return SilenceObject(
        id=silence.id,
        project=silence.project or None,
        rule=silence.rule,
        labels=silence.labels,
        why=silence.why,
        made_by=silence.made_by,
        made_at=moment(silence.made_ns),
        until=moment(silence.until_ns),
        ended_at=_moment(silence.ended_ns),
        ended_by=silence.ended_by or None,
        in_force=silence.is_in_force(now_ns),
    )


def _moment(wall_ns: int) -> str | None:
    return moment(wall_ns) if wall_ns else None
