"""What the one way in has taken, refused and mended, in Prometheus' text format."""

from collections import Counter
from typing import Final

from switchgear.traces.families import Family

_TAKEN: Final = ("switchgear_spans_taken_total", "counter", "Spans that are on the disk; known ones count too.")
_REFUSED: Final = ("switchgear_spans_refused_total", "counter", "Single spans that were not taken, by reason.")
_MENDED: Final = ("switchgear_spans_mended_total", "counter", "What was mended of spans that were taken.")
_TURNED_AWAY: Final = (
    "switchgear_span_requests_turned_away_total",
    "counter",
    "Requests of which no span was taken: senders behind the store come again, others are told what is wrong.",
)
_WAITING: Final = ("switchgear_spans_waiting", "gauge", "Spans that wait for the store's next write.")
_WRITES: Final = ("switchgear_span_writes_total", "counter", "Writes of the store, each of all spans that waited.")


class IngestCounts:
    """All counts of one process."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        """By door."""
        self.refused: Counter[tuple[str, str]] = Counter()
        """By door and reason."""
        self.mended: Counter[tuple[str, str]] = Counter()
        """By door and what was mended."""
        self.turned_away: Counter[tuple[str, str]] = Counter()
        """Requests, by door and reason."""
        self.waiting = 0
        self.writes = 0

    def exposition(self) -> str:
        """All of it."""
        taken = Family(*_TAKEN, ("door",))
        text = taken.text(taken.line((door,), count) for door, count in sorted(self.taken.items()))
        for about, label, counts in (
            (_REFUSED, "reason", self.refused),
            (_MENDED, "what", self.mended),
            (_TURNED_AWAY, "reason", self.turned_away),
        ):
            family = Family(*about, ("door", label))
            text += family.text(family.line(labels, count) for labels, count in sorted(counts.items()))
        for about, number in ((_WAITING, self.waiting), (_WRITES, self.writes)):
            family = Family(*about, ())
            text += family.text([family.line((), number)])
        return text
