"""Copies of calls to a second model: made beside the call, recorded as calls of their own, and never returned."""

import asyncio
import logging
from collections import Counter
from typing import Final

from msgspec.structs import replace

from switchgear.kernel.call import Call
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.ids import Ids, RandomBits
from switchgear.kernel.pipeline import Next
from switchgear.kernel.reply import Reply
from switchgear.routing.policy import Shadow

_PRECISION: Final = 53


class Shadows:
    """Makes the copies; ``answer`` is a pipeline that records and routes, without the stages that cost the caller."""

    def __init__(self, answer: Next, ids: Ids, random_bits: RandomBits) -> None:
        self._answer = answer
        self._ids = ids
        self._random_bits = random_bits
        self._under_way: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = logging.getLogger("switchgear.shadow")
        self.left_out = 0
        """Copies not made, because as many were under way as may be."""

    def cast(self, call: Call, shadow: Shadow) -> None:
        """Make a copy of ``call``, if it is among the share that is copied."""
        if call.shadow_of or 100 * self._random_bits(_PRECISION) / (1 << _PRECISION) >= shadow.percent:
            return
        if self._under_way[shadow.to] >= shadow.max_at_once:
            self.left_out += 1
            return
        copy = replace(
            call,
            id=self._ids.new(),
            shadow_of=call.id,
            head=replace(call.head, model=shadow.to),
            attempts=[],
            answer_id="",
            pinned="",
            authenticated_ns=0,
            limited_ns=0,
            waits=(),
        )
        self._under_way[shadow.to] += 1
        task = asyncio.get_running_loop().create_task(self._follow(copy, shadow.to))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Give up the copies that are under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, copy: Call, to: str) -> None:
        """Read the answer to its end, so that the record tells how it ended."""
        try:
            await _read_out(await self._answer(copy))
        except SwitchgearError:
            pass  # the record has it
        except Exception:  # noqa: BLE001 (nobody awaits a copy: a defect must be heard of somewhere)
            self._log.exception("a copy of call %s failed on a defect of the gateway", copy.shadow_of)
        finally:
            self._under_way[to] -= 1


async def _read_out(reply: Reply) -> None:
    try:
        if reply.frames is not None:
            async for _ in reply.frames:
                pass
    finally:
        reply.close()
