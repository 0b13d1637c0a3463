"""What one call of the simulator shall do: a model of the catalogue and its parameters, carried in a target's path."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from msgspec import Meta, Struct, ValidationError, convert

from switchgear.kernel.errors import BadRequest, ModelNotFound
from switchgear.providers.simulator.catalogue import MODELS, SimulatedModel

STREAM: Final = "stream"
"""Stands in a path for the operation that is streamed."""
_LONGEST_MS: Final = 3_600_000
_MOST_TOKENS: Final = 100_000


class Parameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Written behind a model's name (``sim/echo?ttft_ms=50&tokens=200``) or under a provider's ``query``."""

    ttft_ms: Annotated[float, Meta(ge=0, le=_LONGEST_MS)] = 0
    """Milliseconds until the first token."""
    tokens_per_second: Annotated[float, Meta(ge=0, le=1_000_000)] = 0
    """The pace after that; 0: as fast as it is read."""
    tokens: Annotated[int, Meta(ge=1, le=_MOST_TOKENS)] | None = None
    """Length of the text; None: the model's own."""
    fault_after_tokens: Annotated[int, Meta(ge=0, le=_MOST_TOKENS)] = 3
    """For models that break off: how much comes before."""
    status: Annotated[int, Meta(ge=200, le=599)] = 200
    """Of an error or a broken answer."""
    code: Annotated[str, Meta(pattern=r"^[a-z_]{0,64}$")] = ""
    """Of an error; empty: the usual one for its status."""
    period_ms: Annotated[float, Meta(gt=0, le=_LONGEST_MS)] = 60_000
    """Of a model that fails and recovers by turns: how long one turn is."""
    retry_after_seconds: Annotated[float, Meta(ge=0, le=86_400)] | None = None


class Script(Struct, frozen=True, kw_only=True):
    model: SimulatedModel
    parameters: Parameters
    streamed: bool = False
    """The path asks for a stream; in most dialects the body does."""

    def due_seconds(self, tokens: int) -> float:
        """When, after the request, the token comes that has ``tokens`` before it."""
        pace = self.parameters.tokens_per_second
        return self.parameters.ttft_ms / 1000 + (tokens / pace if pace else 0.0)


def write_path(operation: str, name: str, defaults: Mapping[str, str]) -> str:
    """The path of a target: operation, model, parameters; those behind the name win over ``defaults``."""
    model, _, query = name.partition("?")
    parameters = {**defaults, **dict(parse_qsl(query, keep_blank_values=True))}
    return f"/{operation}/{quote(model, safe='')}" + (f"?{urlencode(parameters)}" if parameters else "")


def read_path(path: str) -> Script:
    """The script that a target's path names.

    Raises ModelNotFound, or BadRequest naming the parameter.
    """
    place, _, query = path.partition("?")
    name = unquote(place.rpartition("/")[2])
    model = next((model for model in MODELS if model.name == name), None)
    if model is None:
        raise ModelNotFound(f"the simulator has no model {name[:100]!r}; {_advice(name)}", param="model")
    given = dict(parse_qsl(query, keep_blank_values=True))
    parameters = read_parameters({**dict(model.parameters), **given})
    return Script(model=model, parameters=parameters, streamed=place.startswith(f"/{STREAM}/"))


def read_parameters(given: Mapping[str, str]) -> Parameters:
    """Read and check parameters; raises BadRequest."""
    try:
        return convert(dict(given), Parameters, strict=False)
    except ValidationError as error:
        names = ", ".join(Parameters.__struct_fields__)
        raise BadRequest(f"the simulator's parameters are {names}: {error}", param="model") from None


def _advice(name: str) -> str:
    names = [model.name for model in MODELS]
    close = difflib.get_close_matches(name[:100], names, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(names)}"
