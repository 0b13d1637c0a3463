"""What is asked of a check for drift, and what it answers."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from switchgear.rest.cursor import STORABLE
from switchgear.traces.drift.result import Result

Named = Annotated[str, Meta(max_length=256, pattern=STORABLE)]
LONGEST_CURRENT_HOURS: Final = 720
LONGEST_REFERENCE_DAYS: Final = 31


class Question(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose inputs are compared, and of when: the last hours with the days before them."""

    project: Annotated[Named, Meta(description="Whose; `default` holds what came without a project.")] = "default"
    model: Annotated[
        Named, Meta(description="Only what was asked of this model or alias; empty: those most called, by themselves.")
    ] = ""
    prompt: Annotated[
        Named, Meta(description="Only this prompt's; empty: all together, and each by itself beside that.")
    ] = ""
    current_hours: Annotated[int, Meta(ge=1, le=LONGEST_CURRENT_HOURS, description="How long the window is.")] = 24
    reference_days: Annotated[
        int, Meta(ge=1, le=LONGEST_REFERENCE_DAYS, description="How long the window before it is.")
    ] = 7


class Stretch(Struct, frozen=True, kw_only=True):
    """A stretch of time, as ISO 8601 in UTC."""

    since: str
    until: str


class Compared(Struct, frozen=True, kw_only=True):
    """What all monitors say of one model, or of one prompt to it."""

    model: str
    prompt: str
    """Empty: whatever the prompt."""
    reference_calls: int
    current_calls: int
    """Of the window; the tests look at a sample, one call of each session."""
    drifted: bool
    """Whether any monitor tells drift."""
    results: tuple[Result, ...]


class Report(Struct, frozen=True, kw_only=True):
    """One check of one project."""

    project: str
    reference: Stretch
    current: Stretch
    compared: tuple[Compared, ...]
    """The most called first."""
    left_out: int
    """Models and prompts with fewer calls, which were not looked at."""
    embedder: str
    """Empty: there is none."""
