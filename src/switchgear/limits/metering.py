"""Streams whose length nobody bounded: what is held grows with them, and a limit that is reached cuts them off."""

from typing import Final, Protocol

from msgspec import structs

from switchgear.kernel.call import Call
from switchgear.kernel.chat import Delta
from switchgear.kernel.errors import QuotaExceeded
from switchgear.kernel.estimate import estimate_output_tokens
from switchgear.kernel.ports import Claim, Counters
from switchgear.kernel.pricing import PICO_PER_NANO
from switchgear.kernel.reply import Frame, Frames, Reply
from switchgear.limits.lines import Lines
from switchgear.limits.model import WRITTEN, Amounts, amounts_of

STEP_TOKENS: Final = 256
"""What is reserved more at a time."""


class Holding(Protocol):
    """What is held for one call."""

    @property
    def lines(self) -> Lines: ...

    @property
    def claims(self) -> tuple[Claim, ...]: ...

    @property
    def expected(self) -> Amounts: ...


class Meter:
    """Counts the tokens of one stream and reserves for them ahead."""

    __slots__ = ("_bytes", "_call", "_counters", "_frames", "_held", "_hold_seconds", "_reserved_tokens")

    def __init__(self, counters: Counters, call: Call, held: Holding, hold_seconds: float) -> None:
        self._counters = counters
        self._call = call
        self._held = held
        self._hold_seconds = hold_seconds
        self._reserved_tokens = held.expected[WRITTEN]
        self._frames = 0
        self._bytes = 0

    async def see(self, frame: Frame) -> None:
        """Count a frame before it goes out. Raises QuotaExceeded when a limit does not hold it."""
        for event in frame.events():
            if isinstance(event, Delta) and event.text:
                self._frames += 1
                self._bytes += len(event.text.encode())
        while estimate_output_tokens(self._frames, self._bytes) > self._reserved_tokens:
            await self._grow()

    async def _grow(self) -> None:
        lines = self._held.lines
        more = amounts_of(0, STEP_TOKENS, -(-STEP_TOKENS * lines.reach.of_any_service.output // PICO_PER_NANO))
        grown = [
            (each, structs.replace(claim, amount=more[place]))
            for each, claim, place in zip(lines.counted, self._held.claims, lines.places, strict=True)
            if each.grows
        ]
        claims = tuple(claim for _, claim in grown)
        standings = await self._counters.reserve(self._call.id, claims, self._hold_seconds)
        for (counted, _), standing in zip(grown, standings, strict=True):
            if counted.enforced and not standing.fits:
                name = counted.rule.name
                self._call.findings += (f"limit {name}: cut off",)
                raise QuotaExceeded(f"limit {name!r} is reached: the answer is cut off here")
        self._reserved_tokens += STEP_TOKENS


class Metered:
    """The frames of a stream, each counted before it goes out."""

    __slots__ = ("_frames", "_meter", "_reply")

    def __init__(self, frames: Frames, reply: Reply, meter: Meter) -> None:
        self._frames = frames
        self._reply = reply
        self._meter = meter

    def __aiter__(self) -> "Metered":
        return self

    async def __anext__(self) -> Frame:
        frame = await self._frames.__anext__()
        if not self._reply.settled:
            try:
                await self._meter.see(frame)
            except QuotaExceeded as error:
                self._reply.cut = error
                self._frames.close()
                raise
        return frame

    def close(self) -> None:
        self._frames.close()
