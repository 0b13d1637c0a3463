"""When an upstream says to come back: ``retry-after-ms``, or ``Retry-After`` (RFC 9110 §10.2.3)."""

from typing import Final

from switchgear.kernel.reply import Headers

_LONGEST_SECONDS: Final = 30 * 86_400.0
"""Nobody waits longer; a number beyond is a mistake, and some would not even fit a header."""


def retry_after_seconds(headers: Headers) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or a number in ``retry-after``; None when neither says one.

    A date is left alone: without the upstream's own clock it is a guess.
    """
    said = dict(headers)
    milliseconds = _number(said.get(b"retry-after-ms"))
    seconds = milliseconds / 1000 if milliseconds is not None else _number(said.get(b"retry-after"))
    return seconds if seconds is not None and seconds <= _LONGEST_SECONDS else None


def _number(value: bytes | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number >= 0 else None
