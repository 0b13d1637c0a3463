"""A registry on a real database, with a clock that stands still and a file's configuration beside it."""

from msgspec import convert

from switchgear.app.registry.service import Registry
from switchgear.config import Config
from switchgear.config.model import ProviderEntry
from switchgear.config.routing import ModelEntry
from switchgear.kernel.clock import SystemClock
from switchgear.models.card import midnight_ns
from switchgear.models.rate_card import PriceCard
from switchgear.rest.objects import Objects
from switchgear.rest.principal import Author

TODAY = "2026-11-26"
AUTHOR = Author(kind="operator", name="ann")
FREE = {"echo": PriceCard(input="0", output="0")}
FILE = Config(
    providers={"sim": ProviderEntry(kind="simulator", prices=FREE), "openai": ProviderEntry(kind="openai")},
    models={"house": convert({"deployments": [{"model": "sim/echo"}], "aliases": ["home"]}, ModelEntry)},
)


class Noon(SystemClock):
    """Always the same moment."""

    def wall_ns(self) -> int:
        return midnight_ns(TODAY) + 12 * 3600 * 10**9


def entry(model: object = "sim/echo", **more: object) -> ModelEntry:
    """A model of one deployment."""
    return convert({"deployments": [{"model": model}], **more}, ModelEntry)


def registry(file: Config = FILE) -> Registry:
    clock = Noon()
    return Registry(Objects(clock), lambda: file, clock)
