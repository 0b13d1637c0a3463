"""A streamed conversation with a running gateway, over the standard library's HTTP client."""

import http.client
import ssl
from collections.abc import Generator, Iterator
from typing import Final, TypeVar
from urllib.parse import urlsplit

from msgspec import DecodeError, Struct, json

from switchgear.kernel.errors import (
    BadRequest,
    SwitchgearError,
    UpstreamGarbled,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from switchgear.wire.sse import FrameSplitter, read_events

Decoded = TypeVar("Decoded")

TIMEOUT_SECONDS: Final = 600.0
_READ_BYTES: Final = 65536
_SHOWN_CHARACTERS: Final = 500


class Said(Struct, frozen=True):
    """One message, in OpenAI's shape."""

    role: str
    content: str


class StreamOptions(Struct, frozen=True):
    include_usage: bool = True


class Question(Struct, frozen=True):
    """The body of a request."""

    model: str
    messages: list[Said]
    stream: bool = True
    stream_options: StreamOptions = StreamOptions()


class TokenUsage(Struct, frozen=True):
    """What the answer took."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Piece(Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None


class Choice(Struct, frozen=True):
    delta: Piece = Piece()


class Fault(Struct, frozen=True):
    message: str = ""


class Chunk(Struct, frozen=True):
    """One event of a stream, or an error's body, as far as it is shown."""

    choices: list[Choice] = []
    usage: TokenUsage | None = None
    error: Fault | None = None
    detail: str = ""
    """The management API's word for what is wrong (RFC 9457)."""


class Listed(Struct, frozen=True):
    id: str


class ModelList(Struct, frozen=True):
    data: list[Listed] = []


class Server:
    """A gateway at ``url``, with or without the path ``/v1``. Raises BadRequest for what is no such address."""

    def __init__(self, url: str, key: str | None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest(f"{url!r} is no address; write http://HOST:PORT")
        self._url = url
        self._parts = parts
        self._path = parts.path.rstrip("/").removesuffix("/v1")
        self._headers = {"content-type": "application/json"}
        if key:
            self._headers["authorization"] = f"Bearer {key}"

    def request(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """The answer to one request. Raises UpstreamUnreachable, or UpstreamRefused for any status but 200 and 201."""
        connection = self._connection()
        try:
            connection.request(method, f"{self._path}{path}", body, self._headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise UpstreamUnreachable(f"no answer from {self._url}: {error}; is `switchgear serve` running?") from error
        if response.status not in {http.HTTPStatus.OK, http.HTTPStatus.CREATED}:
            with response:
                raise UpstreamRefused(_fault(response.read(), response.status), status=response.status)
        return response

    def first_model(self) -> str:
        """The model that the gateway lists first."""
        with self.request("GET", "/v1/models") as response:
            listed = _decode(response.read(), ModelList)
        if not listed.data:
            raise BadRequest("the gateway lists no model; name one: switchgear chat PROVIDER/MODEL")
        return listed.data[0].id

    def _connection(self) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        try:
            port = self._parts.port
        except ValueError:
            raise BadRequest(f"{self._url!r} has no usable port") from None
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)


class Conversation:
    """Questions and answers with one model; each answer is remembered for the next question."""

    def __init__(self, server: Server, model: str, system: str | None = None) -> None:
        self.model = model
        self.usage: TokenUsage | None = None
        """Of the last answer; None when the model told none."""
        self._server = server
        self._messages = [Said("system", system)] if system else []

    def ask(self, text: str) -> Generator[str, None, None]:
        """The pieces of the answer as they come; a question whose answer fails or is cut short is forgotten.

        Raises UpstreamUnreachable, UpstreamRefused, UpstreamGarbled or UpstreamTruncated.
        """
        self.usage = None
        messages = [*self._messages, Said("user", text)]
        body = json.encode(Question(self.model, messages))
        answer: list[str] = []
        with self._server.request("POST", "/v1/chat/completions", body) as response:
            for data in _events(response):
                for piece in self._pieces(data):
                    answer.append(piece)
                    yield piece
        self._messages = [*messages, Said("assistant", "".join(answer))]

    def _pieces(self, data: bytes) -> Iterator[str]:
        chunk = _decode(data, Chunk)
        if chunk.error is not None:
            raise UpstreamRefused(chunk.error.message or "the stream ended with an error", status=http.HTTPStatus.OK)
        self.usage = chunk.usage or self.usage
        for choice in chunk.choices:
            yield choice.delta.content or choice.delta.refusal or ""


def _events(response: http.client.HTTPResponse) -> Iterator[bytes]:
    splitter = FrameSplitter()
    while data := _read(response):
        for _, event in read_events(splitter.feed(data)):
            if event == b"[DONE]":
                return
            yield event
    raise UpstreamTruncated("the answer ended before it was complete")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_READ_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise UpstreamTruncated(f"the answer ended before it was complete: {error}") from error


def _fault(body: bytes, status: int) -> str:
    try:
        told = _decode(body, Chunk)
        said = told.error.message if told.error else told.detail
    except SwitchgearError:
        said = ""
    said = said or body[:_SHOWN_CHARACTERS].decode("utf-8", "replace").strip()
    return f"{status}: {said or http.client.responses.get(status, 'no reason given')}"


def _decode(body: bytes, kind: type[Decoded]) -> Decoded:
    try:
        return json.decode(body, type=kind)
    except (DecodeError, UnicodeDecodeError) as error:
        raise UpstreamGarbled(f"the answer cannot be understood: {error}; is this a Switchgear?") from None
