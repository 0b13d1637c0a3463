"""The two recipes of CONTRIBUTING.md are whole files, and they work."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.chat import Chat, ChoiceStop, Completion, Delta, Done, Event, Message, Start, Text, Tool
from switchgear.kernel.dialect import Dialect, StreamOptions
from switchgear.kernel.errors import BadRequest, ConfigError, UnsupportedField, UpstreamGarbled, UpstreamRefused
from switchgear.kernel.upstream import Provider, ProviderSettings
from switchgear.testing.dialect_contract import DialectContract

PAGE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"
STREAM = b'{"text":"Hal"}\n{"text":"lo \xe2\x98\x80"}\n{"finish":"stop"}\n'
OPTIONS = StreamOptions()


def code(heading: str) -> str:
    """The one Python block under ``heading``."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    return blocks[0]


def recipe(heading: str) -> ModuleType:
    """The block under ``heading``, loaded as a module."""
    module = ModuleType(f"recipe_{heading.split()[2]}")
    # msgspec resolves annotations through the module that a class names as its own.
    sys.modules[module.__name__] = module
    exec(compile(code(heading), str(PAGE), "exec"), module.__dict__)
    return module


def provider(settings: ProviderSettings) -> Provider:
    return cast("Provider", recipe("Add a provider in one file").Acme(settings))


PLAIN = cast("Dialect", recipe("Add a dialect in one file").Plain())


def chat(text: str, *, stream: bool = False, max_output_tokens: int | None = None) -> Chat:
    message = Message(role="user", parts=(Text(text=text),))
    return Chat(model="m", messages=(message,), stream=stream, max_output_tokens=max_output_tokens)


def read_all(*pieces: bytes) -> list[Event]:
    reader = PLAIN.events()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.close()


