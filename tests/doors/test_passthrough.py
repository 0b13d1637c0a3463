"""What is passed through: who answers, what goes up, what comes back, and what the record says."""

import json
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from switchgear.config.model import PassThroughEntry, ProviderEntry
from switchgear.kernel.chat import Usage
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import KEY, chat, configured, running, serving
from tests.doors.vendors import FORM, PICTURE, Told, form, vendor


async def test_a_model_of_ones_own_is_renamed_in_json_and_sent_with_the_providers_key() -> None:
    told = Told(b'{"created":1,"data":[],"usage":{"input_tokens":9,"output_tokens":5,"total_tokens":14,'
                b'"input_tokens_details":{"text_tokens":2,"image_tokens":7}}}')  # fmt: skip
    async with (
        ScriptedUpstream(told) as upstream,
        running(providers=vendor(upstream), models={"picture": PICTURE}) as house,
    ):
        status, headers, body = await house.post("/v1/images/generations", b'{"prompt": "a cat",  "model":"picture"}')
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["created"] == 1
    assert told.bodies == [b'{"prompt": "a cat",  "model":"gpt-image-1"}']
    assert told.heads[0].startswith(b"POST /base/v1/images/generations HTTP/1.1\r\n")
    assert b"authorization: Bearer upstream-secret\r\n" in told.heads[0]
    assert KEY.encode() not in told.heads[0]
    (record,) = house.journal.records
    assert (record.operation, record.key, record.model, record.outcome) == ("images", "tester", "picture", "ok")
    (attempt,) = record.attempts
    assert (attempt.deployment, attempt.model, attempt.status) == ("vendor/gpt-image-1", "gpt-image-1", 200)
    assert attempt.usage == Usage(input=2, image_input=7, output=5)


async def test_a_model_is_renamed_in_a_form_and_every_other_byte_stays() -> None:
    told = Told(b"hello\n", b"content-type: text/plain")
    sent = form(("model", "picture"), ("language", "en"))
    async with (
        ScriptedUpstream(told) as upstream,
        running(providers=vendor(upstream), models={"picture": PICTURE}) as house,
    ):
        status, headers, body = await house.post("/v1/audio/transcriptions", sent, **FORM)
    assert (status, headers["content-type"], body) == (200, "text/plain", b"hello\n")
    assert told.bodies == [sent.replace(b"picture", b"gpt-image-1")]
    assert b'content-type: multipart/form-data; boundary="cut here"\r\n' in told.heads[0]


async def test_without_a_model_the_only_provider_of_openais_api_answers_and_the_query_loses_the_key() -> None:
    told = Told(
        b"\x89PNG",
        b"content-type: image/png\r\ncontent-disposition: attachment\r\n"
        b"set-cookie: a=b\r\nx-ratelimit-limit-requests: 9",
    )
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream, query={"version": "7"})) as house:
        status, headers, body = await house.ask(
            "GET",
            f"/v1/files/file%2D1/content?limit=2&key={KEY}&k%65y={KEY}&version=8",
            authorization="",
            cookie="a=b",
            range="bytes=0-3",
        )
    assert (status, headers["content-type"], body) == (200, "image/png", b"\x89PNG")
    assert headers["content-disposition"] == "attachment"
    assert headers["x-ratelimit-limit-requests"] == "9"
    assert "set-cookie" not in headers
    assert told.heads[0].startswith(b"GET /base/v1/files/file-1/content?version=7&limit=2 HTTP/1.1\r\n")
    assert b"range: bytes=0-3\r\n" in told.heads[0]
    assert KEY.encode() not in told.heads[0]
    assert b"cookie" not in told.heads[0]
    assert [(record.operation, record.model) for record in house.journal.records] == [("files", "")]


async def test_where_several_could_answer_the_call_must_say_who() -> None:
    told = Told()
    async with ScriptedUpstream(told) as upstream:
        both = {**vendor(upstream), "other": ProviderEntry(kind="openai_compatible", base_url="http://127.0.0.1:9/v1")}
        async with running(providers=both) as house:
            status, _, body = await house.ask("GET", "/v1/files")
            assert status == 400
            assert b"x-switchgear-provider" in body
            status, *_ = await house.ask("GET", "/v1/files", x_switchgear_provider="vendor")
            assert status == 200
            status, _, body = await house.ask("GET", "/v1/files", x_switchgear_provider="nobody")
            assert (status, json.loads(body)["error"]["code"]) == (400, "operation_not_offered")
        async with serving(replace(configured(both), passthrough_provider="vendor")) as house:
            status, *_ = await house.ask("GET", "/v1/batches")
            assert status == 200


