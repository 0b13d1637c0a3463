"""What types cannot say of models' cards: other names that are taken, days of no calendar, ways that lead nowhere."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import asdict
from yaml.nodes import ScalarNode

from switchgear.config.circles import Way, circles
from switchgear.config.document import problem_at
from switchgear.config.leading import retired
from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown
from switchgear.config.routing import ModelEntry
from switchgear.config.written import Written
from switchgear.models.card import Stages, midnight_ns

_ORDER: Final = ("experimental", "staging", "production", "deprecated", "retired")


class CardChecks:
    """Finds every disagreement in the other names and the cards of models."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        models = self._config.models
        yield from self._other_names()
        ended = retired(models)
        for entry in models.values():
            yield from self._dates(entry.card.dates)
            for way in self._redirect(entry):
                problem = self._leads_nowhere(way, ended)
                if problem:
                    yield problem_at(way.node, problem)
        owners = {other: name for name, entry in models.items() for other in entry.aliases}
        ways = {
            name: [Way(owners.get(way.to, way.to), way.node) for way in self._redirect(entry)]
            for name, entry in models.items()
        }
        for circle in circles(ways):
            text = f"the redirects lead in a circle, {circle.told()}; let one of them end at a model that is served"
            yield problem_at(circle.node, text)

    def _leads_nowhere(self, way: Way, ended: Mapping[str, ModelEntry]) -> str | None:
        written = str(way.node.value)
        problem = self._written.unknown_model(way.to, written)
        if problem is None and way.to in ended and ended[way.to].card.redirect_to is None:
            return f"the model {shown(written)} is retired and redirects nowhere; name one that is served"
        return problem

    def _other_names(self) -> Iterator[Problem]:
        taken = dict.fromkeys(self._config.models, "a model")
        for name, entry in self._config.models.items():
            for other, item in self._written.items(entry, "aliases", entry.aliases):
                provider, slash, _ = other.partition("/")
                if slash and provider in self._written.declared.providers:
                    yield problem_at(
                        item, f"the name {shown(other)} would hide a model of the provider {shown(provider)}"
                    )
                elif other in taken:
                    yield problem_at(item, f"the name {shown(other)} is taken: it is {taken[other]} already")
                taken[other] = f"another name of {shown(name)}"

    def _dates(self, dates: Stages) -> Iterator[Problem]:
        latest = ""
        for stage, day in ((stage, asdict(dates)[stage]) for stage in _ORDER):
            if day is None:
                continue
            try:
                midnight_ns(day)
            except ValueError:
                yield self._written.at(dates, stage, f"no calendar has the day {day}")
                continue
            if day < latest:
                yield self._written.at(dates, stage, f"{shown(stage)} begins before the stage in front of it")
            latest = max(latest, day)

    def _redirect(self, entry: ModelEntry) -> list[Way]:
        card = entry.card
        node = self._written.node(card, "redirect_to") if card.redirect_to is not None else None
        return [Way(card.redirect_to, node)] if card.redirect_to is not None and isinstance(node, ScalarNode) else []
