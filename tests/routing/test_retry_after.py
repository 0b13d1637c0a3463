"""When an upstream says to come back."""

import pytest

from switchgear.kernel.reply import Headers
from switchgear.routing.retry_after import retry_after_seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([(b"retry-after", b"3")], 3.0),
        ([(b"retry-after", b"0")], 0.0),
        ([(b"retry-after", b"1.5")], 1.5),
        ([(b"retry-after", b" 2 ")], 2.0),
        ([(b"retry-after-ms", b"1730")], 1.73),
        ([(b"retry-after", b"9"), (b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after", b"9"), (b"retry-after-ms", b"soon")], 9.0),
        ([(b"retry-after", b"-1")], None),
        ([(b"retry-after", b"nan")], None),
        ([(b"retry-after", b"inf")], None),
        ([(b"retry-after", b"1e306")], None),
        ([(b"retry-after", b"Wed, 21 Oct 2026 07:28:00 GMT")], None),
        ([(b"retry-after", b"\xff")], None),
    ],
)
def test_a_number_counts_and_anything_else_is_nothing(headers: Headers, seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds
