"""Access tokens of Google Cloud: of a service account's key file, or of the machine's own account.

See developers.google.com/identity/protocols/oauth2/service-account (a JWT of RFC 7523, signed with RS256) and
cloud.google.com/compute/docs/metadata/overview.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlencode, urlsplit

from msgspec import Struct, json

from switchgear.config.secret_stores.client import Answer, Server
from switchgear.config.secret_stores.files import read_credential
from switchgear.config.secret_stores.lent import Lent
from switchgear.config.secret_stores.store import StoreProblem, decoded
from switchgear.kernel.clock import Clock

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_FILE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_JWT_SECONDS: Final = 3600
_METADATA: Final = "metadata.google.internal"
_METADATA_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"
_NEARBY_SECONDS: Final = 2.0


class _Kind(Struct):
    type: str = ""


class _Account(Struct):
    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)


class _Token(Struct):
    access_token: str
    expires_in: int


class GcpTokens:
    """An access token, kept for two thirds of its life."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._wall_ns = clock.wall_ns
        self._lent = Lent(self._get, clock)

    def current(self) -> str:
        """A token that holds now. Raises StoreProblem."""
        return self._lent.current()

    def forget(self, token: str) -> None:
        """Get another one the next time."""
        self._lent.forget(token)

    def _get(self) -> tuple[str, float]:
        path = self._environ.get(_FILE, "")
        answer, name = self._of_file(path) if path else self._of_machine()
        if answer.status != 200:
            raise StoreProblem(f"{name} gives no access token: {answer.status}")
        token = decoded(answer.body, _Token, "Google Cloud")
        if not (token.access_token.isascii() and token.access_token.isprintable()):
            raise StoreProblem(f"{name} gives a token that no header can carry")
        return token.access_token, float(token.expires_in)

    def _of_file(self, path: str) -> tuple[Answer, str]:
        text = read_credential(path, _FILE)
        kind = decoded(text, _Kind, f"the file {path[:200]!r}").type
        if kind != "service_account":
            raise StoreProblem(f"{_FILE} must name the key file of a service account, not of the type {kind[:40]!r}")
        account = decoded(text, _Account, f"the file {path[:200]!r}")
        parts = urlsplit(account.token_uri)
        server = Server(f"{parts.scheme}://{parts.netloc}", f"token_uri in {path[:200]!r}")
        form = {"grant_type": _GRANT, "assertion": self._assertion(account)}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return server.ask("POST", parts.path or "/", headers, urlencode(form).encode()), server.name

    def _of_machine(self) -> tuple[Answer, str]:
        source = "GCE_METADATA_HOST"
        server = Server(
            f"http://{self._environ.get(source, '') or _METADATA}", source, plain=True, seconds=_NEARBY_SECONDS
        )
        try:
            answer = server.ask("GET", _METADATA_PATH, {"metadata-flavor": "Google"})
        except StoreProblem as problem:
            raise StoreProblem(f"no credentials of Google Cloud: {_FILE} names no key file, and {problem}") from None
        if answer.headers.get("metadata-flavor") != "Google":
            raise StoreProblem(f"{server.name} is not the metadata server of Google Cloud")
        return answer, server.name

    def _assertion(self, account: _Account) -> str:
        now = self._wall_ns() // 1_000_000_000
        head = {"alg": "RS256", "typ": "JWT"}
        if account.private_key_id:
            head["kid"] = account.private_key_id
        claims = {
            "iss": account.client_email,
            "scope": _SCOPE,
            "aud": account.token_uri,
            "iat": now,
            "exp": now + _JWT_SECONDS,
        }
        text = b".".join(_base64(json.encode(part)) for part in (head, claims))
        return b".".join((text, _base64(_signature(account.private_key, text)))).decode()


def _signature(private_key: str, text: bytes) -> bytes:
    # By name, because only a process that signs ever loads the library.
    hashes = import_module("cryptography.hazmat.primitives.hashes")
    padding = import_module("cryptography.hazmat.primitives.asymmetric.padding")
    rsa = import_module("cryptography.hazmat.primitives.asymmetric.rsa")
    serialization = import_module("cryptography.hazmat.primitives.serialization")
    try:
        key = serialization.load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise StoreProblem(f"the private key in the file that {_FILE} names is no RSA key in PEM")
    return cast("RSAPrivateKey", key).sign(text, padding.PKCS1v15(), hashes.SHA256())


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
