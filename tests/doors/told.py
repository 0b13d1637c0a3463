"""What a client and the journal are told when a call goes wrong; the same looks at every error."""

import json

import pytest

from switchgear.kernel.record import CallRecord
from tests.doors.house import House, chat

OPENAI = "/v1/chat/completions"
ANTHROPIC = "/v1/messages"


BOTH_DOORS = pytest.mark.parametrize("path", [OPENAI, ANTHROPIC])
OTHERS = {OPENAI: "anthropic:", ANTHROPIC: "openai_chat:"}
"""The simulator's prefix for an upstream of the other dialect."""
EVERY_PAIR = pytest.mark.parametrize(("path", "upstream"), [(path, up) for path in OTHERS for up in ("", OTHERS[path])])


def openai_error(body: bytes) -> dict[str, object]:
    error = json.loads(body)["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["code"] is None or isinstance(error["code"], str)
    return error


def worded(path: str, body: bytes) -> str:
    """What an error says, after a look at whether it has the shape of the door's dialect."""
    if path != ANTHROPIC:
        return str(openai_error(body)["message"])
    told = json.loads(body)
    assert told["type"] == "error"
    assert set(told["error"]) == {"type", "message"}
    assert told["request_id"].startswith("req_")
    return str(told["error"]["message"])


def only_record(house: House, status: int, outcome: str, cause: str) -> CallRecord:
    """The one record of the one call so far, which tells the cause."""
    (record,) = house.journal.records
    assert (record.status, record.outcome) == (status, outcome)
    assert record.error.startswith(cause), record.error
    return record


async def still_alive(house: House) -> None:
    status, _, _ = await house.post(OPENAI, chat())
    assert status == 200
