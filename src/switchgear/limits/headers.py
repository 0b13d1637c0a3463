"""What clients are told of limits in headers, in their vendor's words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from switchgear.kernel.ports import Standing
from switchgear.limits.model import NANOSECONDS, Period, Quantity, Rule, window_at

Pair = tuple[bytes, bytes]

_MINUTE: Final = 60
_TENTH_NS: Final = NANOSECONDS // 10
_NEVER: Final = 1 << 63
_PARTS: Final = ("limit", "remaining", "reset")


class Vendor(Struct, frozen=True):
    """How a vendor words its headers."""

    names: Mapping[Quantity, Sequence[bytes]]
    """Those for a limit, for what is left of it and for its end, by what it counts."""
    write: Callable[[int, int], tuple[bytes, int]]
    """When a window ends, said at a moment before it, and until when it is said so."""


class _Reset:
    """When the present window of a period ends, as a vendor says it now."""

    __slots__ = ("said",)

    def __init__(self) -> None:
        self.said = b""


class Resets:
    """When present windows end: said once for all calls, for as long as it reads the same."""

    __slots__ = ("_known", "_since_ns", "_until_ns", "vendor")

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self._known: dict[Period, _Reset] = {}
        self._since_ns, self._until_ns = 0, 0

    def of(self, period: Period) -> _Reset:
        """What says it of a period, after each :meth:`bring_to`."""
        self._since_ns = self._until_ns = 0
        return self._known.setdefault(period, _Reset())

    def bring_to(self, now_ns: int) -> None:
        """Let all say what is so at ``now_ns``."""
        if self._since_ns <= now_ns < self._until_ns:
            return
        self._since_ns, self._until_ns = now_ns, _NEVER
        for period, reset in self._known.items():
            window = window_at(period, now_ns, sliding=False)
            reset.said, until_ns = self.vendor.write(window.ends_ns, now_ns)
            self._until_ns = min(self._until_ns, until_ns)


_Row = tuple[int, int, Pair, bytes, bytes, _Reset]
"""A limit's number among those of a call, how much it allows, its header whole, and the names of those for what is left
and for when it ends, with what says that."""


class Headers:
    """What calls that fall under the same limits are told: of each kind the tightest, by the share that is left."""

    __slots__ = ("_resets", "_told")

    def __init__(self, rules: Sequence[Rule | None], resets: Resets) -> None:
        """``rules`` in the order of the calls' limits; None stands for one that clients are not told of."""
        kinds = [list(_rows(kind, rules, resets)) for kind in resets.vendor.names]
        self._told = [rows for rows in kinds if rows]
        self._resets = resets

    def of(self, standings: Sequence[Standing], now_ns: int) -> tuple[Pair, ...]:
        """The headers of a call of ``now_ns`` whose limits stand so."""
        self._resets.bring_to(now_ns)
        headers: list[Pair] = []
        for rows in self._told:
            number, allowed, limit, name, end, reset = rows[0] if len(rows) == 1 else _tightest(rows, standings)
            left = allowed - standings[number].used
            headers += (limit, (name, b"%d" % left if left > 0 else b"0"), (end, reset.said))
        return tuple(headers)


def _rows(kind: Quantity, rules: Sequence[Rule | None], resets: Resets) -> Iterator[_Row]:
    limit, left, end = resets.vendor.names[kind]
    for number, rule in enumerate(rules):
        if rule is not None and rule.quantity == kind and rule.period is not None:
            yield number, rule.limit, (limit, b"%d" % rule.limit), left, end, resets.of(rule.period)


def _tightest(rows: Sequence[_Row], standings: Sequence[Standing]) -> _Row:
    tightest, most = rows[0], -1.0
    for row in rows:
        share = standings[row[0]].used / row[1]
        if share > most:
            tightest, most = row, share
    return tightest


def moment(wall_ns: int) -> str:
    """A moment in words that programs read too."""
    return datetime.fromtimestamp(wall_ns // NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration_until(ends_ns: int, now_ns: int) -> tuple[bytes, int]:
    """As OpenAI writes it: ``1.7s``, ``6m0s``, ``1h30m0s``; rounded up, so that nobody comes too early."""
    tenths = -(-(ends_ns - now_ns) // _TENTH_NS)
    return _duration(tenths), ends_ns - (tenths - 1) * _TENTH_NS


def _moment_of(ends_ns: int, now_ns: int) -> tuple[bytes, int]:
    """As Anthropic writes it; the moment itself does not change."""
    return moment(ends_ns).encode(), ends_ns


def _duration(tenths: int) -> bytes:
    if tenths < 10 * _MINUTE:
        return b"%d.%ds" % divmod(tenths, 10)
    minutes, seconds = divmod(-(-tenths // 10), _MINUTE)
    if minutes < _MINUTE:
        return b"%dm%ds" % (minutes, seconds)
    return b"%dh%dm%ds" % (*divmod(minutes, _MINUTE), seconds)


OPENAI: Final = Vendor(
    {kind: [f"x-ratelimit-{part}-{kind}".encode() for part in _PARTS] for kind in ("requests", "tokens")},
    _duration_until,
)
ANTHROPIC: Final = Vendor(
    {
        kind: [f"anthropic-ratelimit-{kind.replace('_', '-')}-{part}".encode() for part in _PARTS]
        for kind in ("requests", "tokens", "input_tokens", "output_tokens")
    },
    _moment_of,
)
