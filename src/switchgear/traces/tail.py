"""Calls as they end, one line each: what ``switchgear tail`` prints."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from switchgear.kernel.chat import Usage
from switchgear.kernel.money import NanoUsd, format_usd
from switchgear.kernel.record import CallRecord
from switchgear.traces.journal_reader import JournalReader
from switchgear.traces.offsets import Position

_POLL_SECONDS: Final = 0.1


class _Unkept:
    """Offsets of a reader that only looks."""

    def load(self) -> Position:
        return {}

    def commit(self, position: Position) -> None:
        """Nothing is kept."""


def follow(directory: Path, from_start: bool, ended: Callable[[], bool]) -> Iterator[CallRecord]:
    """Every call from now on, or from the oldest that is kept, until ``ended`` says so."""
    reader = JournalReader(directory, _Unkept())
    if not from_start:
        reader.skip_to_end()
    while not ended():
        batch = reader.read_batch()
        if batch is None:
            time.sleep(_POLL_SECONDS)
        else:
            yield from batch.records


def format_line(record: CallRecord) -> str:
    """Time, status, key, door, model → deployment, durations, tokens and cost (``~``: estimated), error."""
    moment = datetime.fromtimestamp(record.started_ns / 1e9, tz=UTC).astimezone()
    attempt = record.attempts[-1] if record.attempts else None
    usage = attempt.usage if attempt is not None else None
    parts = [
        moment.strftime("%H:%M:%S.%f")[:-3],
        str(record.status),
        record.outcome,
        record.key or "-",
        f"{record.door}/{record.operation}",
        _shown(record.model + (f" → {attempt.deployment}" if attempt is not None else "")),
        f"{record.duration_ns / 1e6:.1f} ms",
    ]
    if record.stream and record.first_byte_ns:
        parts.append(f"first byte {record.first_byte_ns / 1e6:.1f} ms")
    if usage is not None:
        parts.append(tokens(usage))
    if cost := costs(record):
        parts.append(cost)
    if record.error:
        parts.append(_shown(record.error))
    return "  ".join(parts)


def tokens(usage: Usage) -> str:
    """Tokens in and out, with ``~`` where they are estimated."""
    mark = "~" if usage.estimated else ""
    return f"{mark}{usage.total_input} in {mark}{usage.total_output} out"


def costs(record: CallRecord) -> str:
    """What the attempts cost together: ``~`` before what is estimated in part, ``+?`` after what is unknown in part."""
    states = {attempt.cost for attempt in record.attempts}
    if not states - {"", "void"}:
        return ""
    if states <= {"", "void", "unknown"}:
        return "$?"
    amount = format_usd(NanoUsd(sum(attempt.cost_nano_usd for attempt in record.attempts)))
    return f"{'~' if 'estimated' in states else ''}{amount}{'+?' if 'unknown' in states else ''}"


def _shown(text: str) -> str:
    """What came from outside, without anything that a terminal would obey."""
    return "".join(character if character.isprintable() else "·" for character in text)
