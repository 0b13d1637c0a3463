"""``switchgear models``: the registry of models, as the configuration has it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from switchgear.app.catalogue import Catalogue
from switchgear.cli.output import show_json, show_table
from switchgear.cli.settings import ConfigOption, chosen_file
from switchgear.config import Config, Source, read_environment
from switchgear.kernel.capabilities import Capabilities
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.models.capability_table import packaged_capabilities
from switchgear.models.card import ModelCard

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


class ModelLine(Struct, omit_defaults=True):
    """One model of the registry."""

    name: str
    stage: str
    """Today's."""
    aliases: tuple[str, ...]
    deployments: tuple[str, ...]
    card: ModelCard
    capabilities: Capabilities
    """What at least one of its deployments can do, as far as it is known."""
    simulator: bool = False
    """Nobody answers to it but the simulator."""


class KnownLine(Struct):
    """One model that the package knows of."""

    vendor: str
    model: str
    capabilities: Capabilities
    source: str


def list_models(
    config: ConfigOption = None,
    known: Annotated[
        bool, typer.Option("--known", help="Those that the package knows of instead, and what they can do.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the models that are declared: their stage today, whose they are, and what they can do."""
    if known:
        _list_known(as_json=as_json)
        return
    found = list(model_lines(_in_force(config), SystemClock().wall_ns()))
    if as_json:
        show_json(found)
        return
    headings = ("name", "stage", "owner", "prompt", "answer", "reads", "can", "deployments")
    rows = [(line.name, line.stage, line.card.owner, *_cells(line.capabilities), _deployments(line)) for line in found]
    show_table("Models", headings, rows)


def show_model(
    model: Annotated[str, typer.Argument(help="Its name, or PROVIDER/MODEL.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one model: its card, its deployments, what it can do."""
    effective = _in_force(config)
    catalogue = Catalogue(effective)
    name = catalogue.name_of(model)
    provider = model.partition("/")[0]
    if name not in effective.models and provider not in effective.providers:
        raise ConfigError(f"{model!r} is no model here; `switchgear models list` shows those that are declared")
    line = _line(effective, catalogue, name, SystemClock().wall_ns())
    if as_json:
        show_json(line)
        return
    show_table(model, ("", ""), [row for row in _facts(line) if row[1]])


def _in_force(config: Path | None) -> Config:
    """What gateways go by: the file, and what they have been told of the control database."""
    return Source(chosen_file(config), read_environment()).load()


def model_lines(config: Config, wall_ns: int) -> Iterator[ModelLine]:
    """Every declared model, in the order of the file."""
    catalogue = Catalogue(config)
    for name in config.models:
        yield _line(config, catalogue, name, wall_ns)


def _line(config: Config, catalogue: Catalogue, name: str, wall_ns: int) -> ModelLine:
    entry = config.models.get(name)
    card = catalogue.card(name)
    return ModelLine(
        name=name,
        stage=card.stage_at(wall_ns),
        aliases=() if entry is None else entry.aliases,
        deployments=(name,) if entry is None else tuple(each.model for each in entry.deployments),
        card=card,
        capabilities=catalogue.capabilities(name),
        simulator=catalogue.is_simulated(name),
    )


def _deployments(line: ModelLine) -> str:
    return ", ".join(line.deployments) + (" (simulator)" if line.simulator else "")


def _list_known(*, as_json: bool) -> None:
    found = [KnownLine(*line) for line in packaged_capabilities().listed()]
    if as_json:
        show_json(found)
        return
    rows = [(line.vendor, line.model, *_cells(line.capabilities)) for line in found]
    show_table("Models the package knows of", ("vendor", "model", "prompt", "answer", "reads", "can"), rows)


def _cells(known: Capabilities) -> tuple[str, str, str, str]:
    can = [word for word in ("tools", "structured_output", "reasoning") if getattr(known, word)]
    vectors = [] if known.dimensions is None else [f"{known.dimensions} dimensions"]
    return (
        _count(known.context_tokens),
        _count(known.max_output_tokens),
        ", ".join(known.input),
        ", ".join([*can, *vectors]).replace("_", " "),
    )


def _facts(line: ModelLine) -> Iterator[tuple[str, str]]:
    card, known = line.card, line.capabilities
    yield "name", line.name
    yield "also called", ", ".join(line.aliases)
    yield "stage", line.stage
    for stage in card.dates.__struct_fields__:
        yield f"{stage} on", getattr(card.dates, stage) or ""
    yield "redirects to", card.redirect_to or ""
    for field in ("version", "owner", "licence", "notes"):
        yield field, getattr(card, field)
    for field in ("base_model", "dataset", "adapter"):
        yield field.replace("_", " "), getattr(card.lineage, field)
    for name, result in card.lineage.evaluations.items():
        yield f"evaluation {name}", result
    yield "deployments", _deployments(line)
    yield "prompt tokens", _count(known.context_tokens)
    yield "answer tokens", _count(known.max_output_tokens)
    yield "reads", ", ".join(known.input)
    yield "makes", ", ".join(known.output)
    for field in ("tools", "structured_output", "reasoning"):
        value = getattr(known, field)
        yield field.replace("_", " "), "" if value is None else "yes" if value else "no"
    yield "dimensions", _count(known.dimensions)


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
