"""Batches that Switchgear itself runs, as `switchgear.yaml` declares them."""

from datetime import UTC, tzinfo
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

WINDOW: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"
WindowText = Annotated[str, Meta(pattern=WINDOW)]


class BatchesEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How files of many requests are kept and run."""

    concurrency: Annotated[int, Meta(ge=1, le=1024, description="Requests of batches under way at once.")] = 8
    requests_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)] | None,
        Meta(description="Requests of batches that are begun in a minute, evenly; left out: as many as are answered."),
    ] = None
    windows: Annotated[
        tuple[WindowText, ...],
        Meta(description="Times of the day in which requests are begun, such as `22:00-06:00`. Empty: at any time."),
    ] = ()
    time_zone: Annotated[
        str, Meta(min_length=1, max_length=64, description="Whose times of the day these are: `Europe/Zurich`.")
    ] = "UTC"
    max_file_bytes: Annotated[int, Meta(ge=1024, le=1 << 32, description="Larger files are refused with 413.")] = (
        209_715_200
    )
    max_files: Annotated[
        int, Meta(ge=1, le=100_000, description="Files that a project, or a key without one, may keep.")
    ] = 500
    max_batches: Annotated[
        int, Meta(ge=1, le=10_000, description="Batches of a project, or of a key without one, that are not over.")
    ] = 50
    keep_days: Annotated[
        int, Meta(ge=1, le=3650, description="How long files, and batches that are over, are kept.")
    ] = 30


def zone(name: str) -> tzinfo:
    """The time zone that is called so; UTC needs no table of the system's. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        raise ValueError(f"the time zone {name!r} is not known") from None
