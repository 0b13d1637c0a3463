"""Time-based one-time passwords (RFC 6238): six digits, thirty seconds, and none of them twice."""

import hmac
from typing import Final

from pyotp import random_base32
from pyotp.totp import TOTP

ISSUER: Final = "Switchgear"
STEP_SECONDS: Final = 30
_DRIFT_STEPS: Final = 1
_NANOSECONDS: Final = 1_000_000_000


def new_secret() -> str:
    """160 random bits in base32."""
    return random_base32()


def enrolment_url(secret: str, user: str) -> str:
    """What an authenticator app reads from a QR code."""
    return TOTP(secret).provisioning_uri(name=user, issuer_name=ISSUER)


def accepted_step(secret: str, code: str, now_ns: int, last_step: int) -> int | None:
    """The time step whose code ``code`` is; None for a wrong one, and for a step at or before ``last_step``.

    The step before and the one after the present count too, for clocks that differ.
    """
    digits = code.replace(" ", "")
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return None
    present = now_ns // _NANOSECONDS // STEP_SECONDS
    totp = TOTP(secret)
    found = None
    for step in range(present - _DRIFT_STEPS, present + _DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step), digits) and step > last_step:
            found = step
    return found
