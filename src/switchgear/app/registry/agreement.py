"""Whether models that are changed at run time agree with the file and with each other.

They are checked by what checks the file: all models together are written down as a file would have them, and read. What
their providers are does not matter to that, only that there are such, and under how many keys; so no secret is needed.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

from msgspec import Struct, json, structs

from switchgear.config import Config
from switchgear.config.loading import examine
from switchgear.config.model import ProviderEntry
from switchgear.config.routing import ModelEntry
from switchgear.kernel.errors import ConfigError

_PLACE: Final = "models"
_REFERENCE: Final = "${"
_LINES_BEFORE: Final = 1
_LINE: Final = re.compile(r"\bin line ([0-9]+)\b")


class Disagreement(Struct, frozen=True, order=True):
    """What is wrong, and with which model; empty: with none of them alone."""

    model: str
    text: str

    @property
    def fact(self) -> tuple[str, str]:
        """The same without advice, which other models may change."""
        return self.model, self.text.partition(";")[0]


def disagreements(config: Config, models: Mapping[str, ModelEntry]) -> list[Disagreement]:
    """What is wrong with ``models`` beside the providers of ``config``; empty when nothing is."""
    names = list(models)
    frame = {
        "providers": {name: _stand_in(entry) for name, entry in config.providers.items()},
        "routing": _said(config.routing),
    }
    # A line for each model: by its line it is known whose a problem is.
    lines = (f"{_text(name)}: {_text(_said(entry))}" for name, entry in models.items())
    text = "%s, models: {\n%s}}" % (_text(frame).removesuffix("}"), ",\n".join(lines))  # noqa: UP031 (full of braces)
    try:
        # A reference to the environment would be read by every gateway in its own; here it is text.
        _, problems = examine(text.replace(_REFERENCE, f"${_REFERENCE}"), _PLACE, {})
    except ConfigError as error:
        return [Disagreement("", error.message)]
    return [Disagreement(_owner(names, one.line), _with_names(names, one.text)) for one in sorted(set(problems))]


def _owner(names: Sequence[str], line: int) -> str:
    at = line - _LINES_BEFORE - 1
    return names[at] if 0 <= at < len(names) else ""


def _with_names(names: Sequence[str], text: str) -> str:
    """A problem that names no line of a text that nobody has seen."""
    return _LINE.sub(lambda found: f"in the model {_owner(names, int(found[1]))!r}", text)


def _text(value: object) -> str:
    return json.encode(value).decode()


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
