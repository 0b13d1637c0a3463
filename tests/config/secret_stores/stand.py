"""A real HTTP server on this machine: what it answers is a function, and what it was asked is kept."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self

import pytest

from switchgear.config.references import BadReference
from switchgear.config.secret_stores import Remembered


class Asked(NamedTuple):
    """One request; names of headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Told(NamedTuple):
    """One answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


Answer = Callable[[Asked], Told]


def told(status: int, body: object, headers: Mapping[str, str] | None = None) -> Told:
    """An answer in JSON."""
    return Told(status, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})})


def always(answer: Told) -> Answer:
    """The same answer to everything."""

    def one(_: Asked) -> Told:
        return answer

    return one


class Stand:
    """Started and stopped by ``with``."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return [one.path for one in self.asked]

    def __enter__(self) -> Self:
        """Listen; at the same port as before when it was stopped."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()
        return self

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _handler(stand: Stand) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            stand.asked.append(asked)
            status, content, extra = stand.answer(asked)
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 (the names that the library looks for)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


def value(environ: Mapping[str, str], reference: str) -> str:
    """What a process with this environment gets for a reference. Raises BadReference."""
    remembered = Remembered(environ)
    remembered.want([reference])
    return remembered.value(reference)


def problem(environ: Mapping[str, str], reference: str, hidden: Sequence[str]) -> str:
    """Why there is no such secret, without the reference; nothing ``hidden`` is told."""
    with pytest.raises(BadReference) as caught:
        value(environ, reference)
    told_us = str(caught.value)
    assert [each for each in hidden if each in told_us] == []
    assert told_us.startswith(f"${{{reference}}}: ")
    return told_us.removeprefix(f"${{{reference}}}: ")
