"""What clients are told of limits in headers, in their vendor's words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from switchgear.kernel.ports import Standing
from switchgear.limits.model import NANOSECONDS, Quantity, Rule, Window

Pair = tuple[bytes, bytes]
_Row = tuple[int, int, Pair, bytes, Pair]
"""A limit's number among those of a call, how much it allows, its header whole, the name of that for what is left, and
the header for when it ends."""

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


class Headers:
    """What calls that fall under the same limits are told: of each kind the tightest, by the share that is left."""

    __slots__ = ("_limits", "_since_ns", "_told", "_until_ns", "_vendor")

    def __init__(self, vendor: Vendor, rules: Sequence[Rule | None]) -> None:
        """``rules`` in the order of the calls' limits; None stands for one that clients are not told of."""
        numbered = [(number, rule) for number, rule in enumerate(rules) if rule is not None]
        kinds = [[(number, rule) for number, rule in numbered if rule.quantity == kind] for kind in vendor.names]
        self._limits = [kind for kind in kinds if kind]
        self._vendor = vendor
        self._told: Sequence[Sequence[_Row]] = ()
        self._since_ns, self._until_ns = 0, 0
        """For how long ``_told`` stays the same."""

    def of(self, windows: Sequence[Window | None], standings: Sequence[Standing], now_ns: int) -> tuple[Pair, ...]:
        """The headers of a call whose limits stand so, in the windows of ``now_ns``."""
        if not self._since_ns <= now_ns < self._until_ns:
            self._begin(windows, now_ns)
        headers: list[Pair] = []
        for rows in self._told:
            number, allowed, limit, name, reset = rows[0] if len(rows) == 1 else _tightest(rows, standings)
            left = allowed - standings[number].used
            headers += (limit, (name, b"%d" % left if left > 0 else b"0"), reset)
        return tuple(headers)

    def _begin(self, windows: Sequence[Window | None], now_ns: int) -> None:
        ends = {window.ends_ns for window in windows if window is not None}
        resets = {ends_ns: self._vendor.write(ends_ns, now_ns) for ends_ns in ends}
        told = [list(self._rows(kind, windows, resets)) for kind in self._limits]
        self._told = [rows for rows in told if rows]
        self._since_ns, self._until_ns = now_ns, min([until_ns for _, until_ns in resets.values()], default=_NEVER)

    def _rows(
        self,
        kind: Sequence[tuple[int, Rule]],
        windows: Sequence[Window | None],
        resets: Mapping[int, tuple[bytes, int]],
    ) -> Iterator[_Row]:
        for number, rule in kind:
            window = windows[number]
            if window is not None:
                limit, left, reset = self._vendor.names[rule.quantity]
                yield number, rule.limit, (limit, b"%d" % rule.limit), left, (reset, resets[window.ends_ns][0])


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
