"""Small signed notes that a browser carries from one step of a login to the next."""

import hashlib
from typing import Final, TypeVar

from itsdangerous import BadSignature, Signer
from msgspec import DecodeError, Struct, json

from switchgear.kernel.clock import Clock

Note = TypeVar("Note", bound=Struct)

_NANOSECONDS: Final = 1_000_000_000


class _Ticket(Struct, frozen=True):
    ends_ns: int
    note: bytes


class Tickets:
    """Writes and reads them; what one purpose was written for, no other reads."""

    def __init__(self, signing_key: bytes, clock: Clock) -> None:
        self._signing_key = signing_key
        self._clock = clock

    def write(self, purpose: str, note: Struct, seconds: int) -> str:
        """``note`` as text that is good for so long."""
        ticket = _Ticket(self._clock.wall_ns() + seconds * _NANOSECONDS, json.encode(note))
        return self._signer(purpose).sign(json.encode(ticket).hex()).decode()

    def read(self, purpose: str, text: str, kind: type[Note]) -> Note | None:
        """The note; None for a forged and for an old one."""
        try:
            ticket = json.decode(bytes.fromhex(self._signer(purpose).unsign(text).decode()), type=_Ticket)
            if ticket.ends_ns <= self._clock.wall_ns():
                return None
            return json.decode(ticket.note, type=kind)
        except (BadSignature, DecodeError, ValueError):
            return None

    def _signer(self, purpose: str) -> Signer:
        return Signer(self._signing_key, salt=f"switchgear {purpose}", digest_method=hashlib.sha256)
