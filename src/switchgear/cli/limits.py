"""``switchgear limits``: what is declared, and how much of it is used in a running gateway."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from msgspec import DecodeError, Struct, json

from switchgear.cli.conversation import Server
from switchgear.cli.output import Block, Cell, Grid, note, show_blocks, show_json
from switchgear.cli.settings import ConfigOption, glanced_config
from switchgear.config import Config, read_environment
from switchgear.config.limits import LimitEntry
from switchgear.kernel.errors import NotFound, SwitchgearError, UpstreamGarbled
from switchgear.kernel.limit_report import LimitReport
from switchgear.kernel.money import NanoUsd, format_usd
from switchgear.processes.banner import reachable_url

_PATH: Final = "/api/v1/limit-standings"
_HEADINGS: Final = ("limit", "what", "whose", "used", "of", "share", "begins anew")
_NEARLY: Final = 0.8
_SHOWN: Final = 100

Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Gateway on this machine to ask. Default: the one at the file's address, when it answers.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


class Standings(Struct, frozen=True, kw_only=True):
    """The answer of ``GET /api/v1/limit-standings``."""

    data: list[LimitReport]


def list_limits(config: ConfigOption = None, url: Url = None, as_json: AsJson = False) -> None:
    """List the limits, each with whoever uses most of it."""
    declared = glanced_config(config, read_environment())
    told = _live(declared, url)
    fullest: dict[tuple[str, str], LimitReport] = {}
    for one in told:
        fullest.setdefault((one.limit, one.quantity), one)
    if as_json:
        show_json({"limits": declared.limits, "fullest": list(fullest.values())})
        return
    show_blocks(_list(declared, fullest))


def show_limit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The limit's name.", show_default=False)],
    config: ConfigOption = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show one limit, and how much of it each one uses who used any lately."""
    declared = glanced_config(config, read_environment())
    told = [one for one in _live(declared, url) if one.limit == name]
    entry = declared.limits.get(name)
    if entry is None and not told:
        known = ", ".join(declared.limits) or "none"
        raise NotFound(f"there is no limit {name[:_SHOWN]!r}; there are: {known}")
    if as_json:
        show_json({"limit": entry, "standings": told})
        return
    show_blocks(_show(name, entry, told))


def _live(declared: Config, url: str | None) -> list[LimitReport]:
    """What the gateway says; nothing, with a note, where none was named and none answers."""
    if url is not None:
        return _ask(url)
    if declared.server.port == 0:
        note("The file lets the system choose a port: name the gateway by --url to see what is used.")
        return []
    try:
        return _ask(reachable_url(declared.server.host, declared.server.port))
    except SwitchgearError as error:
        note(f"Without what is used: {error.message}\n")
        return []


def _ask(url: str) -> list[LimitReport]:
    with Server(url, None).request("GET", _PATH) as response:
        answer = response.read()
    try:
        return json.decode(answer, type=Standings).data
    except DecodeError as error:
        raise UpstreamGarbled(f"{url} answers {_PATH}, but is no gateway of this version: {error}") from None


def _list(declared: Config, fullest: dict[tuple[str, str], LimitReport]) -> Iterator[Block]:
    rows: list[Sequence[str | Cell]] = []
    for name, entry in declared.limits.items():
        for quantity, limit in entry.amounts():
            told = fullest.get((name, quantity))
            rows.append(_row(told) if told is not None else _unused(name, entry, quantity, limit))
    # What the control database declares is not in the file.
    rows += [_row(told) for (name, _), told in fullest.items() if name not in declared.limits]
    if not rows:
        yield "No limits are declared."
        return
    yield Grid(headings=_HEADINGS, rows=rows)


def _show(name: str, entry: LimitEntry | None, told: Sequence[LimitReport]) -> Iterator[Block]:
    if entry is not None:
        scope = ", ".join(f"{scope} {value}" for scope, value in entry.scope.items()) or "all calls together"
        amounts = ", ".join(_amount(quantity, limit) for quantity, limit in entry.amounts())
        per = f" per {entry.per}" if entry.per else ""
        yield f"{name}: {amounts}{per} for {scope}; beyond it: {entry.action}"
    if not told:
        yield "Nobody has used any of it lately."
        return
    yield Grid(headings=_HEADINGS, rows=[_row(one) for one in told])


def _row(told: LimitReport) -> Sequence[str | Cell]:
    style = "red" if told.share >= 1 else "yellow" if told.share >= _NEARLY else ""
    return (
        told.limit,
        f"{told.quantity}/{told.period}" if told.period else told.quantity,
        told.whom or "everybody",
        _amount(told.quantity, told.used),
        _amount(told.quantity, told.allowed),
        Cell(f"{told.share:.0%}{'' if told.known else ', as far as known'}", style=style),
        datetime.fromtimestamp(told.ends_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if told.ends_ns else "",
    )


def _unused(name: str, entry: LimitEntry, quantity: str, limit: int) -> Sequence[str | Cell]:
    what = f"{quantity}/{entry.per}" if entry.per and quantity != "concurrent" else quantity
    return (name, what, "", "", _amount(quantity, limit), "", "")


def _amount(quantity: str, amount: int) -> str:
    return format_usd(NanoUsd(amount)) if quantity == "usd" else f"{amount:,}"
