"""The wire of HashiCorp Vault as its documentation has it, with two key-value mounts and two ways to log in.

developer.hashicorp.com/vault/api-docs: secret/kv/kv-v1, secret/kv/kv-v2, auth/approle, auth/kubernetes.
"""

import json
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote

from tests.config.secret_stores.stand import Asked, Stand, Told, told

TOKEN = "hvs.token-of-the-operator"
ROLE_ID, SECRET_ID = "role-1", "secret-id-1"
JWT = "jwt-of-the-pod"


class FakeVault(Stand):
    """``versions`` holds what is at ``team/kv/PATH``, None for a deleted version; ``plain``, what is at ``old/``."""

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.versions: dict[str, list[Mapping[str, object] | None]] = {}
        self.plain: dict[str, Mapping[str, object]] = {}
        self.tokens = {TOKEN}
        self.namespace = ""
        self.lease_seconds = 3600
        self.logins = 0
        self.is_sealed = False

    def _serve(self, asked: Asked) -> Told:
        if self.is_sealed:
            return told(503, {"errors": ["Vault is sealed"]})
        if asked.headers.get("x-vault-namespace", "") != self.namespace:
            return told(404, {"errors": ["no handler for route"]})
        path = unquote(asked.path).removeprefix("/v1/")
        if path.startswith("auth/"):
            return self._log_in(path, json.loads(asked.body))
        if asked.headers.get("x-vault-token") not in self.tokens:
            return told(403, {"errors": ["permission denied"]})
        if path.startswith("sys/internal/ui/mounts/"):
            return _mount(path.removeprefix("sys/internal/ui/mounts/"))
        if path.startswith("team/kv/data/"):
            version = parse_qs(asked.target.partition("?")[2]).get("version", ["0"])[0]
            return self._version(path.removeprefix("team/kv/data/"), int(version))
        found = self.plain.get(path.removeprefix("old/"))
        return told(404, {"errors": []}) if found is None else told(200, {"data": found, "lease_duration": 2764800})

    def _log_in(self, path: str, body: Mapping[str, str]) -> Told:
        good = {
            "auth/approle/login": {"role_id": ROLE_ID, "secret_id": SECRET_ID},
            "auth/kubernetes/login": {"role": "switchgear", "jwt": JWT},
        }
        if good.get(path) != body:
            return told(400, {"errors": ["invalid role or secret ID"]})
        self.logins += 1
        token = f"hvs.of-login-{self.logins}"
        self.tokens.add(token)
        return told(200, {"auth": {"client_token": token, "lease_duration": self.lease_seconds, "renewable": True}})

    def _version(self, name: str, version: int) -> Told:
        versions = self.versions.get(name, [])
        number = version or len(versions)
        if not 0 < number <= len(versions):
            return told(404, {"errors": []})
        fields = versions[number - 1]
        gone = "2026-11-01T00:00:00Z" if fields is None else ""
        metadata = {
            "version": number,
            "created_time": "2026-10-01T00:00:00Z",
            "deletion_time": gone,
            "destroyed": False,
        }
        return told(404 if fields is None else 200, {"data": {"data": fields, "metadata": metadata}})


def _mount(path: str) -> Told:
    mounts = {
        "team/kv/": {"type": "kv", "options": {"version": "2"}},
        "old/": {"type": "kv", "options": None},
        "database/": {"type": "database", "options": None},
    }
    for prefix, facts in mounts.items():
        if path.startswith(prefix):
            return told(200, {"data": {"path": prefix, **facts}})
    return told(403, {"errors": ["preflight capability check returned 403"]})
