"""How long the parts of a finished call took, told from its record."""

from switchgear.kernel.record import Attempt, CallRecord


def winner(record: CallRecord) -> Attempt | None:
    """The attempt whose answer the client got: the last that went well."""
    return next((attempt for attempt in reversed(record.attempts) if attempt.outcome == "ok"), None)


def first_token_seconds(record: CallRecord, attempt: Attempt) -> float | None:
    """From a streamed call's arrival to the first token of its answer; None where none was seen."""
    if not record.stream or not attempt.first_token_ns:
        return None
    # Both moments are of one process' wall clock, which may be set between them.
    before_ns = max(attempt.started_ns - record.started_ns, 0)
    return min(before_ns + attempt.first_token_ns, max(record.duration_ns, attempt.first_token_ns)) / 1e9


def output_seconds(record: CallRecord, attempt: Attempt) -> tuple[float, int] | None:
    """Seconds for each token of a streamed answer behind its first one, and how many these were."""
    tokens = attempt.usage.total_output - 1 if attempt.usage is not None else 0
    if not record.stream or not attempt.first_token_ns or tokens < 1:
        return None
    return max(attempt.duration_ns - attempt.first_token_ns, 0) / tokens / 1e9, tokens


def overhead_seconds(record: CallRecord) -> float:
    """What of a call's time no attempt was under way, pauses between attempts included."""
    if len(record.attempts) == 1:
        return max(record.duration_ns - record.attempts[0].duration_ns, 0) / 1e9
    busy_ns = end_ns = 0
    for attempt in sorted(record.attempts, key=lambda each: each.started_ns):
        # Hedges run beside each other: what overlaps counts once.
        begin_ns = max(attempt.started_ns, end_ns)
        end_ns = max(attempt.started_ns + attempt.duration_ns, end_ns)
        busy_ns += max(end_ns - begin_ns, 0)
    return max(record.duration_ns - busy_ns, 0) / 1e9
