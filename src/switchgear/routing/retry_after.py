"""When an upstream says to come back: ``retry-after-ms``, or ``Retry-After`` (RFC 9110 §10.2.3)."""

from switchgear.kernel.reply import Headers


def retry_after_seconds(headers: Headers) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or a number in ``retry-after``; None when neither says one.

    A date is left alone: without the upstream's own clock it is a guess.
    """
    said = dict(headers)
    milliseconds = _number(said.get(b"retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    return _number(said.get(b"retry-after"))


def _number(value: bytes | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
