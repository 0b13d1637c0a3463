"""The findings as plain tables, and the bars that the gateway has to clear."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bench.findings import Findings, added_to_streams_us, added_us, middle, points_at, ratio
from bench.scenarios import CHUNK_INTERVAL_US, CHUNKS, PACED_STREAMS_PER_SECOND, RatePoint, Saturation

GATEWAY = "switchgear"
YARDSTICK = "nginx"
CALIBRATION = "direct"
BUSY_PERCENT = 85.0

Row = Sequence[str]


def table(title: str, header: Row, rows: Iterable[Row]) -> str:
    """Columns as wide as they need, the first to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    shown = [
        "  ".join(_aligned(cell, width, first=i == 0) for i, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    return "\n".join([title, shown[0], "-" * len(shown[0]), *shown[1:], ""])


def _aligned(cell: str, width: int, *, first: bool) -> str:
    return cell.ljust(width) if first else cell.rjust(width)


def number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def whole_report(findings: Findings) -> str:
    """Everything a reader needs, top to bottom: conditions, scenarios, bars, and what is missing and why."""
    parts = [
        "\n".join(f"{name}: {value}" for name, value in findings.conditions.items()) + "\n",
        saturation_table(findings),
        rates_table(findings),
        streams_table(findings),
        memory_table(findings),
        starts_table(findings),
        bars_table(findings),
    ]
    for what, reasons in (("Not measured", findings.unavailable), ("Broke off", findings.broken)):
        parts.extend(f"{what}: {name}: {reason}" for name, reason in reasons.items())
    return "\n".join(part for part in parts if part)


def saturation_table(findings: Findings) -> str:
    rows: list[Row] = []
    for name, records in findings.saturation.items():
        of_yardstick = ratio(findings, name, YARDSTICK)
        rows.append(
            [
                name,
                number(middle(records, lambda r: r.rps)),
                number(of_yardstick, 3),
                number(middle(records, lambda r: r.cpu_percent)),
                number(middle(records, lambda r: r.cpu_us_per_request), 1),
                number(middle(records, lambda r: r.p50_us)),
                number(middle(records, lambda r: r.p99_us)),
                number(sum(record.errors for record in records)),
                "" if name == CALIBRATION else _who_was_the_limit(records),
            ]
        )
    header = ["subject", "rps", f"x {YARDSTICK}", "CPU %", "CPU us/req", "p50 us", "p99 us", "errors", "remark"]
    return table("Saturation: 32 connections, 1.2 KB chat", header, rows) if rows else ""


def _who_was_the_limit(records: Sequence[Saturation]) -> str:
    """Saturation means that the subject was busy; where it was not, the number says nothing about it."""
    if any(record.generator_bound for record in records):
        return "the generator was the limit"
    return "the subject was not busy" if any(record.cpu_percent < BUSY_PERCENT for record in records) else ""


def rates_table(findings: Findings) -> str:
    rows = [
        _rate_row(findings, name, rate)
        for name, rounds in findings.rates.items()
        for rate in sorted({point.rate for points in rounds for point in points})
    ]
    header = [
        "subject",
        "rate",
        "achieved",
        "p50 us",
        "p99 us",
        "p50 +direct",
        "p99 +direct",
        f"p50 +{YARDSTICK}",
        "verdict",
    ]
    return table("Fixed rates: latency from the intended time of sending (open loop)", header, rows) if rows else ""


def _rate_row(findings: Findings, name: str, rate: float) -> Row:
    mine = points_at(findings, name, rate)
    found = [point for point in mine if point is not None]
    direct, yardstick = points_at(findings, CALIBRATION, rate), points_at(findings, YARDSTICK, rate)
    failures = sum(point.failed for point in found)
    late = any(point.generator_late for point in found)
    verdict = f"FAILS ({failures} of {len(found)})" if failures else "holds"
    return [
        name,
        number(rate),
        number(middle(found, lambda p: p.achieved)),
        number(middle(found, lambda p: p.p50_us)),
        number(middle(found, lambda p: p.p99_us)),
        number(added_us(mine, direct, lambda p: p.p50_us)),
        number(added_us(mine, direct, lambda p: p.p99_us)),
        number(added_us(mine, yardstick, lambda p: p.p50_us)),
        verdict + (", generator late" if late else ""),
    ]


def streams_table(findings: Findings) -> str:
    rows = [
        [
            name,
            number(middle(records, lambda r: r.cpu_us_per_stream)),
            number(middle(records, lambda r: r.cpu_us_per_short_stream)),
            number(middle(records, lambda r: r.cpu_us_per_chunk), 1),
            number(middle(records, lambda r: r.first_chunk_p50_us)),
            number(middle(records, lambda r: r.first_chunk_p99_us)),
            number(middle(records, lambda r: r.chunk_lag_p50_us)),
            number(middle(records, lambda r: r.chunk_lag_p99_us)),
            number(middle(records, lambda r: r.streams_per_second)),
            number(sum(record.errors for record in records)),
        ]
        for name, records in findings.streams.items()
    ]
    header = [
        "subject",
        f"CPU us/{CHUNKS}",
        "CPU us/1",
        "CPU us/chunk",
        "first p50 us",
        "first p99",
        "lag p50 us",
        "lag p99",
        "max streams/s",
        "errors",
    ]
    pace = f"{PACED_STREAMS_PER_SECOND:.0f} streams/s of {CHUNKS} chunks, {CHUNK_INTERVAL_US / 1000:.0f} ms apart"
    return table(f"Streams: {pace}; then 32 connections flat out", header, rows) if rows else ""


def memory_table(findings: Findings) -> str:
    rows = [
        [
            name,
            number(record.opened),
            number(record.rss_before_kb / 1024, 1),
            number(record.rss_open_kb / 1024, 1),
            number(record.rss_after_kb / 1024, 1),
            number(record.kb_per_stream, 1),
            number(record.left_open),
        ]
        for name, records in findings.memory.items()
        for record in records
    ]
    header = ["subject", "open", "RSS MB before", "open", "after", "KB/stream", "left open"]
    return table("Memory: streams held open, then all clients leave", header, rows) if rows else ""


def starts_table(findings: Findings) -> str:
    rows = [
        [name, number(middle(seconds, lambda s: s), 2), number(max(seconds), 2), number(len(seconds))]
        for name, seconds in findings.first_answer_seconds.items()
    ]
    return (
        table("Seconds from exec to the first answer", ["subject", "median", "worst", "starts"], rows) if rows else ""
    )


class Bar(NamedTuple):
    """What is wanted, and what was found; nothing where it was not measured."""

    what: str
    limit: float
    found: float | None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.found is None:
            return "not measured"
        cleared = self.found >= self.limit if self.at_least else self.found <= self.limit
        return "pass" if cleared else "MISSED"


def verdicts(title: str, bars: Sequence[Bar]) -> str:
    """The bars as a table."""
    rows = [
        [bar.what, f"{'>=' if bar.at_least else '<='} {bar.limit:g}", number(bar.found, 2), bar.verdict] for bar in bars
    ]
    return table(title, ["bar", "wanted", "found", "verdict"], rows)


def bars_table(findings: Findings) -> str:
    """The bars of the gateway; one that was not measured is said to be so."""
    return verdicts("Bars for " + GATEWAY, _bars(findings))


def _bars(findings: Findings) -> list[Bar]:
    streams, memory = findings.streams.get(GATEWAY, []), findings.memory.get(GATEWAY, [])
    return [
        Bar(f"throughput, {YARDSTICK} ratio", 0.22, ratio(findings, GATEWAY, YARDSTICK), at_least=True),
        Bar("CPU us per relayed chunk", 20, middle(streams, lambda r: r.cpu_us_per_chunk)),
        Bar("p50 ms added at 500 rps", 0.5, _added_ms(findings, 500, CALIBRATION, lambda p: p.p50_us)),
        Bar("p99 ms added at 500 rps", 2, _added_ms(findings, 500, CALIBRATION, lambda p: p.p99_us)),
        Bar(
            "p50 ms added to the first chunk",
            0.5,
            _in_ms(added_to_streams_us(findings, GATEWAY, CALIBRATION, lambda r: r.first_chunk_p50_us)),
        ),
        Bar(
            "p99 ms added to the first chunk",
            2,
            _in_ms(added_to_streams_us(findings, GATEWAY, CALIBRATION, lambda r: r.first_chunk_p99_us)),
        ),
        Bar(
            "p50 ms added to every chunk",
            0.5,
            _in_ms(added_to_streams_us(findings, GATEWAY, CALIBRATION, lambda r: r.chunk_lag_p50_us)),
        ),
        Bar(
            "p99 ms added to every chunk",
            2,
            _in_ms(added_to_streams_us(findings, GATEWAY, CALIBRATION, lambda r: r.chunk_lag_p99_us)),
        ),
        Bar(f"p50 ms over {YARDSTICK} at 200 rps", 0.3, _added_ms(findings, 200, YARDSTICK, lambda p: p.p50_us)),
        Bar(f"p50 ms over {YARDSTICK} at 500 rps", 0.3, _added_ms(findings, 500, YARDSTICK, lambda p: p.p50_us)),
        Bar("KB of RSS per open stream", 40, middle(memory, lambda r: r.kb_per_stream)),
        Bar("upstream streams left open", 0, middle(memory, lambda r: r.left_open)),
        Bar("seconds to import the gateway", 0.5, findings.import_seconds),
        Bar(
            "seconds from serve to first answer", 2, middle(findings.first_answer_seconds.get(GATEWAY, []), lambda s: s)
        ),
    ]


def _added_ms(findings: Findings, rate: float, baseline: str, value: Callable[[RatePoint], float]) -> float | None:
    return _in_ms(added_us(points_at(findings, GATEWAY, rate), points_at(findings, baseline, rate), value))


def _in_ms(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1000
