"""The wire of Google Cloud's Secret Manager, of its token endpoint and of a machine's metadata server.

The token endpoint verifies the assertion with the account's public key, as RFC 7523 asks.
"""

import base64
import json
from pathlib import Path
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.config.secret_stores.stand import Asked, Stand, Told, told

ACCOUNT = "switchgear@project.iam.gserviceaccount.com"
TOKENS = ("ya29.of-the-account", "ya29.of-the-machine")
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class FakeGcp(Stand):
    """``versions`` holds payloads by the full name of the version, ``checksums`` what is told of them."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        super().__init__(self._serve)
        self.versions: dict[str, bytes] = {}
        self.checksums: dict[str, str | None] = {}
        self.refusal: tuple[int, str] | None = None
        self.garbled: Told | None = None
        self.key = key
        self.claims: dict[str, object] = {}

    def account_file(self, directory: Path) -> Path:
        """A key file as the console gives it out."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = directory / "account.json"
        facts = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "key-1",
            "private_key": pem.decode(),
            "client_email": ACCOUNT,
            "token_uri": f"{self.url}/token",
        }
        path.write_text(json.dumps(facts))
        return path

    def environ(self, directory: Path) -> dict[str, str]:
        """The account's, and where this is."""
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.account_file(directory)),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"{self.url}/",
        }

    def _serve(self, asked: Asked) -> Told:
        if asked.path == "/token":
            return self._token(asked)
        if asked.path.startswith("/computeMetadata/"):
            if asked.headers.get("metadata-flavor") != "Google":
                return Told(403)
            return told(200, {"access_token": TOKENS[1], "expires_in": 3599}, {"Metadata-Flavor": "Google"})
        if asked.headers.get("authorization") not in {f"Bearer {token}" for token in TOKENS}:
            return told(401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no"}})
        return self._access(asked.path.removeprefix("/v1/"))

    def _token(self, asked: Asked) -> Told:
        form = parse_qs(asked.body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        head, claims, signature = form["assertion"][0].split(".")
        self.key.public_key().verify(
            _decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        assert json.loads(_decoded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
        self.claims = json.loads(_decoded(claims))
        assert (self.claims["iss"], self.claims["scope"]) == (ACCOUNT, _SCOPE)
        assert self.claims["aud"] == f"{self.url}/token"
        return told(200, {"access_token": TOKENS[0], "expires_in": 3599, "token_type": "Bearer"})

    def _access(self, path: str) -> Told:
        if self.refusal is not None:
            status, code = self.refusal
            return told(status, {"error": {"code": status, "status": code, "message": "it was refused"}})
        name = path.removesuffix(":access")
        if self.garbled is not None:
            return self.garbled
        data = self.versions.get(name)
        if data is None or name == path:
            return told(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "not found"}})
        payload: dict[str, object] = {"data": base64.b64encode(data).decode()}
        if (checksum := self.checksums.get(name)) is not None:
            payload["dataCrc32c"] = checksum
        return told(200, {"name": name, "payload": payload})


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
