"""Slack, by an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""

from typing import Final

from msgspec import json

from switchgear.kernel.upstream import Transport
from switchgear.traces.alerts.deliver.posting import post, read_address
from switchgear.traces.alerts.notice import Notice, Outcome

_MAX_HEADER: Final = 150
_MAX_TEXT: Final = 3000
"""Slack's own bounds of a header and of a section."""
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""What else would become a link, or call a whole channel."""
_SIGNS: Final = {"firing": ":rotating_light:", "repeated": ":rotating_light:", "recovered": ":white_check_mark:"}


def message(notice: Notice) -> dict[str, object]:
    """What is posted: blocks for people, and one line for notifications."""
    sign = _SIGNS.get(notice.event, ":information_source:")
    title = f"{sign} {notice.subject}"
    lines = "\n".join(line.translate(_ESCAPES) for line in notice.lines)
    return {
        "text": title.translate(_ESCAPES),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title[:_MAX_HEADER], "emoji": True}},
            {"type": "section", "text": {"type": "mrkdwn", "text": lines[:_MAX_TEXT]}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": f"`{notice.episode}`"}]},
        ],
    }


class Slack:
    """Posts to one channel's webhook, whose address is the secret. Raises ConfigError for one that is none."""

    def __init__(self, transport: Transport, url: str) -> None:
        self._transport = transport
        self._target = read_address(url)

    async def __call__(self, notice: Notice) -> Outcome:
        return await post(self._transport, self._target, json.encode(message(notice)))
