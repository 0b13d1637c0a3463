"""How stores are asked: one plain HTTPS request on a connection of its own, bounded in time and in size.

No redirect is followed and no proxy of the environment is used: whoever answers may see a token, and must be who was
named. Errors tell who did not answer as it should, and never what was sent or answered.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from switchgear.config.secret_stores.store import StoreProblem
from switchgear.kernel.errors import ConfigError
from switchgear.upstream.tls import client_context

MAX_ANSWER_BYTES: Final = 1024 * 1024
ANSWER_SECONDS: Final = 5.0
"""From the connection to the last byte."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS: Final = {"https": 443, "http": 80}
_CHUNK_BYTES: Final = 64 * 1024


class Answer(Struct, frozen=True):
    """What a server answered; its body is never shown."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"


class Server:
    """A server that is asked, one request to a connection; may be used by several threads."""

    def __init__(
        self, url: str, source: str, *, ca_file: str = "", plain: bool = False, seconds: float = ANSWER_SECONDS
    ) -> None:
        """Raises StoreProblem for what is no URL, and for one without TLS to another machine unless ``plain``.

        ``source`` names the setting that ``url`` comes from.
        """
        parts = _split(url, source)
        if parts.scheme == "http" and not plain and parts.hostname not in _LOOPBACK:
            raise StoreProblem(f"{source} must begin with https://: secrets do not travel in clear to another machine")
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self.authority = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self._is_tls = parts.scheme == "https"
        self._ca_file = Path(ca_file) if ca_file else None
        self._seconds = seconds
        self._context: ssl.SSLContext | None = None
        self.name = f"{parts.scheme}://{parts.netloc}"
        """How errors call it."""

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The answer, whatever its status but a redirect. Raises StoreProblem when there is none, or too much of it."""
        cut = threading.Event()
        try:
            with self._connected() as connected:
                # Whoever sends a byte now and then meets no timeout of a socket.
                watch = threading.Timer(self._seconds, _cut, (connected, cut))
                watch.daemon = True
                watch.start()
                try:
                    answer = self._exchange(connected, method, path, headers, body)
                finally:
                    watch.cancel()
        except TimeoutError:
            raise self._silent() from None
        except ssl.SSLCertVerificationError as error:
            raise StoreProblem(f"{self.name}: its certificate is not trusted: {error.verify_message}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if cut.is_set():
                raise self._silent() from None
            raise StoreProblem(f"{self.name} cannot be asked: {_reason(error)}") from None
        if cut.is_set():
            raise self._silent()
        return answer

    def _connected(self) -> socket.socket:
        context = self._tls() if self._is_tls else None
        connected = socket.create_connection((self._host, self._port), self._seconds)
        if context is None:
            return connected
        return context.wrap_socket(connected, server_hostname=self._host, do_handshake_on_connect=False)

    def _exchange(
        self, connected: socket.socket, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        if isinstance(connected, ssl.SSLSocket):
            connected.do_handshake()
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.sock = connected
        connection.request(method, self._prefix + path, body or None, {**headers, "Host": self.authority})
        with connection.getresponse() as response:
            return self._read(response)

    def _silent(self) -> StoreProblem:
        return StoreProblem(f"{self.name} does not answer within {self._seconds:g} s")

    def _read(self, response: http.client.HTTPResponse) -> Answer:
        if 300 <= response.status < 400:
            aim = _split_host(response.headers.get("location", ""))
            raise StoreProblem(f"{self.name} answers {response.status} and sends us to {aim}, which is not followed")
        body = bytearray()
        while chunk := response.read(_CHUNK_BYTES):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise StoreProblem(f"{self.name} answers with more than {MAX_ANSWER_BYTES} bytes")
        if response.length:
            raise StoreProblem(f"{self.name} broke off in the middle of its answer")
        return Answer(response.status, bytes(body), {name.lower(): value for name, value in response.headers.items()})

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                self._context = client_context(self._ca_file)
            except ConfigError as error:
                raise StoreProblem(error.message) from None
        return self._context

    def __repr__(self) -> str:
        return f"Server({self.name})"


def _cut(connected: socket.socket, cut: threading.Event) -> None:
    """End a connection under whoever reads from it."""
    cut.set()
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself


def _split(url: str, source: str) -> SplitResult:
    wrong = StoreProblem(f"{source} is no address such as https://vault.example:8200")
    if not (url.isascii() and url.isprintable() and " " not in url):
        raise wrong
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise wrong from None
    if not usable:
        raise wrong
    if parts.username is not None or parts.password is not None:
        raise StoreProblem(f"{source} must hold no user and no password")
    return parts


def _split_host(location: str) -> str:
    """Whose address it is, in words that fit a message."""
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        host = ""
    return repr(host[:100]) if host else "another path"


def _reason(error: Exception) -> str:
    """Why, in the system's words; an exception of the library may quote what was answered, and gives its name alone."""
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "TLS failed").replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"it does not speak HTTP as it should ({type(error).__name__})"
