"""How long answers come to be where a call does not bound them: the 95th percentile of the last ones."""

from collections import OrderedDict, deque
from typing import Final

_KEPT: Final = 64
_ENOUGH: Final = 8
_PERCENTILE: Final = 0.95
_MOST_NAMES: Final = 10_000
UNKNOWN_TOKENS: Final = 1024
"""For the first calls of a key to a model."""


class _Last:
    """The last answers of one key and model."""

    __slots__ = ("_expected", "_fresh", "_tokens")

    def __init__(self) -> None:
        self._expected = UNKNOWN_TOKENS
        self._tokens: deque[int] = deque(maxlen=_KEPT)
        self._fresh = 0
        """How many came since they were looked through."""

    def see(self, output_tokens: int) -> None:
        self._tokens.append(output_tokens)
        self._fresh += 1

    def expected(self) -> int:
        """Calls that say how much they want never ask: only who does pays for the looking through."""
        tokens = self._tokens
        if self._fresh >= _ENOUGH or (self._fresh and _ENOUGH <= len(tokens) < _KEPT):
            self._fresh = 0
            self._expected = sorted(tokens)[round(_PERCENTILE * (len(tokens) - 1))]
        return self._expected


class Learned:
    """Output tokens of the last calls, by key and model; who has not called for long is forgotten.

    They are looked through when somebody asks; once there are many, at every eighth.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], _Last] = OrderedDict()

    def see(self, key: str, model: str, output_tokens: int) -> None:
        """A call has written so many."""
        last = self._last.get((key, model))
        if last is None:
            last = self._last[key, model] = _Last()
            if len(self._last) > _MOST_NAMES:
                self._last.popitem(last=False)
        last.see(output_tokens)

    def expected(self, key: str, model: str) -> int:
        """What the next call will hardly write more than."""
        last = self._last.get((key, model))
        return UNKNOWN_TOKENS if last is None else last.expected()
