"""How values are written into answers and stores: JSON, with moments as ISO 8601 in UTC."""

from datetime import UTC, datetime

from msgspec import json


def encoded(value: object) -> bytes:
    """``value`` as JSON."""
    return json.encode(value)


def moment(wall_ns: int) -> str:
    """Nanoseconds since the Unix epoch as ISO 8601, to the microsecond, in UTC."""
    return (
        datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC)
        .replace(microsecond=wall_ns // 1000 % 1_000_000)
        .isoformat()
    )
