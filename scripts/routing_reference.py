"""Tables of docs/routing.md, written from the code that routes (see scripts/docs.py)."""

from collections.abc import Mapping
from itertools import groupby
from typing import Final, get_args

from msgspec.structs import fields

from scripts.reference import quoted, table
from switchgear.config.routing import FallbacksEntry
from switchgear.kernel.errors import UpstreamRefused
from switchgear.routing.causes import AGAIN, COUNTED, ELSEWHERE, ONLY_DECLARED, cause_of
from switchgear.routing.expression import TEXTS, TRUTHS, parse
from switchgear.routing.policy import Cause

WHAT_HAPPENED: Final[Mapping[Cause, str]] = {
    "unreachable": "no connection, or none in time: nothing was sent",
    "unanswered": "the request was sent, and the connection broke before a status came",
    "timeout": "a timer fired after the connection stood",
    "rate_limited": "the upstream says: too many requests or tokens",
    "overloaded": "the upstream says: no capacity now",
    "server_error": "any other failure of the upstream",
    "garbled": "what came is no answer in its dialect",
    "truncated": "the answer broke off before any content",
    "auth": "the upstream refused the gateway's own key (401, 403)",
    "quota": "the account at the provider has no credit or quota left",
    "context_length": "the prompt is too long for the model",
    "content_filter": "the provider's filter refused",
    "unsupported": "the request has no equal in the upstream's dialect, or the model cannot do what it asks",
    "refused": "the upstream says that the request is wrong",
    "busy": "this gateway sent nothing: every deployment rests, or its line is full",
}
FACTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "key": ("text", "the virtual key's name", 'key == "support-bot"'),
    "user": ("text", "whom the call is for, as a header or the body says", 'user like "eu-*"'),
    "model": ("text", "the name that was called", 'model in ["fast", "cheap"]'),
    "door": ("text", "the protocol it came in by: `openai`, `anthropic`, ...", 'door == "anthropic"'),
    "session": ("text", "the conversation, as a header names it", 'session != ""'),
    "header": ("text", "a request header, by any spelling of its name", 'header("x-beta") == "1"'),
    "metadata": ("text", "a member of the request's `metadata`, or a note in a header", 'metadata("plan") == "gold"'),
    "tags": ("list", "the words on the call", '"internal" in tags'),
    "stream": ("truth", "a stream was asked for", "not stream"),
    "tools": ("truth", "the request brings tools", "tools and stream"),
}


def causes_table() -> str:
    """What each cause is, and what follows from it."""
    assert set(WHAT_HAPPENED) == set(get_args(Cause)) == {field.name for field in fields(FallbacksEntry)} - {"any"}
    rows = [
        [
            quoted(cause),
            f"{about}{_statuses(cause)}",
            _yes(cause in COUNTED),
            _yes(cause in AGAIN),
            _yes(cause in ELSEWHERE),
            "its own chain only" if cause in ONLY_DECLARED else "its own chain, then `any`",
        ]
        for cause, about in WHAT_HAPPENED.items()
    ]
    headings = ["cause", "what happened", "counts for the breaker", "again at the same", "at another", "falls back to"]
    return table(headings, rows)


def facts_table() -> str:
    """The names of the expression language, each with an example that parses."""
    assert set(FACTS) == {*TEXTS, *TRUTHS, "tags", "header", "metadata"}
    for _, _, example in FACTS.values():
        parse(example)
    rows = [[quoted(name), kind, about, quoted(example)] for name, (kind, about, example) in FACTS.items()]
    return table(["name", "type", "what it is", "example"], rows)


def _statuses(cause: Cause) -> str:
    """The upstream's statuses that mean ``cause``, where only they are looked at."""
    if cause in {"auth", "garbled", "truncated", "refused"}:
        return ""
    found = [status for status in range(400, 600) if cause == cause_of(_refusal(status), answered=True)]
    if cause == "server_error":
        return f" ({', '.join(str(status) for status in found if status < 500)}, and 5xx but those named here)"
    return f" ({', '.join(_ranges(found))})" if found else ""


def _refusal(status: int) -> UpstreamRefused:
    return UpstreamRefused("", status=status)


def _ranges(numbers: list[int]) -> list[str]:
    """Numbers in words, runs as their ends."""
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ends = [[number for _, number in run] for _, run in runs]
    return [f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in ends]


def _yes(said: bool) -> str:
    return "yes" if said else ""
