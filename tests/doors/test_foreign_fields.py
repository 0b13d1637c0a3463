"""A caller's choice of fields is never the upstream's failure: whatever a request holds, it is answered or a 400."""

import json
from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.doors.bounds import Bounds
from tests.doors.fuzzing import VALUES, request, siege
from tests.doors.house import parse, running
from tests.doors.test_fuzz import SHORT
from tests.wire.foreign_fields import FIELDS, PLAIN, requests

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_completions": "/v1/completions",
    "anthropic": "/v1/messages",
}
PAIRS = [(client, upstream) for client in PATHS for upstream in PATHS if client != upstream]


def named_field(client: str, body: bytes) -> tuple[str | None, str]:
    """The code and the field that an error names; Anthropic's shape has neither, so that the message must."""
    error = cast("Mapping[str, str]", json.loads(body)["error"])
    if client == "anthropic":
        return None, error["message"].partition(":")[0]
    return error["code"], error["param"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
async def test_a_field_is_answered_or_refused_before_anything_is_sent(
    client: str, upstream: str, *, stream: bool
) -> None:
    async with running() as house:
        for field, asked in requests(client).items():
            body = {"stream": stream, **asked, "model": f"sim/{upstream}:echo"}
            status, _, answer = parse(
                await house.raw(request(PATHS[client], json.dumps(body).encode(), "connection: close"))
            )
            record = house.journal.records[-1]
            if status == 200:
                assert record.outcome == "ok"
                continue
            assert status == 400, (field, answer)
            assert record.outcome == "refused"
            assert record.error.startswith("unsupported_field: ")
            assert record.attempts == []
            code, named = named_field(client, answer)
            assert code in {"unsupported_field", None}
            assert named


async def test_several_choices_cannot_be_asked_for_through_a_door_that_knows_one() -> None:
    async with running() as house:
        asked = {**PLAIN["anthropic"], "n": 2, "model": "sim/openai_chat:echo"}
        status, _, answer = await house.post("/v1/messages", asked)
        assert status == 400
        assert named_field("anthropic", answer) == (None, "n")


def test_any_value_in_any_field_is_answered_or_refused() -> None:
    with siege(Bounds()) as house:

        @settings(SHORT)
        @given(
            st.sampled_from(PAIRS), st.dictionaries(st.sampled_from(sorted(FIELDS)), VALUES, max_size=2), st.booleans()
        )
        def ask(pair: tuple[str, str], fields: Mapping[str, object], stream: bool) -> None:
            client, upstream = pair
            body = {**PLAIN[client], "stream": stream, **fields, "model": f"sim/{upstream}:echo"}
            (status,) = house.strike([request(PATHS[client], json.dumps(body).encode(), "connection: close")])
            assert status in (200, 400)

        ask()
