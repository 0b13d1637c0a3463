"""Whether limits limit something that is there, in a time that fits."""

from collections.abc import Iterator
from typing import Final

from switchgear.config.limits import SCOPES, LimitEntry
from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown, suggestion
from switchgear.config.written import Written

_SECTIONS: Final = {
    "team": "teams",
    "project": "projects",
    "organisation": "organisations",
    "provider": "providers",
    "model": "models",
}
NEEDS_SHARED: Final = (
    "several workers and limits need `counters: {engine: redis}`: each worker would allow the whole limit by itself"
)


def counts_alone(config: Config) -> bool:
    """Whether each of several workers would count by itself."""
    return config.server.workers > 1 and config.counters.engine == "memory"


def faults(entry: LimitEntry) -> Iterator[tuple[str, str]]:
    """What is wrong with a limit in itself: the field, and the rest of a sentence that begins with the limit."""
    amounts = dict(entry.amounts())
    if not amounts:
        yield "", "limits nothing; give it 'requests', 'tokens', 'usd', ..."
    if entry.per is None and amounts.keys() - {"concurrent"}:
        yield "", "has no 'per'; say second, minute, hour, day or month"
    if entry.per is not None and amounts.keys() == {"concurrent"}:
        yield "per", "counts calls at once, which have no time; leave 'per' out"
    if entry.window == "sliding" and entry.per == "month":
        yield "window", "cannot slide: months are not equally long; leave 'window' out"
    if amounts.get("usd") == 0:
        yield "usd", "allows no cent; disable the key instead"
    for scope in entry.scope:
        if scope not in SCOPES:
            yield "scope", f"has a scope that is none: {shown(scope)}{suggestion(scope, SCOPES)}"


def unknown_name(config: Config, scope: str, value: str) -> str | None:
    """What is wrong with a name that a limit is for, as far as the file knows names."""
    if value == "*":
        return None
    if scope == "key":
        return _absent("keys", value, [key.name for key in config.keys])
    if scope == "user":
        return _absent("users", value, [*config.users, *config.service_accounts])
    if scope == "model" and "/" in value:
        return _absent("providers", value.partition("/")[0], list(config.providers))
    section = _SECTIONS.get(scope)
    if section is None:
        return None
    known: dict[str, object] = getattr(config, section)
    return _absent(section, value, list(known))


class LimitChecks:
    """Finds every disagreement among limits."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        config = self._config
        if config.limits and counts_alone(config):
            yield self._written.at(config.server, "workers", NEEDS_SHARED)
        for name, entry in config.limits.items():
            yield from self._limit(name, entry)
        yield from self._doubled()

    def _doubled(self) -> Iterator[Problem]:
        """Two limits that count the same and do the same: the larger never holds."""
        seen: dict[object, tuple[str, int]] = {}
        for name, entry in self._config.limits.items():
            if self._written.is_faulty(entry):
                continue
            for quantity, limit in entry.amounts():
                what = (quantity, tuple(sorted(entry.scope.items())), entry.per, entry.window, entry.action)
                other, its = seen.setdefault(what, (name, limit))
                if other != name:
                    larger = name if limit >= its else other
                    text = f"the limits {shown(other)} and {shown(name)} count the same {quantity} of the same calls"
                    yield self._written.at(entry, quantity, f"{text}; {shown(larger)} never holds")

    def _limit(self, name: str, entry: LimitEntry) -> Iterator[Problem]:
        if not self._written.is_faulty(entry):
            for field, text in faults(entry):
                yield self._written.at(entry, field, f"the limit {shown(name)} {text}")
        for scope, value in entry.scope.items():
            problem = self._unknown(scope, value)
            if problem:
                yield self._written.at(entry, "scope", problem)

    def _unknown(self, scope: str, value: str) -> str | None:
        if scope == "model" and value != "*":
            return self._written.unknown_model(value, value)
        return unknown_name(self._config, scope, value)


def _absent(section: str, name: str, known: list[str]) -> str | None:
    if name in known:
        return None
    return f"{shown(name)} is not declared under '{section}'{suggestion(name, known)}"
