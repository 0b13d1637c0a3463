"""Finds the kinds of provider: the files of this folder, then what other distributions offer by entry point."""

import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import ProviderSettings
from switchgear.providers.kind import Kind

ENTRY_POINT_GROUP: Final = "switchgear.providers"
PACKAGE: Final = "switchgear.providers"


def discover(plug_ins: Iterable[EntryPoint] | None = None) -> Mapping[str, Kind]:
    """Every kind by its name.

    ``plug_ins`` are the entry points to load, each naming a tuple of kinds (``acme = "acme.gateway:KINDS"``); None
    means those of the group ``switchgear.providers`` that are installed. Raises ConfigError for a kind offered twice
    and for an entry point that cannot be loaded.
    """
    if plug_ins is None:
        plug_ins = entry_points(group=ENTRY_POINT_GROUP)
    found: dict[str, Kind] = {}
    places: dict[str, str] = {}
    for place, kind in (*_in_the_folder(), *_by_entry_point(plug_ins)):
        if kind.name in found:
            raise ConfigError(f"the provider kind {kind.name!r} is offered by both {places[kind.name]} and {place}")
        found[kind.name] = kind
        places[kind.name] = place
    return found


def found_in(environ: Mapping[str, str], kinds: Mapping[str, Kind]) -> list[tuple[Kind, ProviderSettings]]:
    """The kinds that the environment configures, with the settings it gives them, in the order of ``kinds``."""
    offers = ((kind, kind.settings_from(environ)) for kind in kinds.values())
    return [(kind, settings) for kind, settings in offers if settings is not None]


def _in_the_folder() -> Iterator[tuple[str, Kind]]:
    for module in sorted(pkgutil.iter_modules(import_module(PACKAGE).__path__), key=lambda module: module.name):
        place = f"{PACKAGE}.{module.name}"
        offered = getattr(import_module(place), "KINDS", None)
        if offered is not None:
            yield from _checked(place, offered)


def _by_entry_point(plug_ins: Iterable[EntryPoint]) -> Iterator[tuple[str, Kind]]:
    for plug_in in sorted(plug_ins, key=lambda plug_in: plug_in.name):
        place = f"the entry point {plug_in.name} = {plug_in.value}"
        try:
            offered: object = plug_in.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"{place} cannot be loaded: {error}") from error
        yield from _checked(place, offered)


def _checked(place: str, offered: object) -> Iterator[tuple[str, Kind]]:
    for kind in cast("tuple[object, ...]", offered) if isinstance(offered, tuple) else (offered,):
        if not isinstance(kind, Kind):
            raise ConfigError(f"{place} offers {kind!r} where a tuple of provider kinds was expected")
        yield place, kind
