"""Alerts put together: rules of the file and the database, receivers, and the runner of one control process."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from switchgear.app.alert_rules import rules_in_force
from switchgear.app.database import ControlDatabase
from switchgear.config.alerts import AlertsEntry, ReceiverEntry
from switchgear.config.model import Config
from switchgear.config.secret import Secret
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids
from switchgear.kernel.upstream import Transport
from switchgear.rest.objects import Objects
from switchgear.traces.alerts.deliver.email import Email, Server
from switchgear.traces.alerts.deliver.pagerduty import EVENTS, PagerDuty
from switchgear.traces.alerts.deliver.slack import Slack
from switchgear.traces.alerts.deliver.webhook import Webhook
from switchgear.traces.alerts.jobs import Runner
from switchgear.traces.alerts.measuring import Asked, Gauge, Limits
from switchgear.traces.alerts.notice import Deliver
from switchgear.traces.alerts.sending import Sending
from switchgear.traces.alerts.watch import Pace, Watch
from switchgear.traces.drift.newest import Newest

_DAY_SECONDS: Final = 86_400
_MAIL_PORT: Final = 587


class Receivers:
    """Those of the configuration in force, made once for each."""

    def __init__(self, config: Callable[[], Config], transport: Transport, clock: Clock) -> None:
        self._config = config
        self._transport = transport
        self._clock = clock
        self._of: AlertsEntry | None = None
        self._made: Mapping[str, Deliver] = {}

    def __call__(self) -> Mapping[str, Deliver]:
        """By name. Raises ConfigError for an address that the configuration's check would have refused."""
        alerts = self._config().alerts
        if alerts is not self._of:
            self._made = receivers_of(alerts, self._transport, self._clock)
            self._of = alerts
        return self._made


def receivers_of(alerts: AlertsEntry, transport: Transport, clock: Clock) -> Mapping[str, Deliver]:
    """By name. Raises ConfigError."""
    return {name: _receiver(entry, transport, clock) for name, entry in alerts.receivers.items()}


def _receiver(entry: ReceiverEntry, transport: Transport, clock: Clock) -> Deliver:
    match entry.kind:
        case "webhook":
            return Webhook(transport, _text(entry.url), _text(entry.secret), clock)
        case "slack":
            return Slack(transport, _text(entry.url))
        case "pagerduty":
            return PagerDuty(transport, _text(entry.routing_key), _text(entry.url) or EVENTS)
        case "email":
            server = Server(
                host=entry.host or "",
                port=entry.port or _MAIL_PORT,
                encryption=entry.encryption or "starttls",
                user=entry.user or "",
                password=_text(entry.password),
            )
            return Email(server, entry.sender or "", entry.to)


def _text(secret: Secret | None) -> str:
    return "" if secret is None else secret.reveal()


def pace_of(alerts: AlertsEntry) -> Pace:
    """How often rules are looked at."""
    return Pace(every_seconds=alerts.every_seconds, keep_seconds=alerts.keep_days * _DAY_SECONDS)


class AlertParts(Struct, frozen=True, kw_only=True):
    """What a control process gives its alerts."""

    database: ControlDatabase
    objects: Objects
    config: Callable[[], Config]
    clock: Clock
    ids: Ids
    owner: str
    """This control process among those that share the database; the same when it starts again."""


def alert_runner(parts: AlertParts, transport: Transport, spans: Asked, limits: Limits) -> Runner:
    """All of it."""
    config, clock = parts.config, parts.clock
    rules = rules_in_force(parts.objects, config)
    gauge = Gauge(spans, limits, Newest(parts.database))
    watch = Watch(parts.database, rules, gauge, clock, parts.ids, parts.owner)
    sending = Sending(parts.database, Receivers(config, transport, clock), clock)
    return Runner(watch, sending, lambda: pace_of(config().alerts), clock)
