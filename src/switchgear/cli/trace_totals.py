"""``switchgear traces sessions`` and ``end-users``: asked of a running gateway, and shown."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from switchgear.cli.output import Grid, show_blocks, show_json
from switchgear.cli.total_options import ListEndUsersOptions, ListSessionsOptions
from switchgear.cli.trace_asking import Asking, moment
from switchgear.kernel.money import NanoUsd, format_usd

_MAX_PAGE: Final = 200
_HEADINGS: Final = ("traces", "spans", "failed", "tokens", "cost", "first seen", "last seen")


class Totals(Struct, omit_defaults=True):
    """Of one session or end user."""

    id: str
    traces: int
    spans: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int
    unpriced: int
    first_seen_ns: int
    last_seen_ns: int
    users: int | None = None
    sessions: int | None = None


class TotalsPage(Struct):
    """A page of a list."""

    data: list[Totals]
    next: str | None


def list_sessions(options: ListSessionsOptions) -> None:
    """Print sessions with their totals."""
    found = _listed("/api/v1/sessions", options, {"user": options.user})
    _show("session", "users", found, as_json=options.as_json)


def list_end_users(options: ListEndUsersOptions) -> None:
    """Print end users with their totals."""
    found = _listed("/api/v1/end-users", options, {})
    _show("end user", "sessions", found, as_json=options.as_json)


def _listed(path: str, options: ListSessionsOptions | ListEndUsersOptions, more: Mapping[str, str]) -> list[Totals]:
    asking = Asking(options.url, options.key, options.config)
    asked = {"project": options.project, "since": moment(options.since, "--since"), **more}
    found: list[Totals] = []
    cursor = ""
    while len(found) < options.limit:
        limit = min(options.limit - len(found), _MAX_PAGE)
        page = asking.get(path, {**asked, "limit": str(limit), "cursor": cursor}, TotalsPage)
        found += page.data
        if page.next is None:
            break
        cursor = page.next
    return found


def _show(what: str, others: str, found: list[Totals], *, as_json: bool) -> None:
    if as_json:
        show_json(found)
    elif not found:
        show_blocks([f"Spans name no {what}."])
    else:
        show_blocks([Grid(headings=(what, others, *_HEADINGS), rows=[_row(each) for each in found])])


def _row(totals: Totals) -> tuple[str, ...]:
    name = " ".join(totals.id.split())
    return (
        name if len(name) <= 64 else f"{name[:63]}…",
        str(totals.users if totals.users is not None else totals.sessions),
        str(totals.traces),
        str(totals.spans),
        str(totals.errors),
        f"{totals.input_tokens} → {totals.output_tokens}",
        f"{'≥ ' if totals.unpriced else ''}{format_usd(NanoUsd(totals.cost_nano_usd))}",
        _time(totals.first_seen_ns),
        _time(totals.last_seen_ns),
    )


def _time(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
