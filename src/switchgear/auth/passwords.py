"""Passwords: argon2id (RFC 9106), and the same work for a person whom nobody knows."""

import asyncio
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from switchgear.kernel.errors import BadRequest

MIN_CHARACTERS: Final = 12
MAX_BYTES: Final = 1024
"""Longer ones are refused rather than hashed for seconds."""
_AT_ONCE: Final = 2
"""Each takes 64 MiB: a flood of logins waits in line instead of filling the memory."""


class Passwords:
    """Makes and checks hashes, off the loop and a few at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """What is kept of ``password``. Raises BadRequest for one that is too short or too long."""
        if len(password) < MIN_CHARACTERS:
            raise BadRequest(f"a password has at least {MIN_CHARACTERS} characters", param="password")
        if len(password.encode()) > MAX_BYTES:
            raise BadRequest(f"a password has at most {MAX_BYTES} bytes", param="password")
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, kept: str | None) -> bool:
        """Whether ``password`` is the one that ``kept`` was made of; never for None, after the same work."""
        if len(password.encode()) > MAX_BYTES:
            password = ""
        async with self._room:
            found = await asyncio.to_thread(self._verify, kept, password)
        return found and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("a password that nobody has")

    def _verify(self, kept: str | None, password: str) -> bool:
        # Made at the first login, whoever's it is: how long that one takes must not tell whether the person is known.
        nobody = self._nobody
        try:
            return self._hasher.verify(kept or nobody, password)
        except (VerificationError, InvalidHashError):
            return False
