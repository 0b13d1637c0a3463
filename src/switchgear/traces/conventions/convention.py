"""What a convention says: which attribute tells which field. A convention is data, with one function where data ends.

Fields are those of :class:`~switchgear.kernel.span.Span`, and these, of which one or several make one of a span:

- ``system_text``, ``tool_input``, ``tool_output``: content beside ``input`` and ``output``;
- ``tokens.*``: ``input``, ``output``, ``total`` as the sender counts them, and the parts ``cache_read``,
  ``cache_write``, ``cache_write_1h``, ``cache_read_audio``, ``reasoning``, ``audio_input``, ``audio_output``,
  ``image_input``; ``tokens`` is an object of them;
- ``usd.*``: ``total``, or ``input`` and ``output``, in dollars; ``usd`` is an object of them;
- ``first_token_s`` and ``first_token_ms`` after the start, ``first_token_at`` by the clock;
- ``metadata_object``: members that become metadata; ``twin.input`` and ``twin.output``: the same content a second
  time, which counts where there is no better.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

Words = Mapping[str, str]


class Named(Struct, frozen=True):
    """The field that an attribute tells, and what its words mean there; a word that is missing says nothing."""

    field: str
    words: Words | None = None


class Family(Struct, frozen=True):
    """All attributes below a prefix: members of the metadata, or one tree, such as a list of messages."""

    field: str
    shape: Literal["metadata", "tree"] = "tree"


class Accounting(Struct, frozen=True):
    """Whether the totals of a sender hold the parts told beside them."""

    input_holds_parts: bool = True
    """Cached, audio and image tokens are among the input."""
    output_holds_parts: bool = True
    """Reasoning and audio tokens are among the output."""


SUMS_UP: Final = frozenset(("agent", "chain"))


class Convention(Struct, frozen=True, kw_only=True):
    name: str
    order: int
    """The lower, the more specific: of two conventions that tell one field the lower speaks."""
    names: Mapping[str, str | Named] = {}
    """By attribute, the better one first where several tell one field."""
    shared: Mapping[str, str | Named] = {}
    """Attributes that other senders use as well, so that they do not show whose convention it is."""
    scoped: Mapping[str, str | Named] = {}
    """Attributes with names so plain that they count only in spans of ``scopes``."""
    scopes: frozenset[str] = frozenset()
    """Names of instrumentations that speak it."""
    families: Mapping[str, Family] = {}
    """By prefix, which ends in a dot."""
    first_token_events: frozenset[str] = frozenset()
    """Events whose first occurrence is the first token."""
    accounting: Accounting = Accounting()
    sums_up: frozenset[str] = SUMS_UP
    """Kinds of span whose usage only sums up what spans below them tell as well."""
    has_one_model: bool = False
    """Its senders name one model, and mean the one that answered: ``request_model`` is ``model`` where none is told."""
    complete: Callable[[Any], None] | None = None
    """Is given the ``Reading``, and tells further fields from those that were found."""
