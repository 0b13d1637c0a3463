"""The contract of the stage seam: subclass :class:`StageContract` in a test module and give a fixture ``case``.

::

    class TestLimit(StageContract):
        @pytest.fixture
        def case(self) -> StageCase:
            return StageCase(stage=Limit(...), admitted=call(), refused=call_over_the_limit())
"""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from switchgear.kernel.call import Call
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.kernel.pipeline import Next, Stage
from switchgear.kernel.reply import Frame, Reply

_BODY: Final = b"as it came"
_RAW: Final = b"data: as it came\n\n"
_FRAMES: Final = 3


class StageCase(Struct, kw_only=True):
    """A stage, a call that it lets pass, and one that it refuses; both are made anew for each test."""

    stage: Stage
    admitted: Callable[[], Call]
    refused: Callable[[], Call] | None = None
    """None for a stage that refuses nothing by itself."""


class ContractFrames:
    """A streamed body that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False
        self.frames = [Frame(_RAW, lambda _raw: []) for _ in range(_FRAMES)]
        self._left = list(self.frames)

    def __aiter__(self) -> "ContractFrames":
        return self

    async def __anext__(self) -> Frame:
        if self.closed or not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)

    def close(self) -> None:
        self.closed = True


class StageContract:
    """What the pipeline, the doors and the other stages rely on, for every stage that does not read the body."""

    async def test_a_reply_passes_untouched(self, case: StageCase) -> None:
        made = Reply(200, [(b"x-a", b"b")], _BODY)
        reply = await case.stage(case.admitted(), _answering(made))
        assert reply is made
        assert (reply.status, reply.headers, reply.body) == (200, [(b"x-a", b"b")], _BODY)

    async def test_frames_pass_untouched_and_unread(self, case: StageCase) -> None:
        frames = ContractFrames()
        reply = await case.stage(case.admitted(), _answering(Reply(200, [], frames=frames)))
        assert reply.frames is not None
        assert [frame async for frame in reply.frames] == frames.frames

    async def test_closing_the_reply_closes_what_is_under_it(self, case: StageCase) -> None:
        for read_first in (0, 1, _FRAMES):
            frames = ContractFrames()
            reply = await case.stage(case.admitted(), _answering(Reply(200, [], frames=frames)))
            assert reply.frames is not None
            for _ in range(read_first):
                await anext(reply.frames)
            reply.close()
            assert frames.closed

    async def test_the_outcome_reaches_whoever_asked_for_it_inside(self, case: StageCase) -> None:
        told: list[bool] = []
        made = Reply(200, [], frames=ContractFrames())

        def ended(error: SwitchgearError | None, *, cancelled: bool) -> None:
            told.append(cancelled)

        made.on_end(ended)
        reply = await case.stage(case.admitted(), _answering(made))
        reply.close()
        reply.close()
        assert told == [True]

    async def test_an_error_from_below_is_raised_as_it_is(self, case: StageCase) -> None:
        error = UpstreamRefused("no", status=418)
        assert await _raised(case.stage(case.admitted(), _raising(error))) is error

    async def test_a_refusal_is_raised_and_nothing_below_is_asked(self, case: StageCase) -> None:
        if case.refused is None:
            return
        asked: list[Call] = []

        async def below(call: Call) -> Reply:
            asked.append(call)
            return Reply(200, [])

        error = await _raised(case.stage(case.refused(), below))
        assert error is not None
        assert 400 <= error.status < 600
        assert not asked


async def _raised(awaited: Awaitable[Reply]) -> SwitchgearError | None:
    try:
        await awaited
    except SwitchgearError as error:
        return error
    return None


def _answering(reply: Reply) -> Next:
    async def below(call: Call) -> Reply:
        return reply

    return below


def _raising(error: SwitchgearError) -> Next:
    async def below(call: Call) -> Reply:
        raise error

    return below
