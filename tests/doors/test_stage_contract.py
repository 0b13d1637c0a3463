"""The stages of the pipeline keep the contract of the stage seam."""

import pytest

from switchgear.auth.model import KeyRing, VirtualKey, digest_of, key_ring
from switchgear.auth.stage import Authenticate
from switchgear.kernel.call import Call, Head, Snapshot
from switchgear.kernel.clock import FrozenClock
from switchgear.testing.stage_contract import StageCase, StageContract
from switchgear.traces.stage import Record
from switchgear.wire.openai_chat import OpenAIChat
from tests.doors.house import ListJournal

KEY = "sk-sg-0123456789abcdef"


def call_with(key: str) -> Call:
    ring = key_ring([VirtualKey(name="bot", digest=digest_of(KEY))], allow_anonymous_loopback=False)
    return Call(
        id="0" * 32,
        door="openai",
        operation="chat",
        dialect=OpenAIChat(),
        body=b"{}",
        head=Head(model="fast"),
        headers={b"x-api-key": key.encode()},
        snapshot=Snapshot("v", {KeyRing: ring}),
        started_wall_ns=0,
        started_monotonic_ns=0,
        loopback=False,
    )


class FullDisk(ListJournal):
    """A journal that cannot be written."""

    healthy = False


class TestAuthenticate(StageContract):
    @pytest.fixture
    def case(self) -> StageCase:
        return StageCase(
            stage=Authenticate(), admitted=lambda: call_with(KEY), refused=lambda: call_with("sk-sg-nobody")
        )


class TestRecord(StageContract):
    @pytest.fixture
    def case(self) -> StageCase:
        return StageCase(stage=Record(ListJournal(), FrozenClock(), "g0"), admitted=lambda: call_with(KEY))


class TestRecordOnAFullDisk:
    async def test_a_call_is_refused_and_nothing_below_is_asked(self) -> None:
        stage = Record(FullDisk(), FrozenClock(), "g0")
        case = StageCase(stage=stage, admitted=lambda: call_with(KEY), refused=lambda: call_with(KEY))
        await StageContract().test_a_refusal_is_raised_and_nothing_below_is_asked(case)
