"""What becomes of an OTLP export, whatever carried it here: its spans are taken, or refused by reason and counted."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from switchgear.kernel.errors import Overloaded, SwitchgearError
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.ingest_counts import IngestCounts
from switchgear.traces.intake import Intake, Origin, Taken
from switchgear.wire.otlp import MAX_SPAN_BYTES, Export, checked

NOT_TAKEN: Final = (
    "traces alone are taken here: set OTEL_LOGS_EXPORTER=none and OTEL_METRICS_EXPORTER=none, or give these an "
    "endpoint of their own"
)
"""Of logs and metrics, which the same exporters may have been told to send here."""
_INVALID_ARGUMENT: Final = 3
_CODES: Final = {401: 16, 403: 7, 404: 12, 413: 8, 429: 8, 500: 13, 503: 14}
_LOG: Final = logging.getLogger("switchgear.traces")


class Outcome(Struct, frozen=True, kw_only=True):
    """How an export was taken."""

    refused: int
    """Spans that were not."""
    message: str
    """What is wrong with them."""


class Exports:
    """Takes exports in, for all doors of OTLP."""

    def __init__(self, intake: Intake, entrance: Entrance, counts: IngestCounts) -> None:
        self._intake = intake
        self._entrance = entrance
        self._counts = counts

    async def take(self, origin: Origin, body: bytes, encoding: str, read: Callable[[bytes], Export]) -> Outcome:
        """Take the spans of a body as it was sent; on return they are on the disk.

        Raises UnknownEncoding, BadRequest, BodyTooLarge, Overloaded: nothing was taken then.
        """
        told = await self._entrance.read(body, encoding, lambda inflated: checked(read(inflated)))
        taken = await self._intake.take(origin, told.spans)
        for reason, count in (("unreadable", told.unreadable), ("too_large", told.too_large)):
            if count:
                self._counts.refused[origin.door, reason] += count
        return Outcome(refused=len(taken.refused) + told.unreadable + told.too_large, message=_message(told, taken))

    def turned_away(self, door: str, error: SwitchgearError, reason: str) -> None:
        """Count a whole request that is; what the intake turned away it has counted itself."""
        if isinstance(error, Overloaded):
            return
        self._counts.turned_away[door, reason] += 1
        if error.status >= 500:
            _LOG.error("spans at the door %s: %s", door, error.message)


def grpc_code(status: int) -> int:
    """gRPC's code for a status of HTTP."""
    return _CODES.get(status, _INVALID_ARGUMENT)


def _message(told: Export, taken: Taken) -> str:
    """What is wrong with the spans that were refused, each reason once."""
    messages: dict[str, str] = {}
    for each in taken.refused:
        messages.setdefault(each.reason, each.message)
    numbers = Counter(each.reason for each in taken.refused)
    lines = [f"{numbers[reason]} × {reason}: {message}" for reason, message in messages.items()]
    if told.unreadable:
        lines.append(f"{told.unreadable} × unreadable: the span is broken")
    if told.too_large:
        lines.append(f"{told.too_large} × too_large: the span is over {MAX_SPAN_BYTES} bytes")
    return "; ".join(lines)
