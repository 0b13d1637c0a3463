"""``switchgear routes``: where calls to each model go, and how its deployments stand in a running gateway."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import typer
from msgspec import DecodeError, json, structs

from switchgear.app.listing import ListedDeployment, ListedModel, Routes, listed_models
from switchgear.cli.conversation import Server
from switchgear.cli.output import Block, Cell, Grid, note, show_blocks, show_json
from switchgear.cli.settings import ConfigOption, glanced_config
from switchgear.config import Config, read_environment
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import SwitchgearError, UpstreamGarbled
from switchgear.processes.banner import reachable_url
from switchgear.routing.breaker import State
from switchgear.routing.policy import Choice, Policy
from switchgear.routing.report import BudgetReport, DeploymentReport

_PATH = "/api/v1/routes"
_DECLARED = ("tier", "deployment", "share")
_LIVE = ("state", "in flight", "waiting", "first token", "p95", "opened")
_SERVER = "at its server"
_STYLES: Final[Mapping[State, str]] = {"closed": "green", "half_open": "yellow", "open": "red"}


def routes(
    config: ConfigOption = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Gateway on this machine whose routes to show. Default: the file's models, and the state of the "
            "gateway at the file's address when one answers.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it all as JSON.")] = False,
) -> None:
    """Print where calls to each model go: deployments, tiers, shares, policy, other names; and their state now."""
    found = _live(url) if url is not None else _declared(glanced_config(config, read_environment()))
    if as_json:
        show_json(found)
        return
    show_blocks(blocks(found, SystemClock().wall_ns()))


def blocks(found: Routes, now_ns: int) -> Iterator[Block]:
    """All of it; the state is left out where no gateway told any."""
    live = _Live(found, now_ns) if found.gateways else None
    if not found.models:
        yield "No models are declared; provider/model names any model of a provider."
    for model in found.models:
        yield f"{model.name}: {_policy(model.policy)}"
        yield _grid(model.deployments, live)
        yield from (f"  {line}" for line in _other_names(model))
        yield ""
    declared = {deployment.name for model in found.models for deployment in model.deployments}
    others = [told for told in found.deployments if told.name not in declared]
    if others and live is not None:
        yield "Called by provider/model:"
        rows = [(told.name, *live.state(told.name)) for told in others]
        yield Grid(headings=("deployment", *live.headings), rows=rows)
    yield from (_budget("second tries at", budget) for budget in found.retry_budgets)
    yield from (_budget("hedges of", budget) for budget in found.hedge_budgets)
    for silent in found.silent:
        yield f"gateway {silent.gateway} has told nothing for {silent.age_seconds:.0f} s: its part is left out"


def _declared(config: Config) -> Routes:
    models = listed_models(config)
    if config.server.port == 0:
        note("The file lets the system choose a port: name the gateway by --url to see the state of deployments.")
        return Routes(models=models)
    try:
        live = _live(reachable_url(config.server.host, config.server.port))
    except SwitchgearError as error:
        note(f"Without the state of deployments: {error.message}\n")
        return Routes(models=models)
    return structs.replace(live, models=models)


def _live(url: str) -> Routes:
    """What the gateway at ``url`` answers. Raises SwitchgearError when it does not."""
    with Server(url, None).request("GET", _PATH) as response:
        answer = response.read()
    try:
        return json.decode(answer, type=Routes)
    except DecodeError as error:
        raise UpstreamGarbled(f"{url} answers {_PATH}, but is no gateway of this version: {error}") from None


def _policy(policy: Policy) -> str:
    words = [
        f"balance {policy.balance}",
        f"affinity {policy.affinity}" if policy.affinity != "none" else "",
        f"{policy.retries.attempts} attempts",
        f"{policy.total_seconds:g} s",
        f"hedged {_hedge(policy)}" if policy.hedging is not None else "",
        "resumes broken streams" if policy.resume != "none" else "",
    ]
    return ", ".join(word for word in words if word)


def _hedge(policy: Policy) -> str:
    late = None if policy.hedging is None else policy.hedging.after_seconds
    return "after its own p95" if late is None else f"after {late:g} s"


def _grid(deployments: Sequence[ListedDeployment], live: "_Live | None") -> Grid:
    rows = [(str(each.tier), each.name, f"{each.share:.0%}") for each in deployments]
    if live is None:
        return Grid(headings=_DECLARED, rows=rows)
    return Grid(headings=(*_DECLARED, *live.headings), rows=[(*row, *live.state(row[1])) for row in rows])


class _Live:
    """How deployments stand; what servers say of themselves has a column where any of them says something."""

    def __init__(self, found: Routes, now_ns: int) -> None:
        self._told = {told.name: told for told in found.deployments}
        self._now_ns = now_ns
        self._has_servers = any(told.server_running is not None for told in found.deployments)
        self.headings = (*_LIVE, _SERVER) if self._has_servers else _LIVE

    def state(self, name: str) -> tuple[str | Cell, ...]:
        """The cells under the headings."""
        told = self._told.get(name, DeploymentReport(name=name))
        words = _breaker(told, self._now_ns) if name in self._told else "nothing known yet"
        cells: tuple[str | Cell, ...] = (
            Cell(words, style=_STYLES[told.breaker] if name in self._told else "dim"),
            str(told.in_flight),
            str(told.waiting),
            _seconds(told.first_token_seconds),
            _seconds(told.first_token_p95_seconds),
            str(told.opened),
        )
        return (*cells, _server(told)) if self._has_servers else cells


def _server(told: DeploymentReport) -> str:
    if told.server_running is None:
        return ""
    cache = "" if told.server_cache_usage is None else f", cache {told.server_cache_usage:.0%} full"
    return f"{told.server_running} running, {told.server_waiting} waiting{cache}"


def _breaker(told: DeploymentReport, now_ns: int) -> str:
    left = max(told.open_until_ns - now_ns, 0) / 1e9
    words = {
        "closed": "closed",
        "half_open": "half open, probing",
        "open": f"open for {left:.1f} s" if left else "open, a probe may go",
    }[told.breaker]
    if told.breaker == "closed" and told.failures_in_a_row:
        words = f"closed, failed {told.failures_in_a_row}× in a row"
    cooling = max(told.cool_until_ns - now_ns, 0) / 1e9
    return f"{words}, rate limited for {cooling:.1f} s" if cooling else words


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f} s"


def _other_names(model: ListedModel) -> Iterator[str]:
    for cause, chain in model.policy.fallbacks.items():
        yield f"falls back on {cause}: {', '.join(chain)}"
    for choice in model.policy.splits:
        yield _split(choice)
    if model.policy.shadow is not None:
        yield f"shadow: {model.policy.shadow.percent:g}% to {model.policy.shadow.to}"


def _split(choice: Choice) -> str:
    shares = ", ".join(f"{share:g}% {name}" for name, share in choice.shares)
    sticky = f", sticky by {choice.sticky}" if choice.sticky != "none" else ""
    return f"split: {shares}{sticky}{f', when {choice.when}' if choice.when else ''}"


def _budget(what: str, budget: BudgetReport) -> str:
    return f"{what} {budget.name}: {budget.spent} made, {budget.left} may be made now"
