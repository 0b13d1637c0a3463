"""The models of the new file: entries of one name become the deployments of one alias."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Final, cast

from msgspec import structs

from switchgear.cli.importing.entries import EVERY_MODEL, Entry, named
from switchgear.cli.importing.providers import Providers
from switchgear.cli.importing.report import Report
from switchgear.cli.importing.settings import Settings
from switchgear.cli.importing.writer import Path

_WEIGHTED: Final = "weighted"
_FINEST: Final = 100
_MOST_WEIGHT: Final = 1_000_000
_MOST_NAME: Final = 256


class Models:
    """Gathers entries under the names that they may have here."""

    def __init__(self, providers: Providers, report: Report, settings: Settings) -> None:
        self._providers = providers
        self._report = report
        self._settings = settings
        self._names: dict[str, str] = {}
        """What became of each name of theirs."""
        self._of_vendors: set[str] = set()
        """Names of providers that serve whatever model is named behind theirs."""
        self._tree: dict[str, dict[str, object]] = {}
        self.comments: dict[Path, list[str]] = {}

    def add(self, entries: list[Entry]) -> None:
        """All entries; those for every model of a vendor first, because their providers' names are given."""
        for entry in entries:
            if EVERY_MODEL in entry.name or entry.model == EVERY_MODEL:
                self._add_wildcard(entry)
        for entry in entries:
            if entry.wanted.name and self._providers.is_free(entry.wanted.name):
                self._providers.name_of(entry.wanted)
        for name in dict.fromkeys(entry.name for entry in entries):
            own = [
                each for each in entries if each.name == name and EVERY_MODEL not in name and each.model != EVERY_MODEL
            ]
            if own:
                self._add_name(name, own)
        self._add_aliases()
        self._add_fallbacks()

    def tree(self) -> dict[str, dict[str, object]]:
        """The models as the new file has them; names do not share what is changed of one."""
        return deepcopy(self._tree)

    # --------------------------------------------------------------------------------------------- every model of one

    def _add_wildcard(self, entry: Entry) -> None:
        path = f"{entry.path}.model_name"
        prefix, slash, rest = entry.name.partition("/")
        if not slash or rest != EVERY_MODEL or entry.model != EVERY_MODEL:
            self._providers.name_of(entry.wanted)
            self._report.lost(
                path, "a name stands for one model, or with 'provider/' before it for any of a provider's"
            )
        elif not self._providers.is_free(prefix):
            self._report.lost(
                path, f"a second provider of the name {prefix!r}; several keys of one vendor are 'api_keys'"
            )
        else:
            self._providers.name_of(structs.replace(entry.wanted, name=prefix))
            self._of_vendors.add(prefix)
            self._report.carried(path, f"the provider {prefix!r}: '{prefix}/MODEL' names any of its models")

    # ------------------------------------------------------------------------------------------------------ one name

    def _add_name(self, name: str, entries: list[Entry]) -> None:
        deployments = [self._deployment(entry) for entry in entries]
        path = f"{entries[0].path}.model_name"
        attempts = [entry.attempts for entry in entries if entry.attempts is not None]
        further = name in self._settings.chains or self._settings.default_fallbacks or attempts
        plain = deployments == [{"model": name}] and not further
        ours = name if plain else self._free_name(name)
        self._names[name] = ours
        if plain:
            self._report.carried(path, "no alias: the name of the provider and its model is enough")
        else:
            if self._settings.routing.get("balance", _WEIGHTED) == _WEIGHTED and _share_by_limits(entries, deployments):
                self.comments["models", ours] = [
                    "Shared by requests_per_minute, as LiteLLM does where none has a weight."
                ]
            _share(entries, deployments)
            model: dict[str, object] = {"deployments": deployments}
            if attempts:
                model["retries"] = {"attempts": max(attempts)}
            self._tree[ours] = model
            self._tell_name(path, name, ours)
        for entry in entries[1:]:
            other = f"{entry.path}.model_name"
            self._report.carried(other, f"another deployment of models.{ours}")

    def _tell_name(self, path: str, name: str, ours: str) -> None:
        if ours == name:
            self._report.carried(path, f"models.{ours}")
        else:
            self._report.differs(path, f"models.{ours}: the name may not be as it was; clients must call {ours!r}")
            self.comments.setdefault(("models", ours), []).append("Was called otherwise; see the report.")

    def _free_name(self, name: str) -> str:
        """The name itself where it may be one, and hides no provider's models."""
        made = named(name)
        prefix, slash, _ = made.partition("/")
        if slash and not self._providers.is_free(prefix):
            made = made.replace("/", "-")
        base, number = made, 1
        while made in self._tree:
            number += 1
            made = f"{base[: _MOST_NAME - 8]}-{number}"
        return made

    def _deployment(self, entry: Entry) -> dict[str, object]:
        provider = self._providers.name_of(entry.wanted)
        full = f"{provider}/{entry.model}"
        model = named(full)
        if model != full:
            self._report.differs(f"{entry.path}.litellm_params.model", f"{model!r}, for the name holds what none may")
        terms = dict(entry.terms)
        first = self._settings.first_token_seconds
        if first is not None:
            timers = cast("dict[str, object]", terms.get("timers", {}))
            terms["timers"] = {"first_token_seconds": first, **timers}
        return {"model": model, **terms}

    # --------------------------------------------------------------------------------------------------- other names

    def _add_aliases(self) -> None:
        for name, target in self._settings.aliases.items():
            path = self._settings.alias_paths[name]
            ours = self._ours(target)
            if ours is None:
                self._report.lost(path, "there is no model of the name that it stands for")
                continue
            if name in self._names:
                self._report.lost(path, "a model has this name already")
                continue
            made = self._names[name] = self._free_name(name)
            self._settings.chains.setdefault(name, self._settings.chains.get(target, {}))
            self._tree[made] = dict(self._tree.get(ours, {"deployments": [{"model": ours}]}))
            self._tell_name(path, name, made)

    def _add_fallbacks(self) -> None:
        chains = {name: dict(causes) for name, causes in self._settings.chains.items()}
        known = {
            (name, cause): list(self._known(targets))
            for name, causes in chains.items()
            for cause, targets in causes.items()
        }
        for path, name, cause in self._settings.chain_paths:
            self._tell_chain(path, name, chains[name][cause], known[name, cause])
        for name, ours in self._names.items():
            fallbacks = {cause: known[name, cause] for cause in chains.get(name, {}) if known[name, cause]}
            default = [each for each in self._known(self._settings.default_fallbacks) if each != ours]
            joined = list(dict.fromkeys([*fallbacks.get("any", []), *default]))
            if joined:
                fallbacks["any"] = joined
            if fallbacks:
                model = self._tree.setdefault(ours, {"deployments": [{"model": ours}]})
                model["fallbacks"] = fallbacks

    def _tell_chain(self, path: str, name: str, targets: list[str], known: list[str]) -> None:
        ours = self._names.get(name)
        if ours is None or not known:
            self._report.lost(path, "the model, or each that it falls back to, is not one of the new file")
        elif len(known) < len(targets):
            self._report.differs(path, f"fallbacks of models.{ours}, without those that are not in the new file")
        else:
            self._report.carried(path, f"fallbacks of models.{ours}")

    def _known(self, targets: list[str]) -> Iterator[str]:
        """Our names of those targets that there are."""
        return (ours for ours in map(self._ours, dict.fromkeys(targets)) if ours is not None)

    def _ours(self, name: str) -> str | None:
        """Our name of a model of theirs: one that is listed, or any of a vendor that serves all of its models."""
        provider, slash, rest = name.partition("/")
        whole = slash and rest and provider in self._of_vendors and named(name) == name
        return self._names.get(name) or (name if whole else None)


def _share_by_limits(entries: list[Entry], deployments: list[dict[str, object]]) -> bool:
    """Take the limits on requests for weights where there are no others; whether that was done."""
    limits = [deployment.get("requests_per_minute") for deployment in deployments]
    weighted = any(entry.weight is not None or "weight" in entry.terms for entry in entries)
    if weighted or len(entries) == 1 or not all(isinstance(limit, int) and limit for limit in limits):
        return False
    for entry, limit in zip(entries, limits, strict=True):
        entry.weight = float(cast("int", limit))
    return True


def _share(entries: list[Entry], deployments: list[dict[str, object]]) -> None:
    """Write weights as whole numbers in the same proportion."""
    weights = [entry.weight for entry in entries]
    if all(weight is None for weight in weights):
        return
    whole = all(weight is None or weight.is_integer() for weight in weights)
    scale = 1 if whole else _FINEST
    for weight, deployment in zip(weights, deployments, strict=True):
        if "weight" not in deployment:
            deployment["weight"] = min(max(1, round((1 if weight is None else weight) * scale)), _MOST_WEIGHT)