def printed_with(file: str, heading: str, program: str, folder: Path) -> str:
    """What ``program`` prints in a copy of the package that has the block under ``heading`` as one more file."""
    copy = folder / "switchgear"
    shutil.copytree(PAGE.parent / "src" / "switchgear", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / file).write_text(code(heading), encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{folder}:{PAGE.parent}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == ""
    return finished.stdout


def test_the_provider_is_found_once_its_file_is_in_the_folder(tmp_path: Path) -> None:
    told = printed_with("providers/acme.py", "Add a provider in one file", FIND_ACME, tmp_path)
    assert told == "acme https://api.acme.example from the new file\n"


FIND_ACME = """
from switchgear.providers import discover, found_in
[(kind, settings)] = [offer for offer in found_in({"ACME_API_KEY": "k"}, discover()) if offer[0].name == "acme"]
provider = kind.build(settings)
place = "the new file" if type(provider).__module__ == "switchgear.providers.acme" else "elsewhere"
print(provider.name, settings.base_url, "from", place)
"""


def test_the_simulator_answers_in_the_dialect_once_its_file_is_in_the_folder(tmp_path: Path) -> None:
    told = printed_with("wire/plain.py", "Add a dialect in one file", ASK_IN_PLAIN, tmp_path)
    assert told == "switchgear.wire.plain\n200 sim/plain:echo: Say hello.\n200 sim/plain:echo streamed: Say hello.\n"


ASK_IN_PLAIN = """
import asyncio, json
from tests.doors.house import SPOKEN, running
print(type(SPOKEN["plain"]).__module__)
async def ask():
    body = {"model": "sim/plain:echo", "messages": [{"role": "user", "content": "Say hello."}]}
    async with running() as house:
        status, headers, answer = await house.post("/v1/chat/completions", body)
        print(status, headers["x-switchgear-deployment"] + ":", json.loads(answer)["choices"][0]["message"]["content"])
        status, headers, answer = await house.post("/v1/chat/completions", {**body, "stream": True})
        frames = [json.loads(line[6:]) for line in answer.decode().splitlines() if line.startswith("data: {")]
        told = "".join(choice["delta"].get("content") or "" for frame in frames for choice in frame["choices"])
        print(status, "sim/plain:echo streamed:", told)
asyncio.run(ask())
"""


def test_the_provider_says_where_and_how_to_authenticate() -> None:
    acme = provider(ProviderSettings(name="acme", base_url="https://eu.acme.example:8443", api_key="k"))
    target = acme.target("chat", "anthropic", "acme-1")
    assert target is not None
    assert (target.origin.authority, target.path, target.dialect) == ("eu.acme.example:8443", "/v2/talk", "openai_chat")
    assert ("x-acme-key", "k") in target.headers


def test_the_provider_refuses_what_the_vendor_cannot_do() -> None:
    assert provider(ProviderSettings(name="acme", api_key="k")).target("responses", "openai_chat", "acme-1") is None


def test_the_provider_forwards_its_own_header_only() -> None:
    acme = provider(ProviderSettings(name="acme", api_key="k"))
    assert acme.forwarded_headers({b"x-acme-region": b"eu", b"cookie": b"c"}) == (("x-acme-region", "eu"),)


def test_the_provider_without_a_key_says_so() -> None:
    with pytest.raises(ConfigError, match="needs an api_key"):
        provider(ProviderSettings(name="acme"))


@given(st.text(), st.booleans(), st.none() | st.integers(1, 10_000))
def test_a_request_is_read_back_as_it_was_written(text: str, stream: bool, limit: int | None) -> None:
    said = chat(text, stream=stream, max_output_tokens=limit)
    assert PLAIN.read_request(PLAIN.write_request(said)) == said


class TestTheDialect(DialectContract):
    calls_tools = False
    thinks = False
    tells_usage = False

    @pytest.fixture
    def dialect(self) -> Dialect:
        return PLAIN


def test_events_are_written_as_the_stream_they_were_read_from() -> None:
    events = read_all(STREAM)
    assert isinstance(events[0], Start)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "Hallo ☀"
    assert [event for event in events if isinstance(event, ChoiceStop)] == [ChoiceStop(finish="stop")]
    assert events[-1] == Done()
    writer = PLAIN.writer(OPTIONS)
    assert read_all(b"".join(writer.write(event) for event in events)) == events


def test_a_relay_passes_bytes_untouched_and_counts_what_passes() -> None:
    relay = PLAIN.relay(OPTIONS)
    assert relay.forward(STREAM) == STREAM
    assert (relay.tally.content_frames, relay.tally.finish, relay.tally.complete) == (2, "stop", True)


def test_preparing_a_request_changes_the_model_alone() -> None:
    body = b'{"model":"a","prompt":"caf\\u00e9","max_tokens":  7}'
    prepared = PLAIN.prepare(body, "b", stream=False)
    assert b'"model":"b"' in prepared
    assert b'"caf\\u00e9"' in prepared


def test_what_the_dialect_cannot_say_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedField) as caught:
        PLAIN.write_request(Chat(model="m", messages=chat("a").messages, tools=(Tool(name="t"),)))
    assert caught.value.param == "tools"


def test_broken_bytes_are_the_sender_s_fault() -> None:
    with pytest.raises(BadRequest):
        PLAIN.read_request(b"\xff{")
    with pytest.raises(UpstreamGarbled):
        PLAIN.read_reply(b"<html>")
    with pytest.raises(UpstreamRefused):
        PLAIN.read_reply(b'{"error":"busy"}')


def test_an_answer_and_an_error_are_read_back() -> None:
    answer = PLAIN.read_reply(b'{"text":"hi","finish":"length"}')
    assert isinstance(answer, Completion)
    assert PLAIN.read_reply(PLAIN.write_reply(answer)) == answer
    error = PLAIN.read_error(503, PLAIN.write_error(BadRequest("busy"), "r"), 2.0)
    assert (error.message, error.status, error.retry_after_seconds, error.retryable) == ("busy", 503, 2.0, True)
    assert PLAIN.read_error(500, b"<html>", None).message == "the upstream answered 500"
    assert PLAIN.write_failure(BadRequest("busy"), "r").endswith(b"\n")
