"""Whether models that are changed at run time agree with the file and with each other.

They are checked by what checks the file: all models together are written down as a file would have them, and read. What
their providers are does not matter to that, only that there are such, and under how many keys; so no secret is needed.
"""

from collections.abc import Mapping
from typing import cast

from msgspec import Struct, json, structs

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
        "routing": _said(config.routing),
        "models": {name: _said(entry) for name, entry in models.items()},
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


def _said(value: object) -> object:
    """A value as a file would say it: without what is as it is by default, for reading that is most of the work."""
    if isinstance(value, Struct):
        found = {each.encode_name: (getattr(value, each.name), each.default) for each in structs.fields(value)}
        return {name: _said(own) for name, (own, default) in found.items() if own != default}
    if isinstance(value, Mapping):
        return {str(name): _said(each) for name, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, tuple):
        return [_said(each) for each in cast("tuple[object, ...]", value)]
    return value


def _without_place(problem: str) -> str:
    """A problem without its line and column, of a text that nobody has seen."""
    return problem.split(": ", 1)[-1]
