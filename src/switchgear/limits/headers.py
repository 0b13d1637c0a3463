"""What clients are told of limits in headers, in their vendor's words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from switchgear.kernel.ports import Standing
from switchgear.limits.model import NANOSECONDS, Quantity, Rule, Window

Pair = tuple[bytes, bytes]

_MINUTE: Final = 60
_TENTH_NS: Final = NANOSECONDS // 10
_MOST_RESETS: Final = 16
"""More windows than last at any moment."""
_PARTS: Final = ("limit", "remaining", "reset")
_OPENAI: Final[Mapping[Quantity, Sequence[bytes]]] = {
    kind: [f"x-ratelimit-{part}-{kind}".encode() for part in _PARTS] for kind in ("requests", "tokens")
}
_ANTHROPIC: Final[Mapping[Quantity, Sequence[bytes]]] = {
    kind: [f"anthropic-ratelimit-{kind.replace('_', '-')}-{part}".encode() for part in _PARTS]
    for kind in ("requests", "tokens", "input_tokens", "output_tokens")
}


class Resets:
    """When windows end, as a vendor writes it: written once for as long as it reads the same."""

    __slots__ = ("_known", "_write")

    def __init__(self, write: Callable[[int, int], tuple[bytes, int]]) -> None:
        """``write`` says when a window ends, and until when it would say the same."""
        self._write = write
        self._known: dict[int, tuple[int, int, bytes]] = {}
        """By a window's end: from when and until when it reads so."""

    def of(self, ends_ns: int, now_ns: int) -> bytes:
        """The end of a window at a moment before it."""
        known = self._known.get(ends_ns)
        if known is not None and known[0] <= now_ns < known[1]:
            return known[2]
        if len(self._known) >= _MOST_RESETS:
            self._known.clear()
        written, until_ns = self._write(ends_ns, now_ns)
        self._known[ends_ns] = (now_ns, until_ns, written)
        return written


class Told:
    """Headers of one kind of limits, and which of a call's limits they may tell of."""

    __slots__ = ("_allowed", "_left", "_limits", "_numbers", "_reset", "_resets")

    def __init__(self, names: Sequence[bytes], told: Sequence[tuple[int, Rule]], resets: Resets) -> None:
        """``names`` of the headers for the limit, what is left and when it ends; ``told`` with each limit's number."""
        limit, self._left, self._reset = names
        self._numbers = tuple(number for number, _ in told)
        self._allowed = tuple(rule.limit for _, rule in told)
        self._limits: tuple[Pair, ...] = tuple((limit, b"%d" % allowed) for allowed in self._allowed)
        """Whole: what a limit is does not change."""
        self._resets = resets

    def put(
        self, headers: list[Pair], windows: Sequence[Window | None], standings: Sequence[Standing], now_ns: int
    ) -> None:
        """Add what is told of the tightest of the limits: of which least is left, by its share."""
        numbers = self._numbers
        at = 0 if len(numbers) == 1 else self._tightest(standings)
        window = windows[numbers[at]]
        if window is None:
            return
        left = self._allowed[at] - standings[numbers[at]].used
        headers += (
            self._limits[at],
            (self._left, b"%d" % left if left > 0 else b"0"),
            (self._reset, self._resets.of(window.ends_ns, now_ns)),
        )

    def _tightest(self, standings: Sequence[Standing]) -> int:
        at, most = 0, -1.0
        for place, number in enumerate(self._numbers):
            share = standings[number].used / self._allowed[place]
            if share > most:
                at, most = place, share
        return at


def openai_told(rules: Sequence[Rule | None], resets: Resets) -> tuple[Told, ...]:
    """What OpenAI's clients look for; None stands for a limit that they are not told of."""
    return tuple(_told(_OPENAI, rules, resets))


def anthropic_told(rules: Sequence[Rule | None], resets: Resets) -> tuple[Told, ...]:
    """The same for Anthropic's clients."""
    return tuple(_told(_ANTHROPIC, rules, resets))


def _told(kinds: Mapping[Quantity, Sequence[bytes]], rules: Sequence[Rule | None], resets: Resets) -> Iterator[Told]:
    for kind, names in kinds.items():
        told = [(number, rule) for number, rule in enumerate(rules) if rule is not None and rule.quantity == kind]
        if told:
            yield Told(names, told, resets)


def duration_until(ends_ns: int, now_ns: int) -> tuple[bytes, int]:
    """As OpenAI writes it: ``1.7s``, ``6m0s``, ``1h30m0s``; rounded up, so that nobody comes too early."""
    tenths = -(-(ends_ns - now_ns) // _TENTH_NS)
    return _duration(tenths), ends_ns - (tenths - 1) * _TENTH_NS


def moment_of(ends_ns: int, now_ns: int) -> tuple[bytes, int]:
    """As Anthropic writes it; the moment itself does not change."""
    return moment(ends_ns).encode(), ends_ns


def moment(wall_ns: int) -> str:
    """A moment in words that programs read too."""
    return datetime.fromtimestamp(wall_ns // NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(tenths: int) -> bytes:
    if tenths < 10 * _MINUTE:
        return b"%d.%ds" % divmod(tenths, 10)
    minutes, seconds = divmod(-(-tenths // 10), _MINUTE)
    if minutes < _MINUTE:
        return b"%dm%ds" % (minutes, seconds)
    return b"%dh%dm%ds" % (*divmod(minutes, _MINUTE), seconds)
