"""Spans: where they are kept."""

from typing import Annotated, Final

from msgspec import Meta, Struct

DEFAULT_PATH: Final = "./switchgear-data/traces.db"


class Traces(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spans that come in by any door, and those of the gateway's own calls."""

    path: Annotated[
        str,
        Meta(
            min_length=1,
            description="The file of the store of spans, relative to the working directory; it is written by one "
            "control process. A change takes a restart.",
        ),
    ] = DEFAULT_PATH
