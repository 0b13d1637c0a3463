"""Questions about traces to one running gateway."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage
from typing import Final, TypeVar
from urllib.parse import urlencode

from msgspec import DecodeError, json

from switchgear.cli.conversation import Server
from switchgear.cli.settings import ConfigOption, glanced_config
from switchgear.config import read_environment
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import BadRequest, UpstreamGarbled
from switchgear.processes.banner import reachable_url

TRACES: Final = "/api/v1/traces"
_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
Answer = TypeVar("Answer")


class Asking:
    """Questions to one gateway."""

    def __init__(self, url: str | None, key: str | None, config: ConfigOption) -> None:
        """Raises ConfigError."""
        self._url = url or configured_url(config)
        self._server = Server(self._url, key)

    def get(self, path: str, asked: Mapping[str, str], kind: type[Answer]) -> Answer:
        """What the gateway answers. Raises SwitchgearError when it does not."""
        return self._read(path, self.answer("GET", path, asked)[0], kind)

    def delete(self, path: str, asked: Mapping[str, str], kind: type[Answer]) -> Answer:
        """Likewise."""
        return self._read(path, self.answer("DELETE", path, asked)[0], kind)

    def post(self, path: str, body: object, kind: type[Answer]) -> Answer:
        """Likewise, with a body as JSON."""
        return self._read(path, self.answer("POST", path, {}, json.encode(body))[0], kind)

    def answer(
        self, method: str, path: str, asked: Mapping[str, str], body: bytes | None = None
    ) -> tuple[bytes, HTTPMessage]:
        """The bytes of an answer, and its headers. Raises SwitchgearError."""
        query = urlencode({name: value for name, value in asked.items() if value})
        with self._server.request(method, f"{path}?{query}" if query else path, body) as response:
            return response.read(), response.headers

    def _read(self, path: str, answer: bytes, kind: type[Answer]) -> Answer:
        try:
            return json.decode(answer, type=kind)
        except DecodeError as error:
            raise UpstreamGarbled(f"{self._url} answers {path}, but is no gateway of this version: {error}") from None


def configured_url(config: ConfigOption) -> str:
    """Where the gateway of a file answers. Raises ConfigError, and BadRequest where the file does not say it."""
    server = glanced_config(config, read_environment()).server
    if server.port == 0:
        raise BadRequest("the file lets the system choose a port: name the gateway by --url")
    return reachable_url(server.host, server.port)


def moment(text: str, option: str) -> str:
    """As the API takes it: `15m`, `6h` or `2d` before now, or a moment. Raises BadRequest."""
    if not text:
        return ""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        now = datetime.fromtimestamp(SystemClock().wall_ns() // 1_000_000_000, UTC)
        return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{option}: {text!r} is neither `15m`, `6h`, `2d` nor a moment such as 2026-11-27") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).isoformat()
