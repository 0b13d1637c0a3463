"""What became of spans that were to go out, by collector, in Prometheus' text format."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from switchgear.traces.families import Family

_NUMBERS: Final = (
    ("switchgear_span_export_sent_total", "counter", "Spans that a collector has taken.", "sent"),
    (
        "switchgear_span_export_dropped_total",
        "counter",
        "Spans that a collector will never have: it refused them, alone or in a partial success.",
        "dropped",
    ),
    (
        "switchgear_span_export_failed_total",
        "counter",
        "Requests that a collector did not take, and that are made again.",
        "failed",
    ),
    ("switchgear_span_export_waiting", "gauge", "Spans of the store that it has not been offered yet.", "waiting"),
    (
        "switchgear_span_export_lag_seconds",
        "gauge",
        "How long ago the oldest span ended that is offered to it in vain; 0 while it takes what it is offered.",
        "lag_seconds",
    ),
    (
        "switchgear_span_export_unsealed",
        "gauge",
        "Spans that are old enough to be sealed, and are not because the collector is still to have them.",
        "unsealed",
    ),
)


class Counted(Struct, kw_only=True):
    """Of one collector."""

    sent: int = 0
    dropped: int = 0
    failed: int = 0
    waiting: int = 0
    lag_seconds: float = 0.0
    unsealed: int = 0


class ExportCounts:
    """Of all collectors of one process."""

    def __init__(self) -> None:
        self._counted: dict[str, Counted] = {}

    def of(self, collector: str) -> Counted:
        """The counts of one, which go on where it is declared anew."""
        return self._counted.setdefault(collector, Counted())

    def hold(self, held: Mapping[str, int]) -> None:
        """How many spans are not sealed because of which collectors; those that are not named hold none."""
        for name in {*self._counted, *held}:
            self.of(name).unsealed = held.get(name, 0)

    def exposition(self) -> str:
        """All of it; nothing where there is no collector."""
        text = ""
        for name, kind, about, field in _NUMBERS if self._counted else ():
            family = Family(name, kind, about, ("collector",))
            found = sorted(self._counted.items())
            text += family.text(family.line((each,), getattr(counted, field)) for each, counted in found)
        return text
