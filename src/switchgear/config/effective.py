"""What is in force: the file's configuration, with that of the control database laid over it."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import structs

from switchgear.config.feed import Feed
from switchgear.config.leading import retired, ways, without
from switchgear.config.model import Config, ProviderEntry
from switchgear.config.routing import ModelEntry
from switchgear.config.secret import Secret
from switchgear.models.rate_card import PriceCard

_NOT_SECTIONS: Final = ("keys", "models", "prices", "secrets", "hashing_key")
_LOG: Final = logging.getLogger("switchgear.config")


class Effective(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A configuration as gateways use it."""

    feed: str = ""
    """The path of the feed, whether or not there is one."""
    hashing_key: Secret | None = None
    """Of the hashes of managed keys, in hexadecimal."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Other files that the configuration is made of."""
        return (*super().files, Path(self.feed))

    @property
    def read_files(self) -> tuple[Path, ...]:
        """The feed is read with the file."""
        return (Path(self.feed),)


def laid_over(config: Config, feed: Feed, path: Path, hashing_key: Secret | None) -> Effective:
    """``config`` with the objects of ``feed``; where both have a name, the file's is meant."""
    fields = {field: getattr(config, field) for field in Config.__struct_fields__}
    for section in (field for field in Feed.__struct_fields__ if field not in _NOT_SECTIONS):
        fields[section] = {**getattr(feed, section), **fields[section]}
    fields["models"] = {**_usable(config, feed.models), **config.models}
    fields["providers"] = {name: _priced(name, entry, feed.prices) for name, entry in config.providers.items()}
    named = {key.name for key in config.keys}
    fields["keys"] = (*config.keys, *(key for key in feed.keys if key.name not in named))
    return Effective(**fields, feed=str(path), hashing_key=hashing_key)


def _usable(config: Config, models: Mapping[str, ModelEntry]) -> Mapping[str, ModelEntry]:
    """Those of the database that the file still lets be: it may have changed since they were checked.

    The others are left out, and the log says so: one of them must not take all the rest out of service.
    """
    taken = {*config.models, *(other for entry in config.models.values() for other in entry.aliases)}
    usable: dict[str, ModelEntry] = {}
    for name, entry in models.items():
        missing = sorted({each.provider for each in entry.deployments} - set(config.providers))
        double = sorted({name, *entry.aliases} & taken)
        if missing:
            _LOG.warning("the model %s of the control database is left out: no provider %s", name, ", ".join(missing))
        elif double and name not in config.models:
            _LOG.warning("the model %s of the control database is left out: %s is taken", name, ", ".join(double))
        elif not double:
            usable[name] = entry
    return _leading_somewhere(config, usable)


def _leading_somewhere(config: Config, models: Mapping[str, ModelEntry]) -> Mapping[str, ModelEntry]:
    """``models`` without their ways to what is no more: those would cost the calls that follow them."""
    every = {**models, **config.models}
    known = {*every, *(other for entry in every.values() for other in entry.aliases)}
    ended = retired(every)

    def is_there(way: str) -> bool:
        provider, slash, _ = way.partition("/")
        return way in known or (bool(slash) and provider in config.providers)

    found: dict[str, ModelEntry] = {}
    for name, entry in models.items():
        lost = {way for way in ways(name, entry) if way in ended or not is_there(way)}
        found[name] = without(name, entry, lost) if lost else entry
        card = entry.card
        if card.redirect_to is not None and not is_there(card.redirect_to):
            lost.add(card.redirect_to)
            found[name] = structs.replace(found[name], card=structs.replace(card, redirect_to=None))
        if lost:
            gone = ", ".join(sorted(lost))
            _LOG.warning("the model %s of the control database no longer leads to what is not served: %s", name, gone)
    return found


def _priced(provider: str, entry: ProviderEntry, prices: Mapping[str, PriceCard]) -> ProviderEntry:
    """A provider with the prices that the database has of its models; the file's own count where both are there."""
    mine = f"{provider}/"
    kept = {name.removeprefix(mine): card for name, card in prices.items() if name.startswith(mine)}
    return structs.replace(entry, prices={**kept, **entry.prices}) if kept else entry
