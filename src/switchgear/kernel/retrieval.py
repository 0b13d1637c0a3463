"""What search asks of models, in canonical form: vectors for texts, and documents in the order of their relevance."""

from typing import Literal

from msgspec import Raw, Struct

from switchgear.kernel.chat import Usage

EmbedPurpose = Literal["search_query", "search_document", "classification", "clustering", "similarity"]
"""What the vectors are for: some models embed questions and documents differently."""


class Embed(Struct, frozen=True, kw_only=True):
    """A request for embeddings; inputs are texts, or token ids as the client sent them."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] | None = None
    purpose: EmbedPurpose | None = None
    user: str | None = None
    own: tuple[tuple[str, Raw], ...] = ()
    """Fields of a vendor's own, as in a Chat: whoever does not know one refuses it."""
    extra: tuple[tuple[str, Raw], ...] = ()


class Embeddings(Struct, frozen=True, kw_only=True):
    """Vectors in the order of the inputs."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    id: str = ""
    usage: Usage | None = None


class Rerank(Struct, frozen=True, kw_only=True):
    """A request to order ``documents`` by their relevance to ``query``; structured documents come as JSON text."""

    model: str
    query: str
    documents: tuple[str, ...]
    top: int | None = None
    """How many to return; None: all."""
    return_documents: bool | None = None
    max_tokens_per_document: int | None = None
    user: str | None = None
    own: tuple[tuple[str, Raw], ...] = ()
    """Fields of a vendor's own, as in a Chat: whoever does not know one refuses it."""
    extra: tuple[tuple[str, Raw], ...] = ()


class Ranked(Struct, frozen=True, kw_only=True):
    """One document of the request, by its index there."""

    index: int
    relevance: float
    document: str | None = None


class Ranking(Struct, frozen=True, kw_only=True):
    """Documents, the most relevant first; ``searches`` are the units that some vendors bill by."""

    model: str
    results: tuple[Ranked, ...]
    id: str = ""
    usage: Usage | None = None
    searches: int | None = None
