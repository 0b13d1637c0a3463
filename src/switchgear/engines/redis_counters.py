"""Counters in Redis or Valkey: one script, and one round trip, for whatever a call asks of all its limits.

All keys have one hash tag, ``{prefix}``, so that a cluster keeps them together. After it: ``c:`` the windows of
counters, ``h:`` what a reservation holds, ``holds`` when each of them lapses, ``l:`` those that did, ``v:`` those that
ended before they came, ``e:`` entries that were counted, ``gateways`` who is there. What has a time is forgotten by the
server; only what gateways hold stays until one of them asks for anything.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_link import Answer, Word
from switchgear.engines.redis_scripts import COUNT, MEET, RESERVE, SETTLE, STANDINGS
from switchgear.kernel.ports import Claim, Counters, Standing

_MISSED_MS: Final = 10_000
"""A gateway that says nothing for so long is taken for gone."""


class RedisCounters:
    """Counters for all gateways with the same server and ``prefix``.

    Only :meth:`meet` and :meth:`connect` connect; without a connection, all others raise ConnectionError at once.
    """

    def __init__(self, client: RedisClient, prefix: str) -> None:
        self._client = client
        self._prefix = f"{{{prefix}}}"
        self._holds = f"{self._prefix}holds"
        self._gateways = f"{self._prefix}gateways"

    @property
    def ready(self) -> bool:
        """Whether the server would be asked."""
        return self._client.ready

    async def connect(self) -> None:
        """Connect, if need be. Raises OSError."""
        await self._client.open()

    async def meet(self, gateway: str) -> int:
        """Connect, if need be, and say that ``gateway`` is there; how many are. Raises OSError."""
        await self._client.open()
        answer = await self._client.call(MEET, (self._holds, self._gateways), (self._prefix, gateway, _MISSED_MS))
        return answer if isinstance(answer, int) else 1

    async def leave(self, gateway: str) -> None:
        """Say that ``gateway`` is not there any more, and close the connection."""
        try:
            await self._client.run("ZREM", self._gateways, gateway)
        finally:
            await self._client.aclose()

    async def reserve(
        self,
        reservation: str,
        claims: Sequence[Claim],
        ttl_seconds: float,
        amounts: Sequence[int] | None = None,
    ) -> tuple[Standing, ...]:
        prefix = self._prefix
        keys: list[Word] = [self._holds, f"{prefix}h:{reservation}", f"{prefix}v:{reservation}"]
        arguments: list[Word] = [prefix, reservation, round(ttl_seconds * 1e3)]
        self._ask(claims, _amounts(claims) if amounts is None else amounts, keys, arguments)
        return _standings(await self._client.call(RESERVE, keys, arguments))

    async def settle(self, reservation: str, claims: Sequence[Claim] = (), amounts: Sequence[int] = ()) -> None:
        prefix = self._prefix
        keys: list[Word] = [
            self._holds,
            f"{prefix}h:{reservation}",
            f"{prefix}v:{reservation}",
            f"{prefix}l:{reservation}",
        ]
        arguments: list[Word] = [prefix, reservation]
        for claim, amount in zip(claims, amounts, strict=True):
            keys.append(self._window(claim.counter, claim.window))
            arguments += (amount, _keep_ms(claim))
        await self._client.call(SETTLE, keys, arguments)

    async def count(self, entry: str, claims: Sequence[Claim]) -> None:
        keys: list[Word] = [f"{self._prefix}e:{entry}"]
        arguments: list[Word] = []
        for claim in claims:
            keys.append(self._window(claim.counter, claim.window))
            arguments += (claim.amount, _keep_ms(claim))
        await self._client.call(COUNT, keys, arguments)

    async def standings(self, claims: Sequence[Claim]) -> tuple[Standing, ...]:
        keys: list[Word] = [self._holds]
        arguments: list[Word] = [self._prefix]
        self._ask(claims, _amounts(claims), keys, arguments)
        return _standings(await self._client.call(STANDINGS, keys, arguments))

    def _ask(self, claims: Sequence[Claim], amounts: Sequence[int], keys: list[Word], arguments: list[Word]) -> None:
        """Add what a script asks with: the windows first, then those that slide out of sight."""
        keys += [self._window(claim.counter, claim.window) for claim in claims]
        for claim, amount in zip(claims, amounts, strict=True):
            place = 0
            if claim.previous:
                keys.append(self._window(claim.counter, claim.previous))
                place = len(keys)
            arguments += (amount, claim.limit, int(claim.enforced), _keep_ms(claim), claim.previous_parts, place)

    def _window(self, counter: str, window: str) -> str:
        # The length keeps apart what is written without a border between the two.
        return f"{self._prefix}c:{len(counter)}:{counter}{window}"


def _amounts(claims: Sequence[Claim]) -> list[int]:
    return [claim.amount for claim in claims]


def _keep_ms(claim: Claim) -> int:
    return max(1, round(claim.keep_seconds * 1e3)) if claim.window else 0


def _standings(answer: Answer) -> tuple[Standing, ...]:
    told = cast("list[int]", answer)
    return tuple(Standing(told[at], told[at + 1] == 1, told[at + 2]) for at in range(0, len(told), 3))


if TYPE_CHECKING:
    _: type[Counters] = RedisCounters
