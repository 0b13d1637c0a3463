"""What the gateway remembers of responses: the conversations it keeps itself, and who keeps the others.

A conversation is kept whole under the id of each of its responses: it can go on from any of them, and outlives the
ones before. The virtual key's name is part of the store's key, so nobody ever finds what another key made.
"""

import logging
from typing import Final

from msgspec import DecodeError, Raw, Struct, json

from switchgear.kernel.ports import KeyValue

MAX_CONVERSATION_BYTES: Final = 32 * 1024 * 1024
"""What is larger could not be sent again: no request body may be."""


class Remembered(Struct, omit_defaults=True):
    """One response: either the deployment that keeps it, or all that was said up to it and the response itself."""

    deployment: str = ""
    owed: bool = False
    """The deployment is still at work on it in the background, and its tokens are not on record yet."""
    input: list[Raw] = []
    response: Raw = Raw(b"null")


class ResponseStore:
    """Remembers responses for ``ttl_seconds``; a store that fails is logged, and then nothing is remembered."""

    def __init__(self, state: KeyValue, ttl_seconds: float) -> None:
        self._state = state
        self._ttl_seconds = ttl_seconds
        self._log = logging.getLogger("switchgear.state")

    async def find(self, owner: str, response_id: str) -> Remembered | None:
        """What is remembered of a response for the virtual key ``owner``."""
        try:
            found = await self._state.get(_key(owner, response_id))
            return None if found is None else json.decode(found, type=Remembered)
        except (OSError, DecodeError) as error:
            self._log.warning("the response %s cannot be read from the state: %s", response_id[:100], error)
            return None

    async def keep(self, owner: str, response_id: str, remembered: Remembered) -> bool:
        """Remember a response; whether that succeeded."""
        value = json.encode(remembered)
        if len(value) > MAX_CONVERSATION_BYTES:
            self._log.warning("the response %s is not kept: its conversation is too long", response_id[:100])
            return False
        try:
            await self._state.put(_key(owner, response_id), value, self._ttl_seconds)
        except OSError as error:
            self._log.warning("the response %s cannot be kept: %s", response_id[:100], error)
            return False
        return True

    async def forget(self, owner: str, response_id: str) -> None:
        """Forget a response. Raises OSError when that cannot be done: who deletes must not be told that it was."""
        await self._state.delete(_key(owner, response_id))


def _key(owner: str, response_id: str) -> str:
    return f"response:{owner}:{response_id}"
