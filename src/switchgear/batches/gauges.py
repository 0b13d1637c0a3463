"""How batches stand, in Prometheus' text format."""

from typing import Final

from switchgear.batches.model import Progress
from switchgear.traces.families import Family

_BATCHES: Final = "Batches that are kept in the control database, by status."
_LINES: Final = "Their lines, by state: `waiting`, `succeeded`, `errored`, or `unfinished` when the batch ended before."
_UNDER_WAY: Final = "Lines of batches that this control process has sent and that are not answered yet."


def exposition(progress: Progress, under_way: int) -> str:
    """Everything, as Prometheus reads it."""
    batches = Family("switchgear_batches", "gauge", _BATCHES, ("status",))
    lines = Family("switchgear_batch_lines", "gauge", _LINES, ("state",))
    sent = Family("switchgear_batch_lines_under_way", "gauge", _UNDER_WAY, ())
    return (
        batches.text(batches.line((status,), number) for status, number in sorted(progress.batches.items()))
        + lines.text(lines.line((state,), number) for state, number in sorted(progress.lines.items()))
        + sent.text([sent.line((), under_way)])
    )
