"""Whether models that are changed at run time agree with the file and with each other.

They are checked by what checks the file: all models together are written down as a file would have them, and read. What
their providers are does not matter to that, only that there are such, and under how many keys; so no secret is needed.
"""

from collections.abc import Mapping

from msgspec import json, to_builtins

from switchgear.config import Config
from switchgear.config.loading import parse
from switchgear.config.model import ProviderEntry
from switchgear.config.routing import ModelEntry
from switchgear.kernel.errors import ConfigError

_PLACE = "models"
_REFERENCE = "${"


def disagreements(config: Config, models: Mapping[str, ModelEntry]) -> list[str]:
    """What is wrong with ``models`` beside the providers of ``config``; empty when nothing is."""
    document = {
        "providers": {name: _stand_in(entry) for name, entry in config.providers.items()},
        "routing": to_builtins(config.routing),
        "models": {name: to_builtins(entry) for name, entry in models.items()},
    }
    # A reference to the environment would be read by every gateway in its own; here it is text.
    text = json.encode(document).decode().replace(_REFERENCE, f"${_REFERENCE}")
    try:
        parse(text, _PLACE, {})
    except ConfigError as error:
        return [_without_place(line) for line in error.message.splitlines()]
    return []


def _stand_in(entry: ProviderEntry) -> Mapping[str, object]:
    keys = [f"key-{number}" for number in range(len(entry.api_keys))]
    return {"kind": "simulator", "api_keys": keys} if keys else {"kind": "simulator"}


def _without_place(problem: str) -> str:
    """A problem without its line and column, of a text that nobody has seen."""
    return problem.split(": ", 1)[-1]
