"""From a record of the journal to the ledger's rows: one for each attempt, and one for a call that made none.

A row is known by its call and the attempt's number, which are the gateway's own: replaying a record changes nothing,
and what an upstream calls its answer identifies nothing. A call without attempts (refused, or answered from the cache)
has the number 0, so that every record leaves at least one row, and all can be proven against the journal.

What a copy cost (a shadow) is nobody's: its row names no key and no other of the caller's scopes, only what it is a
copy of.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct, json, structs

from switchgear.kernel.chat import Usage
from switchgear.kernel.pricing import Measures
from switchgear.kernel.record import Attempt, CallRecord

DAY_NS: Final = 86_400 * 1_000_000_000
BUCKETS: Final = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
)
MOST_TOKENS: Final = 10**12
MOST_NANO_USD: Final = 10**15
"""A million dollars: no attempt costs more, and sums of thousands that claim to still fit the column."""
_NUL: Final = "\x00"
_NO_USAGE: Final = Usage()
_NO_TAGS: Final = "[]"
_NOBODY: Final = MappingProxyType(
    {
        **dict.fromkeys(("key", "owner", "team", "project", "organisation", "end_user", "session"), ""),
        "tags": _NO_TAGS,
    }
)
_NO_ATTEMPT: Final = Attempt(deployment="", provider="", model="", started_ns=0, cost="void")


class Row(Struct, kw_only=True):
    """One attempt. Names and units are those of the journal's record."""

    call_id: str
    attempt: int
    """From 1 in the order of their beginning; 0 for a call that made none."""
    at_ns: int
    day: int
    """Days since the Unix epoch, in UTC, of ``at_ns``."""
    key: str
    owner: str
    team: str
    project: str
    organisation: str
    end_user: str
    session: str
    tags: str
    """JSON."""
    model: str
    """As the client named it."""
    deployment: str
    provider: str
    upstream_model: str
    operation: str
    door: str
    why: str
    status: int
    outcome: str
    error: str
    """The error's code."""
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    audio_input: int
    audio_output: int
    image_input: int
    usage_state: str
    """``told``, ``estimated``, or ``none``."""
    audio_ms: int
    characters: int
    images: int
    cost_nano_usd: int
    state: str
    reason: str
    lowest_nano_usd: int
    highest_nano_usd: int | None
    bounds: str | None
    """The least and the most that was used, as JSON, where the two are not the same."""
    price: str
    service: str
    upstream_id: str
    shadow_of: str
    gateway: str
    config: str
    duration_ns: int

    def measures(self) -> Measures:
        """What some vendors bill instead of tokens."""
        return Measures(audio_ms=self.audio_ms, characters=self.characters, images=self.images)

    def usage(self) -> Usage:
        """The tokens, in their buckets."""
        return Usage(
            input=self.input,
            cache_read=self.cache_read,
            cache_write_5m=self.cache_write_5m,
            cache_write_1h=self.cache_write_1h,
            output=self.output,
            reasoning=self.reasoning,
            audio_input=self.audio_input,
            audio_output=self.audio_output,
            image_input=self.image_input,
            estimated=self.usage_state == "estimated",
        )


class Bounds(Struct, kw_only=True, omit_defaults=True):
    """Between what an attempt's usage lies."""

    least: Usage | None = None
    most: Usage | None = None


def rows_of(record: CallRecord) -> Iterator[Row]:
    """The rows that a record leaves, in the order of their attempts."""
    if not record.attempts:
        yield _row(record, 0, _NO_ATTEMPT)
    for number, attempt in enumerate(record.attempts, 1):
        yield _row(record, number, attempt)


