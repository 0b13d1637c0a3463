"""What a model can do, in the words that the configuration, the registry, routing and the doors share."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Modality = Literal["text", "image", "audio", "video", "file"]
_MOST_TOKENS = 10**12


class Capabilities(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model can do; what is left out is not known, and never a reason to refuse a call."""

    context_tokens: Annotated[
        Annotated[int, Meta(ge=1, le=_MOST_TOKENS)] | None, Meta(description="Tokens that a prompt may have.")
    ] = None
    max_output_tokens: Annotated[
        Annotated[int, Meta(ge=1, le=_MOST_TOKENS)] | None, Meta(description="Tokens that an answer may have.")
    ] = None
    input: Annotated[tuple[Modality, ...], Meta(description="What it reads; `file` are documents, such as PDF.")] = ()
    output: Annotated[tuple[Modality, ...], Meta(description="What it makes.")] = ()
    tools: Annotated[bool | None, Meta(description="Whether it calls tools.")] = None
    structured_output: Annotated[bool | None, Meta(description="Whether its answers keep to a JSON Schema.")] = None
    reasoning: Annotated[bool | None, Meta(description="Whether it can be told to think first.")] = None
    dimensions: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None, Meta(description="Of its longest vectors (embeddings).")
    ] = None

    def over(self, other: "Capabilities") -> "Capabilities":
        """What this says, and where it says nothing, what ``other`` says."""
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        return Capabilities(**{name: getattr(other, name) if said[name] in (None, ()) else said[name] for name in said})


NOTHING_KNOWN = Capabilities()
CapabilityPolicy = Literal["check", "known", "ignore"]
"""Whether a call is held against what its model can do: against what is declared here, also against what the package
knows of it, or never."""
