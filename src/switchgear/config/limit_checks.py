"""Whether limits limit something that is there, in a time that fits."""

from collections.abc import Iterator
from typing import Final

from switchgear.config.limits import LimitEntry
from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown, suggestion
from switchgear.config.written import Written

_SECTIONS: Final = {
    "team": "teams",
    "project": "projects",
    "organisation": "organisations",
    "provider": "providers",
}
NEEDS_SHARED: Final = (
    "several workers and limits need `counters: {engine: redis}`: each worker would allow the whole limit by itself"
)


class LimitChecks:
    """Finds every disagreement among limits."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        config = self._config
        if config.limits and config.server.workers > 1 and config.counters.engine == "memory":
            yield self._written.at(config.server, "workers", NEEDS_SHARED)
        for name, entry in config.limits.items():
            yield from self._limit(name, entry)

    def _limit(self, name: str, entry: LimitEntry) -> Iterator[Problem]:
        amounts = dict(entry.amounts())
        where = f"the limit {shown(name)}"
        if not amounts and not self._written.is_faulty(entry):
            yield self._written.at(entry, "", f"{where} limits nothing; give it 'requests', 'tokens', 'usd', ...")
        if entry.per is None and amounts.keys() - {"concurrent"}:
            yield self._written.at(entry, "", f"{where} has no 'per'; say second, minute, hour, day or month")
        if entry.per is not None and amounts.keys() == {"concurrent"}:
            yield self._written.at(entry, "per", f"{where} counts calls at once, which have no time; leave 'per' out")
        if entry.window == "sliding" and entry.per == "month":
            yield self._written.at(entry, "window", f"{where}: months are not equally long, and do not slide")
        if amounts.get("usd") == 0:
            yield self._written.at(entry, "usd", f"{where} allows no cent; disable the key instead")
        for scope, value in entry.scope.items():
            problem = self._unknown(scope, value)
            if problem:
                yield self._written.at(entry, "scope", problem)

    def _unknown(self, scope: str, value: str) -> str | None:
        """What is wrong with a name that a limit is for."""
        config = self._config
        if value == "*":
            return None
        if scope == "key":
            return _absent("keys", value, [key.name for key in config.keys])
        if scope == "user":
            return _absent("users", value, [*config.users, *config.service_accounts])
        if scope == "model":
            return self._written.unknown_model(value, value)
        section = _SECTIONS.get(scope)
        if section is None:
            return None
        known: dict[str, object] = getattr(config, section)
        return _absent(section, value, list(known))


def _absent(section: str, name: str, known: list[str]) -> str | None:
    if name in known:
        return None
    return f"{shown(name)} is not declared under '{section}'{suggestion(name, known)}"
