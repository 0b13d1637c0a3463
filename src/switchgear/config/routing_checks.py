"""What types cannot say of routing: names that lead nowhere or in a circle, and settings that could never work."""

from collections.abc import Iterator, Mapping
from typing import Final

from yaml.nodes import ScalarNode

from switchgear.config.balance_checks import BalanceChecks, lanes
from switchgear.config.circles import Circle, Way, circles
from switchgear.config.document import problem_at
from switchgear.config.leading import retired
from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown
from switchgear.config.routing import ModelEntry, SplitEntry
from switchgear.config.sharing import BUDGET, contradictions
from switchgear.config.written import Written
from switchgear.routing.causes import ONLY_DECLARED
from switchgear.routing.expression import BadExpression, parse, words
from switchgear.routing.policy import ANY

_WHOLE: Final = 100.0
_CLOSE: Final = 0.001
"""Shares are decimal fractions: a third written as 33.3333 is a third."""


class RoutingChecks:
    """Finds every disagreement of the models with each other, and of the settings within one."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        models = self._config.models
        ended = retired(models)
        for name, entry in models.items():
            yield from self._targets(name, entry, ended)
            yield from self._splits(entry)
            yield from self._copies(name, entry)
        yield from BalanceChecks(self._config, self._written).problems()
        yield from self._breakers()
        yield from self._contradictions()
        yield from self._fallback_circles()
        shares = {name: [way for way in self._shares(entry) if way.to != name] for name, entry in models.items()}
        for circle in circles(shares):
            text = f"the splits lead in a circle, {circle.told()}; end it at a model that splits no further"
            yield problem_at(circle.node, text)

    # ------------------------------------------------------------------------------------------------- other names

    def _targets(self, name: str, entry: ModelEntry, ended: Mapping[str, ModelEntry]) -> Iterator[Problem]:
        """Where no call may go; a model that is retired itself sends none on."""
        fallbacks = [way for ways in self._fallbacks(entry).values() for way in ways]
        for way in (*fallbacks, *self._shares(entry), *self._shadow(entry)):
            problem = self._written.unknown_model(way.to, str(way.node.value))
            if problem:
                yield problem_at(way.node, problem)
            elif way.to in ended and name not in ended:
                yield problem_at(way.node, self._retired(str(way.node.value), ended[way.to]))

    def _retired(self, written: str, model: ModelEntry) -> str:
        card = model.card
        text = f"the model {shown(written)} is retired"
        if card.redirect_to is None:
            return f"{text}; lead to one that is served, or take this out"
        return f"{text}; lead to {shown(self._written.value(card, 'redirect_to', card.redirect_to))} instead"

    def _fallbacks(self, entry: ModelEntry) -> Mapping[str, list[Way]]:
        declared = entry.fallbacks
        return {
            cause: [Way(name, node) for name, node in self._written.items(declared, cause, chain)]
            for cause, chain in declared.chains().items()
        }

    def _fallback_circles(self) -> Iterator[Problem]:
        """Circles that a call goes in while it fails by one and the same cause.

        Names may well lead to each other by different causes: to the larger model when a prompt is too long, and back
        to the smaller when the larger is down.
        """
        ways = {name: self._fallbacks(entry) for name, entry in self._config.models.items()}
        causes = dict.fromkeys(cause for chains in ways.values() for cause in (ANY, *chains))
        told: set[frozenset[str]] = set()
        for cause in causes:
            common = () if cause in ONLY_DECLARED or cause == ANY else (ANY,)
            followed = {
                name: [way for each in (cause, *common) for way in chains.get(each, ())]
                for name, chains in ways.items()
            }
            for circle in circles(followed):
                names = frozenset(circle.names)
                if names not in told:
                    told.add(names)
                    yield problem_at(circle.node, _in_a_circle(cause, circle))

    def _breakers(self) -> Iterator[Problem]:
        owners = (self._config.routing, *self._config.models.values())
        for breaker in (owner.breaker for owner in owners if owner.breaker is not None):
            longest = breaker.max_open_seconds
            if breaker.open_seconds > longest and not self._written.is_faulty(breaker):
                text = f"'open_seconds' is more than 'max_open_seconds' ({longest:g}); raise that, or lower this"
                yield self._written.at(breaker, "open_seconds", text)

    def _contradictions(self) -> Iterator[Problem]:
        for found in contradictions(self._config):
            said, deployment = found.later, found.later.deployment
            whose = self._written.value(deployment, "model", deployment.model)
            whose = f"the provider {shown(whose.partition('/')[0])}" if said.what == BUDGET else shown(whose)
            line = self._written.line(found.first.made, found.first.field)
            text = (
                f"{shown(said.what)} is another in line {line}, and {whose} has only one, under every name; "
                "say it once, or twice the same"
            )
            yield self._written.at(said.made, said.field, text)

    def _shares(self, entry: ModelEntry) -> list[Way]:
        """A name is a key here, and so never a reference."""
        return [
            Way(str(node.value), node)
            for split in entry.splits
            for node in self._written.names(split, "to")
            if node.value in split.to
        ]

    def _shadow(self, entry: ModelEntry) -> list[Way]:
        node = None if entry.shadow is None else self._written.node(entry.shadow, "to")
        return [Way(entry.shadow.to, node)] if entry.shadow is not None and isinstance(node, ScalarNode) else []

    # ----------------------------------------------------------------------------------------------------- splits

    def _splits(self, entry: ModelEntry) -> Iterator[Problem]:
        for split in entry.splits:
            yield from self._sum(split)
            yield from self._expression(split)
        yield from self._never_reached(entry)

    def _never_reached(self, entry: ModelEntry) -> Iterator[Problem]:
        """Entries that an earlier one leaves no call to."""
        asked: dict[tuple[str, ...], SplitEntry] = {}
        everything: SplitEntry | None = None
        for split in entry.splits:
            if everything is not None:
                line = self._written.line(everything)
                text = f"no call comes here: without 'when', line {line} takes them all; put that one last"
                yield self._written.at(split, "", text)
            elif split.when:
                yield from self._asked_again(split, asked)
            elif not self._written.is_faulty(split):
                everything = split

    def _asked_again(self, split: SplitEntry, asked: dict[tuple[str, ...], SplitEntry]) -> Iterator[Problem]:
        try:
            first = asked.setdefault(words(split.when), split)
        except BadExpression:
            return
        if first is not split:
            line = self._written.line(first, "when")
            text = f"no call comes here: line {line} asks the same before; make one entry of both, or ask otherwise"
            yield self._written.at(split, "when", text)

    def _sum(self, split: SplitEntry) -> Iterator[Problem]:
        if len(self._written.names(split, "to")) > len(split.to):
            return
        total = sum(split.to.values())
        if abs(total - _WHOLE) > _CLOSE:
            text = f"the shares sum to {total:g}, not to 100; "
            if abs(total - 1) <= _CLOSE:
                text += "they are percentages: 90, not 0.9"
            else:
                text += "calls that stay are a share too, under the model's own name"
            yield self._written.at(split, "to", text)

    def _expression(self, split: SplitEntry) -> Iterator[Problem]:
        if not split.when:
            return
        try:
            parse(split.when)
        except BadExpression as error:
            yield self._bad_expression(split, error)

    def _bad_expression(self, split: SplitEntry, error: BadExpression) -> Problem:
        """At its column in the file where the expression stands there letter by letter.

        What an environment variable holds is not repeated.
        """
        node = self._written.node(split, "when")
        text = f"this expression cannot be used: {error.reason}"
        if not isinstance(node, ScalarNode):
            return self._written.at(split, "when", text)
        if node.value != split.when:
            return problem_at(node, f"this expression cannot be used, from column {error.column} on")
        if _is_one_line(node) and (not node.style or (node.style == "'" and "'" not in node.value)):
            start = problem_at(node, text)
            return Problem(start.line, start.column + bool(node.style) + error.column - 1, text)
        return problem_at(node, f"this expression cannot be used: column {error.column}: {error.reason}")

    # ---------------------------------------------------------------------------------------- copies

    def _copies(self, name: str, entry: ModelEntry) -> Iterator[Problem]:
        if entry.shadow is not None and entry.shadow.to == name:
            text = f"a shadow of {shown(name)} to itself would only double its calls; name another model"
            yield self._written.at(entry.shadow, "to", text)
        whole = not self._written.is_faulty(entry) and self._node_count(entry) == len(entry.deployments)
        if entry.hedging is not None and whole and lanes(self._config, entry.deployments) == 1:
            text = (
                f"hedging asks a second deployment, and {shown(name)} has only one; declare another, or take this out"
            )
            yield self._written.at(entry, "hedging", text)

    def _node_count(self, entry: ModelEntry) -> int:
        node = self._written.node(entry, "deployments")
        return 0 if node is None else len(node.value)


def _in_a_circle(cause: str, circle: Circle) -> str:
    text = f"the fallbacks for {shown(cause)} lead in a circle, {circle.told()}, and a call enters no name twice"
    if len(circle.names) == 1:
        return f"{text}; take this one out"
    return f"{text}; take this one out (names that stand in for each other share deployments instead, in tiers)"


def _is_one_line(node: ScalarNode) -> bool:
    return node.start_mark.line == node.end_mark.line
