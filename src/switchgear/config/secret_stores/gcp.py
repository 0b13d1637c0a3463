"""Google Cloud's Secret Manager: ``${gcp:projects/P/secrets/S/versions/V}``, the latest version where none is named.

See cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access; the payload is checked
against its CRC32C as cloud.google.com/secret-manager/docs/data-integrity asks.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct, field

from switchgear.config.secret_stores.client import Answer, Server
from switchgear.config.secret_stores.gcp_token import GcpTokens
from switchgear.config.secret_stores.store import SecretStore, StoreProblem, decoded
from switchgear.kernel.clock import Clock

_NAME: Final = re.compile(
    r"projects/[a-z0-9:.-]{1,64}(?:/locations/(?P<location>[a-z0-9-]{1,64}))?/secrets/[A-Za-z0-9_-]{1,255}"
    r"(?P<version>/versions/[A-Za-z0-9_-]{1,64})?"
)
_STATUS: Final = re.compile(r"[A-Z_]{1,64}")
_OVERRIDE: Final = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"
_MEANINGS: Final = {
    "FAILED_PRECONDITION": "this version is disabled or destroyed",
    "INTERNAL": "an error of its own",
    "INVALID_ARGUMENT": "the name is not understood",
    "NOT_FOUND": "there is no such secret, or no such version of it",
    "PERMISSION_DENIED": "the account may not read this secret (roles/secretmanager.secretAccessor), or the API is off",
    "RESOURCE_EXHAUSTED": "too many requests",
    "UNAUTHENTICATED": "the token is not accepted",
    "UNAVAILABLE": "it is down",
}
_POLYNOMIAL: Final = 0x82F63B78
"""Castagnoli's, reflected."""


class _Payload(Struct):
    data: str
    data_crc32c: str | int | None = field(name="dataCrc32c", default=None)


class _Version(Struct):
    payload: _Payload


class _Fault(Struct):
    status: str = ""


class _Refusal(Struct):
    error: _Fault


class SecretManager:
    """Secret Manager, as the account that the environment names or the machine's own."""

    options: tuple[str, ...] = ()
    needs_field = False

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._tokens = GcpTokens(environ, clock)
        self._servers: dict[str, Server] = {}

    def read(self, name: str, options: Mapping[str, str]) -> str:
        """The payload of the version ``name``, as text."""
        found = _NAME.fullmatch(name)
        if found is None:
            raise StoreProblem("is no secret of Google Cloud; write projects/P/secrets/S/versions/V")
        server = self._server(found["location"] or "")
        path = name if found["version"] else f"{name}/versions/latest"
        token = self._tokens.current()
        answer = server.ask("GET", f"/v1/{path}:access", {"authorization": f"Bearer {token}"})
        if answer.status == 401:
            self._tokens.forget(token)
        if answer.status != 200:
            raise StoreProblem(f"{server.name} answers {_told(answer)}")
        return _text(decoded(answer.body, _Version, "Google Cloud").payload)

    def _server(self, location: str) -> Server:
        if location not in self._servers:
            host = f"secretmanager.{location}.rep.googleapis.com" if location else "secretmanager.googleapis.com"
            self._servers[location] = Server(self._environ.get(_OVERRIDE, "") or f"https://{host}", _OVERRIDE)
        return self._servers[location]


def crc32c(data: bytes) -> int:
    """The cyclic redundancy check of RFC 3720, appendix B.4."""
    table = [_entry(byte) for byte in range(256)]
    value = 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


def _told(answer: Answer) -> str:
    try:
        status = msgspec.json.decode(answer.body, type=_Refusal).error.status
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        status = ""
    if not _STATUS.fullmatch(status):
        return f"{answer.status}, and no code that is understood"
    meaning = _MEANINGS.get(status)
    return f"{answer.status} {status}{f': {meaning}' if meaning else ''}"


def _text(payload: _Payload) -> str:
    try:
        data = b64decode(payload.data, validate=True)
    except (binascii.Error, ValueError):
        raise StoreProblem("Google Cloud answers a payload that is not in base64") from None
    if payload.data_crc32c is not None and str(payload.data_crc32c) != str(crc32c(data)):
        raise StoreProblem("arrived damaged: its CRC32C is another one than Google Cloud tells")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise StoreProblem("is binary, and no text in UTF-8") from None


if TYPE_CHECKING:
    _: type[SecretStore] = SecretManager