def _row(record: CallRecord, number: int, attempt: Attempt) -> Row:
    at_ns = attempt.started_ns or record.started_ns
    usage, plausible = _usage(attempt)
    state, reason, cost = _cost(record, attempt, plausible=plausible)
    unsure = state in {"estimated", "unknown"}
    return Row(
        call_id=record.id,
        attempt=number,
        at_ns=at_ns,
        day=at_ns // DAY_NS,
        **(_NOBODY if record.shadow_of else _whose(record)),
        model=_clean(record.model),
        deployment=_clean(attempt.deployment),
        provider=attempt.provider,
        upstream_model=_clean(attempt.model),
        operation=record.operation,
        door=record.door,
        why=attempt.why,
        status=attempt.status if number else record.status,
        outcome=attempt.outcome if number else record.outcome,
        error=_clean((attempt.error if number else record.error).partition(":")[0]),
        input=usage.input,
        cache_read=usage.cache_read,
        cache_write_5m=usage.cache_write_5m,
        cache_write_1h=usage.cache_write_1h,
        output=usage.output,
        reasoning=usage.reasoning,
        audio_input=usage.audio_input,
        audio_output=usage.audio_output,
        image_input=usage.image_input,
        usage_state="none" if attempt.usage is None else "estimated" if usage.estimated else "told",
        audio_ms=_count(round(attempt.audio_seconds * 1000)),
        characters=_count(attempt.characters),
        images=_count(attempt.images),
        cost_nano_usd=cost,
        state=state,
        reason=reason,
        lowest_nano_usd=min(_money(attempt.lowest_nano_usd), cost) if unsure else cost,
        highest_nano_usd=_highest(attempt) if unsure else cost,
        bounds=_bounds(attempt) if unsure else None,
        price=attempt.price,
        service=_clean(attempt.service),
        upstream_id=_clean(attempt.upstream_id),
        shadow_of=record.shadow_of,
        gateway=record.gateway,
        config=record.config,
        duration_ns=attempt.duration_ns if number else record.duration_ns,
    )


def _whose(record: CallRecord) -> Mapping[str, str]:
    return {
        "key": record.key,
        "owner": record.owner,
        "team": record.team,
        "project": record.project,
        "organisation": record.organisation,
        "end_user": _clean(record.user),
        "session": _clean(record.session),
        "tags": json.encode([_clean(tag) for tag in record.tags]).decode() if record.tags else _NO_TAGS,
    }


def _usage(attempt: Attempt) -> tuple[Usage, bool]:
    """Counts that can be summed, and whether they are those of the record: an upstream may tell any."""
    usage = attempt.usage or _NO_USAGE
    counted = usage.total_input + usage.total_output
    fewest = min(structs.astuple(usage))
    if fewest >= 0 and counted <= MOST_TOKENS and 0 <= attempt.cost_nano_usd <= MOST_NANO_USD:
        return usage, True
    return structs.replace(usage, **{bucket: _count(getattr(usage, bucket)) for bucket in BUCKETS}), False


def _cost(record: CallRecord, attempt: Attempt, *, plausible: bool) -> tuple[str, str, int]:
    """State, reason and cost."""
    if attempt is _NO_ATTEMPT:
        return "void", "cached" if record.outcome == "ok" else record.outcome, 0
    if not attempt.cost:
        # Of a gateway from before costs were recorded, or of a call that nobody settles.
        return "unknown", "unpriced", 0
    if not plausible:
        return "unknown", "implausible", 0
    return attempt.cost, attempt.reason, attempt.cost_nano_usd


def _highest(attempt: Attempt) -> int | None:
    return None if attempt.highest_nano_usd is None else _money(attempt.highest_nano_usd)


def _bounds(attempt: Attempt) -> str | None:
    if attempt.least is None and attempt.most is None:
        return None
    return json.encode(Bounds(least=attempt.least, most=attempt.most)).decode()


def _count(number: int) -> int:
    return min(max(number, 0), MOST_TOKENS)


def _money(nano_usd: int) -> int:
    return min(max(nano_usd, 0), MOST_NANO_USD)


def _clean(text: str) -> str:
    """Without what Postgres' text cannot hold."""
    return text.replace(_NUL, "\ufffd") if _NUL in text else text
