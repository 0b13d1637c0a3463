"""What /metrics tells, and how much of it."""

from typing import Annotated

from msgspec import Meta, Struct


class MetricsEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `/metrics` tells, and how much of it."""

    max_label_values: Annotated[
        int,
        Meta(
            ge=1,
            le=2000,
            description="Models, deployments, keys and projects, each, that are counted under their own names; one "
            "more is `other`. Read when the process starts.",
        ),
    ] = 200
    older_gen_ai: Annotated[
        bool,
        Meta(
            description="Tell `gen_ai.client.token.usage` and `gen_ai.client.operation.duration` of the older GenAI "
            "conventions too, for dashboards that were made for them."
        ),
    ] = False
