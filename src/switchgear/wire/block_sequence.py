"""One block at a time: parts that may be open at once on one side go out strictly one after another on the other.

Many clients of formats with numbered blocks take one block at a time, and some SDKs keep blocks in a list by arrival.
Where parts interleave (parallel tool calls), the first goes out as it comes and the others wait, unless the first
call's arguments are already whole.
"""

from typing import Protocol

from switchgear.kernel.chat import Delta, PartStart, PartStop
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.anthropic_blocks import as_input


class BlockWriter(Protocol):
    """How a dialect says the pieces of a block; indices count from 0 without gaps."""

    def start_block(self, index: int, part: PartStart) -> bytes: ...

    def block_delta(self, index: int, delta: Delta) -> bytes: ...

    def stop_block(self, index: int) -> bytes: ...


class _Block:
    """One part on its way out: its deltas while it waits, the arguments of a call so far."""

    __slots__ = ("arguments", "opening", "stopped", "waiting")

    def __init__(self, opening: PartStart) -> None:
        self.opening = opening
        self.waiting: list[Delta] = []
        self.arguments: list[str] = []
        self.stopped = False

    @property
    def is_whole(self) -> bool:
        """Nothing more can come: a JSON object that is complete cannot go on."""
        return self.stopped or (self.opening.kind == "tool_call" and as_input("".join(self.arguments)) is not None)


class BlockSequence:
    """Puts parts in line. Raises UpstreamGarbled for a second choice, and for more of a part that is not open."""

    __slots__ = ("_blocks", "_closed", "_index", "_writer")

    def __init__(self, writer: BlockWriter) -> None:
        self._writer = writer
        self._blocks: dict[int, _Block] = {}
        """Parts that are open or wait, in order of opening; the first is the one that goes out."""
        self._closed: set[int] = set()
        self._index = 0

    def open(self, part: PartStart) -> bytes:
        check_choice(part.choice)
        written: list[bytes] = []
        while self._blocks and (current := next(iter(self._blocks.values()))).is_whole:
            written.append(self._close(current))
        if not self._blocks:
            written.append(self._writer.start_block(self._index, part))
        self._blocks[part.part] = _Block(part)
        return b"".join(written)

    def delta(self, delta: Delta) -> bytes:
        block = self._blocks.get(delta.part)
        if block is None:
            if delta.part in self._closed and not delta.text.strip():
                return b""
            raise UpstreamGarbled(f"the upstream's stream continues part {delta.part}, which is not open")
        if delta.kind == "arguments":
            block.arguments.append(delta.text)
        if block is next(iter(self._blocks.values())):
            return self._writer.block_delta(self._index, delta)
        block.waiting.append(delta)
        return b""

    def stop(self, stop: PartStop) -> bytes:
        block = self._blocks.get(stop.part)
        if block is None:
            return b""
        block.stopped = True
        written: list[bytes] = []
        while self._blocks and (current := next(iter(self._blocks.values()))).stopped:
            written.append(self._close(current))
        return b"".join(written)

    def flush(self) -> bytes:
        """Stop all that is open or waits: nothing more comes."""
        written: list[bytes] = []
        while self._blocks:
            written.append(self._close(next(iter(self._blocks.values()))))
        return b"".join(written)

    def _close(self, block: _Block) -> bytes:
        """Stop the block that goes out; the next in line starts, with all that it has been waiting to say."""
        part = block.opening.part
        del self._blocks[part]
        self._closed.add(part)
        written = [self._writer.stop_block(self._index)]
        self._index += 1
        following = next(iter(self._blocks.values()), None)
        if following is not None:
            written.append(self._writer.start_block(self._index, following.opening))
            written += [self._writer.block_delta(self._index, delta) for delta in following.waiting]
            following.waiting = []
        return b"".join(written)


def check_choice(choice: int) -> None:
    """Raises UpstreamGarbled for any choice but the first: formats of blocks hold one."""
    if choice:
        raise UpstreamGarbled("the upstream gave several choices where one was asked for")
