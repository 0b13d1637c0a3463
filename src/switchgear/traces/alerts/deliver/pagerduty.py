"""PagerDuty, by its Events API v2: https://developer.pagerduty.com/docs/send-alert-event."""

from typing import Final

from msgspec import json

from switchgear.kernel.upstream import Transport
from switchgear.traces.alerts.deliver.posting import post, read_address
from switchgear.traces.alerts.notice import Notice, Outcome

EVENTS: Final = "https://events.pagerduty.com/v2/enqueue"
_MAX_SUMMARY: Final = 1024


def event(notice: Notice, routing_key: str) -> dict[str, object]:
    """What is posted: a firing and its repetitions trigger one incident, and its end resolves it."""
    common: dict[str, object] = {"routing_key": routing_key, "dedup_key": notice.episode}
    if notice.is_over:
        return {**common, "event_action": "resolve"}
    details = {
        "rule": notice.rule,
        "labels": notice.labels,
        "condition": notice.condition,
        "value": notice.value,
        "description": notice.description,
    }
    payload = {
        "summary": notice.subject[:_MAX_SUMMARY],
        "source": notice.project or "switchgear",
        "severity": notice.severity,
        "timestamp": notice.since,
        "component": notice.rule,
        "custom_details": details,
    }
    return {**common, "event_action": "trigger", "client": "Switchgear", "payload": payload}


class PagerDuty:
    """Sends events to one service. Raises ConfigError for an address that is none."""

    def __init__(self, transport: Transport, routing_key: str, url: str = EVENTS) -> None:
        self._transport = transport
        self._target = read_address(url)
        self._routing_key = routing_key

    async def __call__(self, notice: Notice) -> Outcome:
        return await post(self._transport, self._target, json.encode(event(notice, self._routing_key)))
