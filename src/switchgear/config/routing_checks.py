"""What types cannot say of routing: names that lead nowhere or in a circle, and settings that could never work."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from yaml.nodes import ScalarNode

from switchgear.config.document import problem_at
from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown
from switchgear.config.routing import DeploymentEntry, ModelEntry, SplitEntry
from switchgear.config.written import Written
from switchgear.routing.expression import BadExpression, parse

_WHOLE: Final = 100.0
_CLOSE: Final = 0.001
"""Shares are decimal fractions: a third written as 33.3333 is a third."""
_SHOWN_NAMES: Final = 8
_GOES_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "cheapest": ("cost",),
    "headroom": ("requests_per_minute", "tokens_per_minute"),
}
"""What a way of balancing compares, which somebody must declare."""


class Way(Struct, frozen=True):
    """From one name to another, and where that is written."""

    to: str
    node: ScalarNode


class RoutingChecks:
    """Finds every disagreement of the models with each other, and of the settings within one."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        models = self._config.models
        for name, entry in models.items():
            yield from self._targets(entry)
            yield from self._splits(entry)
            yield from self._copies(name, entry)
            yield from self._balance(entry)
        yield from self._common_balance()
        fallbacks = {name: self._fallbacks(entry) for name, entry in models.items()}
        for circle, node in _circles(fallbacks):
            text = f"the fallbacks lead in a circle, {circle}, and a call enters no name twice; take this one out"
            yield problem_at(node, text)
        shares = {name: [way for way in self._shares(entry) if way.to != name] for name, entry in models.items()}
        for circle, node in _circles(shares):
            yield problem_at(node, f"the splits lead in a circle, {circle}; end it at a model that splits no further")

    # ------------------------------------------------------------------------------------------------- other names

    def _targets(self, entry: ModelEntry) -> Iterator[Problem]:
        for way in (*self._fallbacks(entry), *self._shares(entry), *self._shadow(entry)):
            problem = self._written.unknown_model(way.to, str(way.node.value))
            if problem:
                yield problem_at(way.node, problem)

    def _fallbacks(self, entry: ModelEntry) -> list[Way]:
        declared = entry.fallbacks
        return [
            Way(name, node)
            for cause, chain in declared.chains().items()
            for name, node in self._written.items(declared, cause, chain)
        ]

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
        open_ones = (at for at, split in enumerate(entry.splits) if not split.when)
        first = next(open_ones, len(entry.splits))
        left = len(entry.splits) - first - 1
        if left > 0 and not self._written.is_faulty(entry.splits[first]):
            text = f"without 'when' this takes every call, and what follows it ({left}) gets none; put it last"
            yield self._written.at(entry.splits[first], "", text)

    def _sum(self, split: SplitEntry) -> Iterator[Problem]:
        if len(self._written.names(split, "to")) > len(split.to):
            return
        total = sum(split.to.values())
        if abs(total - _WHOLE) > _CLOSE:
            text = (
                f"the shares sum to {total:g}, not to 100; calls that stay are a share too, under the model's own name"
            )
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

    # ---------------------------------------------------------------------------------------- copies, and balancing

    def _copies(self, name: str, entry: ModelEntry) -> Iterator[Problem]:
        if entry.shadow is not None and entry.shadow.to == name:
            text = f"a shadow of {shown(name)} to itself would only double its calls; name another model"
            yield self._written.at(entry.shadow, "to", text)
        whole = not self._written.is_faulty(entry) and self._node_count(entry) == len(entry.deployments)
        if entry.hedging is not None and whole and self._lanes(entry) == 1:
            text = (
                f"hedging asks a second deployment, and {shown(name)} has only one; declare another, or take this out"
            )
            yield self._written.at(entry, "hedging", text)

    def _node_count(self, entry: ModelEntry) -> int:
        node = self._written.node(entry, "deployments")
        return 0 if node is None else len(node.value)

    def _lanes(self, entry: ModelEntry) -> int:
        """Deployments, each once for every key of its provider."""
        providers = (self._config.providers.get(each.provider) for each in entry.deployments)
        return sum(1 if provider is None else max(1, len(provider.api_keys)) for provider in providers)

    def _balance(self, entry: ModelEntry) -> Iterator[Problem]:
        if entry.balance is not None and not self._can_compare(entry.balance, entry.deployments):
            yield self._written.at(entry, "balance", _nothing_to_compare(entry.balance, "this model's deployments"))

    def _common_balance(self) -> Iterator[Problem]:
        common = self._config.routing.balance
        followers = [
            deployment
            for entry in self._config.models.values()
            if entry.balance is None
            for deployment in entry.deployments
        ]
        every_model_read = len(self._config.models) == len(self._written.declared.models)
        if every_model_read and not self._can_compare(common, followers):
            text = _nothing_to_compare(common, "the deployments that follow it")
            yield self._written.at(self._config.routing, "balance", text)

    def _can_compare(self, balance: str, deployments: Sequence[DeploymentEntry]) -> bool:
        fields = _GOES_BY.get(balance)
        return fields is None or any(
            getattr(deployment, field) or self._written.is_faulty(deployment)
            for deployment in deployments
            for field in fields
        )


def _nothing_to_compare(balance: str, whose: str) -> str:
    fields = " or ".join(shown(field) for field in _GOES_BY[balance])
    return f"{shown(balance)} goes by {fields}, and none of {whose} declares it; declare it, or balance otherwise"


def _is_one_line(node: ScalarNode) -> bool:
    return node.start_mark.line == node.end_mark.line


def _circles(ways: Mapping[str, Sequence[Way]]) -> Iterator[tuple[str, ScalarNode]]:
    """Each way that closes a circle, with the circle's names; depth first, but not recursive: chains may be long."""
    done: set[str] = set()
    for start in ways:
        path = {} if start in done else {start: iter(ways[start])}
        while path:
            name, rest = next(reversed(path.items()))
            way = next(rest, None)
            if way is None:
                done.add(name)
                del path[name]
            elif way.to in path:
                names = list(path)
                yield _told([*names[names.index(way.to) :], way.to]), way.node
            elif way.to in ways and way.to not in done:
                path[way.to] = iter(ways[way.to])


def _told(names: Sequence[str]) -> str:
    quoted = [shown(name) for name in names]
    if len(quoted) > _SHOWN_NAMES:
        quoted[_SHOWN_NAMES - 1 : -1] = ["…"]
    return " -> ".join(quoted)
