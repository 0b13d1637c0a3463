"""The console's first page: what is running, what is served, what happened last. Plain HTML, without a script."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """One finished call, in words."""

    time: str
    status: int
    outcome: str
    key: str
    model: str
    deployment: str
    duration: str
    tokens: str
    error: str


class Overview(Struct, frozen=True, kw_only=True):
    """What the page shows."""

    version: str
    config_version: str
    config_problem: str
    models: Sequence[str]
    calls: Sequence[Row]


STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --line: #e4e7ec; --paper: #fbfbfc; --bad: #b42318;
  --good: #067647; --card: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2a3140; --paper: #12161d;
  --bad: #f97066; --good: #47cd89; --card: #191f29 } }
* { box-sizing: border-box }
body { margin: 0; padding: 32px; background: var(--paper); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif }
main { max-width: 1120px; margin: 0 auto }
h1 { font-size: 20px; margin: 0 } h2 { font-size: 14px; margin: 28px 0 8px; color: var(--soft); font-weight: 600 }
header { display: flex; gap: 16px; align-items: baseline; flex-wrap: wrap }
header span { color: var(--soft) }
code, td { font-variant-numeric: tabular-nums } code { font: 13px ui-monospace, SFMono-Regular, Menlo, monospace }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto }
.problem { border-color: var(--bad); color: var(--bad); padding: 12px 16px; margin-top: 16px; white-space: pre-wrap }
ul { list-style: none; margin: 0; padding: 12px 16px; display: flex; flex-wrap: wrap; gap: 6px 18px }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: 7px 12px; white-space: nowrap }
th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line) }
tr + tr td { border-top: 1px solid var(--line) } .number { text-align: right }
.ok { color: var(--good) } .failed, .refused { color: var(--bad) } .cancelled { color: var(--soft) }
td.error { white-space: normal; min-width: 220px; color: var(--soft) } .empty { padding: 20px 16px; color: var(--soft) }
"""

_COLUMNS: Final = ("Time", "Status", "Outcome", "Key", "Model", "Deployment", "Duration", "Tokens", "Error")


def render(overview: Overview) -> str:
    """The whole page; everything that came from outside is escaped."""
    problem = f'<div class="card problem">{escape(overview.config_problem)}</div>' if overview.config_problem else ""
    models = "".join(f"<li><code>{escape(name)}</code></li>" for name in overview.models)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Switchgear</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="5"><style>{STYLE}</style></head><body><main>'
        f"<header><h1>Switchgear</h1><span>version {escape(overview.version)}</span>"
        f"<span>configuration <code>{escape(overview.config_version)}</code></span></header>{problem}"
        f'<h2>Models</h2><div class="card"><ul>{models}</ul></div>'
        f'<h2>Last calls</h2><div class="card">{_table(overview.calls)}</div></main></body></html>'
    )


def _table(calls: Iterable[Row]) -> str:
    rows = "".join(_row(call) for call in calls)
    if not rows:
        return '<div class="empty">No calls yet. Send one to <code>/v1/chat/completions</code>; it appears here.</div>'
    head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(call: Row) -> str:
    return (
        f"<tr><td>{escape(call.time)}</td><td>{call.status}</td>"
        f'<td class="{escape(call.outcome)}">{escape(call.outcome)}</td><td>{escape(call.key)}</td>'
        f"<td><code>{escape(call.model)}</code></td><td><code>{escape(call.deployment)}</code></td>"
        f'<td class="number">{escape(call.duration)}</td><td class="number">{escape(call.tokens)}</td>'
        f'<td class="error">{escape(call.error)}</td></tr>'
    )