async def test_an_upstreams_refusal_comes_back_word_for_word_and_is_recorded_as_one() -> None:
    told = Told(b'{"error":{"message":"no such file","type":"x","code":"nope","param":null},"more":1}', status=404)
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream)) as house:
        status, _, body = await house.ask("GET", "/v1/files/gone")
    assert (status, json.loads(body)["more"]) == (404, 1)
    (record,) = house.journal.records
    assert (record.status, record.outcome, record.error) == (404, "failed", "nope: no such file")
    assert record.attempts[0].outcome == "failed"


async def test_a_refusal_of_the_gateways_own_key_is_no_clients() -> None:
    told = Told(b'{"error":{"message":"Incorrect API key provided: upst****ret","code":"invalid_api_key"}}', status=401)
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream)) as house:
        status, _, body = await house.ask("GET", "/v1/files")
    assert (status, json.loads(body)["error"]["code"]) == (502, "upstream_auth")
    assert b"upst****" not in body


async def test_an_answer_that_breaks_off_is_broken_off_and_never_finished() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 99\r\n\r\nhalf")

    async with ScriptedUpstream(script) as upstream, running(providers=vendor(upstream)) as house:
        answer = await house.raw(
            f"POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
            "content-length: 2\r\n\r\n{}".encode()
        )
    assert answer.endswith(b"\r\nhalf\r\n")
    (record,) = house.journal.records
    assert (record.operation, record.outcome) == ("audio_speech", "failed")
    assert record.error.startswith("upstream_truncated")


async def test_a_provider_is_called_as_it_is_below_its_name_only_where_the_configuration_opens_it() -> None:
    told = Told(b'{"type":"message_batch","usage":{"input_tokens":3,"output_tokens":1}}')
    async with ScriptedUpstream(told) as upstream:
        entries = vendor(upstream, "anthropic")
        async with running(providers=entries) as house:
            status, *_ = await house.post("/passthrough/vendor/v1/messages/batches?a=%20b", {"requests": []})
            assert status == 200
            status, *_ = await house.post("/passthrough/sim/images/generations", {})
            assert status == 404
            status, *_ = await house.ask("GET", "/passthrough/vendor/../../admin")
            assert status == 400
            status, *_ = await house.ask("GET", "/passthrough/vendor/%2e%2e/admin")
            assert status == 400
    assert told.heads[0].startswith(b"POST /base/v1/messages/batches?a=%20b HTTP/1.1\r\n")
    assert b"x-api-key: upstream-secret\r\n" in told.heads[0]
    assert b"anthropic-version: 2023-06-01\r\n" in told.heads[0]
    assert len(told.heads) == 1
    record = house.journal.records[0]
    assert (record.door, record.operation, record.attempts[0].usage) == (
        "vendor",
        "passthrough",
        Usage(input=3, output=1),
    )


async def test_a_declared_path_leads_to_its_provider_with_every_method() -> None:
    told = Told()
    mounts = (PassThroughEntry(path="/my/vendor/", provider="vendor", upstream_path="/v2/"),)
    async with (
        ScriptedUpstream(told) as upstream,
        serving(replace(configured(vendor(upstream)), passthrough=mounts)) as house,
    ):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            status, *_ = await house.ask(method, "/my/vendor/things/1")
            assert status == 200
        status, *_ = await house.ask("GET", "/my/other/things/1")
        assert status == 404
        status, *_ = await house.ask("OPTIONS", "/my/other/things/1")
        assert status == 404
    assert [head.split(b" HTTP")[0] for head in told.heads] == [
        b"GET /base/v1/v2/things/1",
        b"POST /base/v1/v2/things/1",
        b"PUT /base/v1/v2/things/1",
        b"PATCH /base/v1/v2/things/1",
        b"DELETE /base/v1/v2/things/1",
    ]
    assert {record.operation for record in house.journal.records} == {"passthrough"}


