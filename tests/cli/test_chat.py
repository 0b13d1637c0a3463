"""`switchgear chat` against a real HTTP server that answers as a gateway does."""

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, cast

import pytest
from msgspec import json
from typer.testing import CliRunner, Result

from switchgear.cli import application
from switchgear.cli.conversation import Conversation, Server
from switchgear.kernel.errors import BadRequest, UpstreamRefused, UpstreamTruncated

KEY: Final = "sk-sg-test"
USAGE: Final = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'
DONE: Final = b"data: [DONE]\n\n"


def piece(text: str) -> bytes:
    return b"data: %b\n\n" % json.encode({"choices": [{"index": 0, "delta": {"content": text}}]})


class Gateway(ThreadingHTTPServer):
    """Answers every question with `answer`, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[dict[str, object]] = []
        self.keys: list[str | None] = []
        self.models: list[str] = ["fast", "sim/echo"]
        self.status = 200
        self.answer = [b": hello\n\n", piece("Hel"), piece("lo"), USAGE, DONE]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._send(200, [json.encode({"object": "list", "data": [{"id": name} for name in self.gateway.models]})])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.gateway.asked.append(json.decode(body, type=dict[str, object]))
        self.gateway.keys.append(self.headers["authorization"])
        self._send(self.gateway.status, self.gateway.answer)

    @property
    def gateway(self) -> Gateway:
        return cast("Gateway", self.server)

    def _send(self, status: int, parts: list[bytes]) -> None:
        self.send_response(status)
        self.end_headers()
        for part in parts:
            self.wfile.write(part)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def chat(gateway: Gateway) -> Callable[..., Result]:
    def run(*arguments: str, typed: str = "", key: str = KEY) -> Result:
        command = ["chat", "--url", gateway.url, *arguments]
        return CliRunner().invoke(application(), command, input=typed, env={"SWITCHGEAR_KEY": key})

    return run


def test_one_question_prints_the_answer_and_what_it_took(gateway: Gateway, chat: Callable[..., Result]) -> None:
    done = chat("sim/echo", "--once", "Hi", "--system", "Be short.")
    assert done.exit_code == 0
    assert done.stdout == "Hello\n"
    assert done.stderr.startswith("[sim/echo: 5 tokens in, 2 out, ")
    assert gateway.asked == [
        {
            "model": "sim/echo",
            "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    assert gateway.keys == [f"Bearer {KEY}"]


def test_the_gateway_is_the_one_at_the_files_address_unless_a_url_names_another(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = f"server: {{port: {gateway.server_port}}}\nproviders: {{sim: {{kind: simulator}}}}\n"
    (tmp_path / "switchgear.yaml").write_text(said)
    (tmp_path / "another.yaml").write_text("server: {port: 0}\nproviders: {sim: {kind: simulator}}\n")
    for named in ((), ("--config", "switchgear.yaml"), ("--config", "another.yaml", "--url", gateway.url)):
        done = CliRunner().invoke(application(), ["chat", "fast", "--once", "Hi", *named])
        assert (done.exit_code, done.stdout) == (0, "Hello\n"), done.stderr
    unknown = CliRunner().invoke(application(), ["chat", "fast", "--once", "Hi", "--config", "another.yaml"])
    assert unknown.exit_code == 1
    assert "name the gateway by --url" in unknown.stderr
    assert len(gateway.asked) == 3


def test_what_is_piped_in_is_one_question_to_the_first_model(gateway: Gateway, chat: Callable[..., Result]) -> None:
    done = chat(typed="two\nlines\n")
    assert done.stdout == "Hello\n"
    assert gateway.asked[0]["model"] == "fast"
    assert gateway.asked[0]["messages"] == [{"role": "user", "content": "two\nlines\n"}]


def test_on_a_terminal_it_goes_on_until_exit(gateway: Gateway) -> None:
    ours, theirs = pty.openpty()
    gateway.answer = [piece("Hello"), DONE]
    program = "from switchgear.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "chat", "fast", "--url", gateway.url],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.write(ours, b"one\n\ntwo\n/exit\n")
        told, noted = process.communicate(timeout=50)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert told.count("Hello\n") == 2
    assert noted.startswith(f"fast at {gateway.url}; /exit ends.\n")
    assert [len(cast("list[object]", asked["messages"])) for asked in gateway.asked] == [1, 3]


def test_an_answer_without_usage_says_so(gateway: Gateway, chat: Callable[..., Result]) -> None:
    gateway.answer = [piece("Hello"), DONE]
    assert "usage unknown" in chat("fast", "--once", "Hi").stderr


def test_a_gateway_that_lists_no_model_asks_for_one(gateway: Gateway, chat: Callable[..., Result]) -> None:
    gateway.models = []
    done = chat("--once", "Hi")
    assert done.exit_code == 1
    assert "lists no model" in done.stderr


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            401,
            b'{"error":{"message":"No valid virtual key was given.","code":"invalid_api_key"}}',
            "401: No valid virtual",
        ),
        (502, b"<html>Bad gateway</html>", "502: <html>Bad gateway</html>"),
        (503, b"", "503: Service Unavailable"),
        (200, b'data: {"error":{"message":"the upstream went away"}}\n\n', "the upstream went away"),
        (200, b"data: {nonsense\n\n", "cannot be understood"),
        (200, piece("Hel"), "ended before it was complete"),
    ],
)
def test_a_failure_is_told_and_ends_with_status_1(
    gateway: Gateway, chat: Callable[..., Result], status: int, body: bytes, told: str
) -> None:
    gateway.status, gateway.answer = status, [body]
    done = chat("fast", "--once", "Hi")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert KEY not in done.stderr


def test_no_gateway_there_is_told_with_the_remedy(gateway: Gateway) -> None:
    gateway.shutdown()
    gateway.server_close()
    done = CliRunner().invoke(application(), ["chat", "--url", gateway.url, "--once", "Hi"])
    assert done.exit_code == 1
    assert "is `switchgear serve` running?" in done.stderr


def test_a_conversation_remembers_what_was_answered_and_forgets_what_failed(gateway: Gateway) -> None:
    conversation = Conversation(Server(f"{gateway.url}/v1", None), "fast")
    assert "".join(conversation.ask("one")) == "Hello"
    gateway.answer = [piece("Hel")]
    with pytest.raises(UpstreamTruncated):
        list(conversation.ask("two"))
    gateway.answer = [DONE]
    assert list(conversation.ask("three")) == []
    said = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "Hello"}]
    assert gateway.asked[2]["messages"] == [*said, {"role": "user", "content": "three"}]
    assert gateway.keys == [None, None, None]


def test_a_refusal_keeps_its_status(gateway: Gateway) -> None:
    gateway.status = 429
    with pytest.raises(UpstreamRefused) as caught:
        Server(gateway.url, None).request("POST", "/v1/chat/completions", b"{}")
    assert caught.value.status == 429


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        Server(url, None).first_model()
