"""Secrets that other stores keep: how often they are read again."""

from typing import Annotated

from msgspec import Meta, Struct


class Secrets(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Secrets that Vault, AWS or Google Cloud keep."""

    refresh_seconds: Annotated[
        float,
        Meta(
            ge=1,
            le=86400,
            description="After how long a secret of Vault, AWS or Google Cloud is fetched again. A new value comes "
            "into use without a restart; a store that gives no answer leaves the last one in use.",
        ),
    ] = 300.0