@pytest.mark.parametrize(
    ("answer", "head", "seconds"),
    [
        ({"text": "hi", "usage": {"type": "duration", "seconds": 9}}, b"content-type: application/json", 9.0),
        ({"task": "transcribe", "duration": 8.47, "text": "hi"}, b"content-type: application/json", 8.47),
        ({"duration": "8.470000286102295", "segments": []}, b"content-type: application/json", 8.470000286102295),
        ({"text": "hi"}, b"content-type: application/json", 0.0),
        ({"duration": 8.47}, b"content-type: text/plain", 0.0),
    ],
)
async def test_how_long_a_recording_is_is_recorded_where_the_answer_tells(
    answer: object, head: bytes, seconds: float
) -> None:
    told = Told(json.dumps(answer).encode(), head)
    async with (
        ScriptedUpstream(told) as upstream,
        running(providers=vendor(upstream), models={"picture": PICTURE}) as house,
    ):
        await house.post("/v1/audio/transcriptions", form(("model", "picture")), **FORM)
        await house.post("/v1/moderations", {"model": "picture", "input": "five!"})
    heard, judged = house.journal.records
    assert heard.attempts[0].audio_seconds == seconds
    assert judged.attempts[0].audio_seconds == 0.0
    assert judged.attempts[0].characters == 0


async def test_what_is_spoken_is_recorded_by_its_characters_and_every_answer_by_its_bytes() -> None:
    told = Told(b"\0" * 70_000, b"content-type: audio/mpeg")
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream)) as house:
        await house.post("/v1/audio/speech", {"model": "vendor/tts", "input": "Grüße 😀", "voice": "x"})
        await house.post("/v1/audio/speech", {"model": "vendor/tts"})
    first, second = house.journal.records
    assert first.attempts[0].characters == 7
    assert second.attempts[0].characters == 0
    assert (first.response_bytes, first.outcome) == (70_000, "ok")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("model", ["sim/echo", "sim/anthropic:echo"])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_bytes_of_translated_answers_are_recorded_too(path: str, model: str, stream: bool) -> None:
    async with running() as house:
        _, _, body = await house.post(path, {**chat(model, "hello " * 50), "stream": stream, "max_tokens": 99})
        await house.post(path, chat("sim/error-404"))
    answered, refused = house.journal.records
    assert answered.response_bytes == len(body)
    assert refused.response_bytes == 0


NARROW = {"authorization": f"Bearer {KEY}-narrow"}


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/images/generations", b'{"model":"sim/lorem"}', {}),
        ("/v1/images/generations", b'{"model":"sim/echo","model":"sim/lorem"}', {}),
        ("/v1/images/generations", b'{"mod\\u0065l":"sim/lorem"}', {}),
        ("/v1/images/generations", b"{}", {}),
        ("/v1/images/generations", b'{"model":null}', {}),
        ("/v1/images/generations", b"model=sim%2Florem", {"content-type": "application/x-www-form-urlencoded"}),
        ("/v1/audio/transcriptions", form(("model", "sim/lorem")), FORM),
        ("/v1/batches", b"{}", {}),
    ],
)
async def test_a_key_for_some_models_reaches_no_other_this_way(
    path: str, body: bytes, headers: Mapping[str, str]
) -> None:
    async with running() as house:
        status, *_ = await house.post(path, body, **{**headers, **NARROW})
        assert status == 403
        status, *_ = await house.post("/v1/images/generations", {"model": "sim/echo"}, **NARROW)
        assert status == 200


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=a; boundary=b"])
async def test_a_form_that_cannot_be_read_is_refused(content_type: str) -> None:
    async with running() as house:
        status, *_ = await house.post("/v1/files", form(), **{"content-type": content_type})
    assert status == 400
    assert house.journal.records[0].attempts == []


async def test_a_translation_comes_in_the_format_asked_for() -> None:
    async with running() as house:
        sent = form(("model", "echo"), ("response_format", "text"))
        status, headers, body = await house.post("/v1/audio/translations", sent, **FORM)
    assert (status, headers["content-type"], body) == (
        200,
        "text/plain; charset=utf-8",
        b"The simulator heard 8 bytes.\n",
    )
