"""The doors of other tracing tools put together: Langfuse, LangSmith and Phoenix, into the intake of all spans."""

from fastapi import APIRouter
from msgspec import Struct

from switchgear.app.database import ControlDatabase
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import TraceStore
from switchgear.traces.doors import langfuse, langsmith, phoenix
from switchgear.traces.doors.asking import Surroundings
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.ingest_counts import IngestCounts
from switchgear.traces.intake import Intake
from switchgear.traces.media import Media
from switchgear.traces.scores.model import MaskText


class ToolDoors(Struct, frozen=True, kw_only=True):
    """What they work with."""

    database: ControlDatabase
    intake: Intake
    store: TraceStore
    entrance: Entrance
    clock: Clock
    ids: Ids
    media: Media
    counts: IngestCounts
    """Where refused spans are counted."""
    mask: MaskText
    """For what scores, media of texts, and what is told in pieces say."""


def tool_doors(parts: ToolDoors) -> tuple[APIRouter, ...]:
    """All of their routes."""
    surroundings = Surroundings(
        database=parts.database,
        intake=parts.intake,
        store=parts.store,
        entrance=parts.entrance,
        clock=parts.clock,
        ids=parts.ids,
        counts=parts.counts,
        mask=parts.mask,
    )
    return (langfuse.router(surroundings, parts.media), langsmith.router(surroundings), phoenix.router(surroundings))
