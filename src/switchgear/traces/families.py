"""Metrics in Prometheus' text format (version 0.0.4), and in OpenMetrics' (1.0.0).

Labels are bounded, for clients make up names: a label has so many values, a family so many series, and what is one too
many is counted as ``other``. How much was folded that way is counted too.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, Literal

MAX_SERIES: Final = 5000
OTHER: Final = "other"
CUT: Final = "switchgear_cut_samples_total"
_CUT: Final = "Samples counted as `other`, by the label or the metric that was full."

Form = Literal["text", "openmetrics"]
CONTENT_TYPES: Final[dict[Form, str]] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}
_COUNTER_HEAD: Final = re.compile(r"^(# (?:HELP|TYPE) \S+)_total(?= )", re.MULTILINE)
_COUNTERS: Final = re.compile(r"^# TYPE (\S+_total) counter$", re.MULTILINE)

Labels = tuple[str, ...]
Exemplar = tuple[str, float, float]
"""A trace's id, the value that was observed, and when, in seconds since 1970."""


class Family:
    """A metric's name, help and label names, and its lines."""

    def __init__(self, name: str, kind: str, about: str, labels: Sequence[str]) -> None:
        self.name = name
        self.kind = kind
        self.about = about
        self.labels = labels

    def text(self, lines: Iterable[str]) -> str:
        """The exposition of the family."""
        return f"# HELP {self.name} {self.about}\n# TYPE {self.name} {self.kind}\n" + "".join(lines)

    def line(self, values: Labels, number: float, suffix: str = "", extra: str = "") -> str:
        """One sample."""
        pairs = [f'{label}="{_escaped(value)}"' for label, value in zip(self.labels, values, strict=True)]
        if extra:
            pairs.append(extra)
        written = str(int(number)) if number == int(number) else repr(number)
        labelled = f"{{{','.join(pairs)}}}" if pairs else ""
        return f"{self.name}{suffix}{labelled} {written}\n"


class Cell:
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Counts(Family):
    """A counter with labels."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        super().__init__(name, "counter", about, labels)
        self._series: dict[Labels, Cell] = {}
        self.folded = 0
        """Samples of series beyond the bound."""

    def add(self, values: Labels, amount: float = 1) -> None:
        """Count; series beyond the bound are folded into ``other``."""
        cell = self._series.get(values)
        if cell is None:
            if len(self._series) >= MAX_SERIES:
                values = (OTHER,) * len(values)
                self.folded += 1
            cell = self._series.setdefault(values, Cell())
        cell.value += amount

    def known(self, values: Labels) -> Cell:
        """The series of these labels. Raises KeyError where nothing was counted."""
        return self._series[values]

    def items(self) -> Iterable[tuple[Labels, float]]:
        """Every series with its value."""
        # A copy: who scrapes does so on a thread of its own, while new series may begin.
        return ((values, cell.value) for values, cell in self._series.copy().items())

    def take(self, other: "Counts") -> None:
        """Count all that another one has counted."""
        for values, number in other.items():
            self.add(values, number)

    def render(self, *, exemplars: bool = False) -> str:
        """The exposition."""
        return self.text(self.line(values, number) for values, number in self.items())


class Row:
    """One series of a histogram."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}

    def observe(self, value: float, times: int = 1) -> int:
        """Count a value, or the same one several times; the place of its bucket."""
        at = bisect_left(self.bounds, value)
        self.counts[at] += times
        self.total += value * times
        return at

    def put(self, at: int, value: float) -> None:
        """Count one value, in the bucket at this place."""
        self.counts[at] += 1
        self.total += value


class Histogram(Family):
    """A histogram with labels and fixed bounds."""

    def __init__(self, name: str, about: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        super().__init__(name, "histogram", about, labels)
        self._bounds = bounds
        self._written = [*(f'le="{float(bound)!r}"' for bound in bounds), 'le="+Inf"']
        self._series: dict[Labels, Row] = {}
        self.folded = 0
        """Samples of series beyond the bound."""

    def observe(self, values: Labels, value: float, trace: tuple[str, float] | None = None, times: int = 1) -> None:
        """Count one value, or the same one several times; ``trace`` is the id and the time of a call that had it."""
        row = self._series.get(values)
        if row is None:
            if len(self._series) >= MAX_SERIES:
                values = (OTHER,) * len(values)
                self.folded += 1
            row = self._series.setdefault(values, Row(self._bounds))
        at = row.observe(value, times)
        if trace is not None:
            row.exemplars[at] = (trace[0], value, trace[1])

    def known(self, values: Labels) -> Row:
        """The series of these labels. Raises KeyError where nothing was observed."""
        return self._series[values]

    def render(self, *, exemplars: bool = False) -> str:
        """The exposition: cumulative buckets, sum and count."""
        series = self._series.copy()
        return self.text(line for values, row in series.items() for line in self._lines(values, row, exemplars))

    def _lines(self, values: Labels, row: Row, exemplars: bool) -> Iterable[str]:
        total = 0
        for at, written in enumerate(self._written):
            total += row.counts[at]
            line = self.line(values, total, "_bucket", written)
            found = row.exemplars.get(at) if exemplars else None
            if found is not None:
                trace, value, seconds = found
                line = f'{line[:-1]} # {{trace_id="{trace}"}} {value!r} {seconds:.3f}\n'
            yield line
        yield self.line(values, row.total, "_sum")
        yield self.line(values, total, "_count")


class Names:
    """The values of one label: the first so many under their own names, all others as ``other``."""

    def __init__(self, label: str, most: int, cut: Counts) -> None:
        self._label = (label,)
        self._most = most
        self._cut = cut
        self._known: set[str] = set()

    def __contains__(self, value: str) -> bool:
        return value in self._known

    def of(self, value: str) -> str:
        """What ``value`` is counted under."""
        if value in self._known:
            return value
        if len(self._known) >= self._most:
            self._cut.add(self._label)
            return OTHER
        self._known.add(value)
        return value


def cut_counts() -> Counts:
    """What counts samples that were folded."""
    return Counts(CUT, _CUT, ("full",))


def wanted_form(accept: str) -> Form:
    """The form that a scraper asks for by its ``accept``; OpenMetrics only where it is named."""
    return "openmetrics" if "application/openmetrics-text" in accept else "text"


def as_openmetrics(text: str) -> str:
    """A whole exposition in OpenMetrics' form: its counters are named without ``_total``, and it has an end."""
    counters = set(_COUNTERS.findall(text))

    def head(match: re.Match[str]) -> str:
        name = match[1].split(" ")[2]
        return match[1] if f"{name}_total" in counters else match[0]

    return _COUNTER_HEAD.sub(head, text) + "# EOF\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
