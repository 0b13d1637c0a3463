"""Deterministic unit vectors: the same input always gives the same one, and different inputs are far apart."""

from hashlib import shake_256
from math import sqrt
from typing import Final

from switchgear.kernel.chat import Usage
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.retrieval import Embed, Embeddings
from switchgear.providers.simulator.words import split_tokens

DIMENSIONS: Final = 256
_MOST_DIMENSIONS: Final = 4096
_MOST_INPUTS: Final = 2048
_HALF: Final = 1 << 31


def embeddings(request: Embed, id: str, model: str) -> Embeddings:
    """One vector for each input; raises BadRequest for too many inputs or dimensions."""
    dimensions = DIMENSIONS if request.dimensions is None else request.dimensions
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise BadRequest(f"dimensions must be between 1 and {_MOST_DIMENSIONS}", param="dimensions")
    if len(request.inputs) > _MOST_INPUTS:
        raise BadRequest(f"at most {_MOST_INPUTS} inputs at once", param="input")
    return Embeddings(
        id=id,
        model=model,
        vectors=tuple(vector(each, dimensions) for each in request.inputs),
        usage=Usage(input=sum(len(split_tokens(each) if isinstance(each, str) else each) for each in request.inputs)),
    )


def vector(value: str | tuple[int, ...], dimensions: int) -> tuple[float, ...]:
    """A unit vector from a hash of ``value``."""
    text = value if isinstance(value, str) else " ".join(map(str, value))
    raw = shake_256(text.encode("utf-8", "surrogatepass")).digest(4 * dimensions)
    numbers = [int.from_bytes(raw[at : at + 4], "big") - _HALF + 0.5 for at in range(0, len(raw), 4)]
    length = sqrt(sum(number * number for number in numbers))
    return tuple(number / length for number in numbers)
