"""What is passed through, with the OpenAI SDK as its users use it, against a live server."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from switchgear.kernel.record import CallRecord
from tests.e2e.live import KEY, LiveServer, records

SOUND = ("hello.wav", b"RIFF\0\0\0\0WAVE")


@pytest.fixture
def client(live: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        yield client


def last_record(live: LiveServer, operation: str) -> CallRecord:
    """The latest record of an operation."""
    return [record for record in records(live) if record.operation == operation][-1]


def test_a_picture_is_made_and_its_tokens_are_on_record(live: LiveServer, client: openai.OpenAI) -> None:
    made = client.images.generate(model="echo", prompt="a grey cat", n=2)
    assert made.data is not None
    assert len(made.data) == 2
    assert base64.b64decode(made.data[0].b64_json or "").startswith(b"\x89PNG")
    record = last_record(live, "images")
    assert (record.key, record.model, record.outcome) == ("tester", "echo", "ok")
    assert made.usage is not None
    assert record.attempts[0].usage is not None
    assert record.attempts[0].usage.total_output == made.usage.output_tokens > 0
    assert record.attempts[0].usage.total_input == made.usage.input_tokens == 3


def test_a_picture_is_edited_in_a_form(live: LiveServer, client: openai.OpenAI) -> None:
    client.images.edit(model="sim/echo", image=("a.png", io.BytesIO(b"\x89PNG")), prompt="greyer")
    record = last_record(live, "images")
    assert record.attempts[0].usage is not None
    assert record.attempts[0].usage.image_input > 0


def test_a_picture_is_streamed(client: openai.OpenAI) -> None:
    events = list(client.images.generate(model="echo", prompt="a cat", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]


def test_speech_is_streamed_into_a_file(live: LiveServer, client: openai.OpenAI, tmp_path: Path) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="echo", voice="alloy", input=" ".join(["word"] * 100), response_format="wav"
    ) as spoken:
        assert spoken.headers["content-type"] == "audio/wav"
        spoken.stream_to_file(tmp_path / "spoken.wav")
    sound = (tmp_path / "spoken.wav").read_bytes()
    assert sound.startswith(b"RIFF")
    assert len(sound) == 44 + 100 * 800
    assert last_record(live, "audio_speech").outcome == "ok"


def test_a_recording_is_transcribed_whole_and_streamed(live: LiveServer, client: openai.OpenAI) -> None:
    heard = client.audio.transcriptions.create(model="echo", file=SOUND)
    assert heard.text == f"The simulator heard {len(SOUND[1])} bytes."
    whole = last_record(live, "audio_transcriptions").attempts[0]
    assert whole.model == "echo"
    assert whole.usage is not None
    assert whole.usage.audio_input > 0
    events = list(client.audio.transcriptions.create(model="echo", file=SOUND, stream=True))
    assert events[-1].type == "transcript.text.done"
    assert last_record(live, "audio_transcriptions").attempts[0].usage == whole.usage


def test_a_moderation_judges_each_input(live: LiveServer, client: openai.OpenAI) -> None:
    judged = client.moderations.create(input=["flowers", "violence"])
    assert [result.flagged for result in judged.results] == [False, True]
    assert judged.results[1].categories.violence
    assert last_record(live, "moderations").attempts[0].deployment == "sim"


def test_a_file_is_kept_listed_read_and_deleted(live: LiveServer, client: openai.OpenAI) -> None:
    content = bytes(range(256)) * 100
    made = client.files.create(file=("data.jsonl", content), purpose="batch")
    assert (made.filename, made.bytes, made.purpose) == ("data.jsonl", len(content), "batch")
    assert made.id in [file.id for file in client.files.list()]
    assert client.files.retrieve(made.id).id == made.id
    assert client.files.content(made.id).read() == content
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
    assert last_record(live, "files").outcome == "failed"


def test_a_batch_is_made_and_asked_for(client: openai.OpenAI) -> None:
    file = client.files.create(file=("in.jsonl", b"{}"), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert made.status == "validating"
    assert client.batches.retrieve(made.id).status == "completed"
    assert made.id in [batch.id for batch in client.batches.list()]


def test_a_key_for_some_models_cannot_list_files(live: LiveServer) -> None:
    with (
        openai.OpenAI(base_url=f"{live.url}/v1", api_key=f"{KEY}-narrow", max_retries=0) as narrow,
        pytest.raises(openai.PermissionDeniedError),
    ):
        narrow.files.list()


def test_an_upstreams_refusal_reaches_the_sdk_as_it_is(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="asked for status 503"):
        client.images.generate(model="sim/error-503", prompt="a cat")
