"""What is known of a model beside how calls reach it: its stage, whose it is, where it comes from, what it can do."""

from datetime import UTC, date, datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from switchgear.kernel.capabilities import Capabilities

Stage = Literal["experimental", "staging", "production", "deprecated", "retired"]
DAY: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
Day = Annotated[str, Meta(pattern=DAY)]
Words = Annotated[str, Meta(max_length=2000)]
MODEL_NAME: Final = r"^[!-~]{1,256}$"
_NANOSECONDS: Final = 1_000_000_000

MOVES: Final[dict[Stage, tuple[Stage, ...]]] = {
    "experimental": ("staging", "production", "retired"),
    "staging": ("experimental", "production", "retired"),
    "production": ("staging", "deprecated"),
    "deprecated": ("production", "retired"),
    "retired": ("deprecated",),
}
"""From each stage, where a model may go: nothing that people rely on is gone without having been deprecated before."""


class Stages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The day on which each stage began, or is announced to begin."""

    experimental: Annotated[Day | None, Meta(description="When it was first there.")] = None
    staging: Annotated[Day | None, Meta(description="When it went into staging.")] = None
    production: Annotated[Day | None, Meta(description="When it went into production.")] = None
    deprecated: Annotated[Day | None, Meta(description="From then on replies warn of it.")] = None
    retired: Annotated[Day | None, Meta(description="From then on it is not served any more.")] = None


class Lineage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a model comes from."""

    base_model: Annotated[Words, Meta(description="What it was made of.")] = ""
    dataset: Annotated[Words, Meta(description="What it was fine-tuned on.")] = ""
    adapter: Annotated[Words, Meta(description="The adapter over its base model, such as a LoRA's path.")] = ""
    evaluations: Annotated[
        dict[Annotated[str, Meta(max_length=256)], Words], Meta(description="Results by the evaluation's name.")
    ] = {}


class ModelCard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of a model."""

    version: Annotated[Words, Meta(description="Its own, as its makers count.")] = ""
    stage: Annotated[Stage, Meta(description="Where it stands; `deprecated` warns, `retired` is not served.")] = (
        "production"
    )
    dates: Annotated[Stages, Meta(description="When each stage began, or will.")] = Stages()
    redirect_to: Annotated[
        Annotated[str, Meta(pattern=MODEL_NAME)] | None,
        Meta(description="Who answers in its place once it is retired; replies say so."),
    ] = None
    owner: Annotated[Words, Meta(description="Whom to ask about it.")] = ""
    licence: Annotated[Words, Meta(description="Under what terms it may be used.")] = ""
    lineage: Annotated[Lineage, Meta(description="Where it comes from.")] = Lineage()
    capabilities: Annotated[
        Capabilities, Meta(description="What it can do, whichever deployment answers; before what their providers say.")
    ] = Capabilities()
    notes: Annotated[Words, Meta(description="Whatever else people should know.")] = ""

    def stage_at(self, wall_ns: int) -> Stage:
        """The stage at a moment: what was announced begins by itself."""
        if self.stage == "retired" or _has_come(self.dates.retired, wall_ns):
            return "retired"
        if self.stage == "deprecated" or _has_come(self.dates.deprecated, wall_ns):
            return "deprecated"
        return self.stage


def midnight_ns(day: str) -> int:
    """When a day begins, in UTC, as nanoseconds of wall time. Raises ValueError for a day that no calendar has."""
    found = date.fromisoformat(day)
    return int(datetime(found.year, found.month, found.day, tzinfo=UTC).timestamp()) * _NANOSECONDS


def _has_come(day: str | None, wall_ns: int) -> bool:
    return day is not None and midnight_ns(day) <= wall_ns
