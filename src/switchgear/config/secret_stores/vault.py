"""HashiCorp Vault and OpenBao: ``${vault:MOUNT/PATH#FIELD}``, a key-value engine of version 1 or 2.

Which version a mount has is asked as Vault's own command does (``sys/internal/ui/mounts``), which any token may that
reads below it. See developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 and its page on HTTP status codes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec import Raw, Struct

from switchgear.config.secret_stores.client import Answer, Server
from switchgear.config.secret_stores.store import SecretStore, StoreProblem, decoded
from switchgear.config.secret_stores.vault_login import VaultLogin, checked
from switchgear.kernel.clock import Clock

ADDRESS: Final = "VAULT_ADDR"
_KEY_VALUE: Final = frozenset({"kv", "generic"})
_FORBIDDEN: Final = 403
_NOTHING: Final = Raw(b"null")


class _Mount(Struct):
    path: str = ""
    type: str = ""
    options: dict[str, str] | None = None


class _MountAnswer(Struct):
    data: _Mount


class _Metadata(Struct):
    deletion_time: str = ""
    destroyed: bool = False


class _Version(Struct):
    metadata: _Metadata
    data: Raw = _NOTHING


class _VersionAnswer(Struct):
    data: _Version


class _Plain(Struct):
    data: Raw


class Vault:
    """The Vault that the environment names, asked with the token that it gives or with one of a login."""

    options: tuple[str, ...] = ("version",)
    needs_field = True

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._login = VaultLogin(environ, clock, self._known)
        self._server: Server | None = None

    def read(self, name: str, options: Mapping[str, str]) -> str:
        """The fields of the secret at ``name``, a mount and a path in it."""
        pieces = name.strip("/").split("/")
        if len(pieces) < 2 or not all(pieces) or {".", ".."} & set(pieces):
            raise StoreProblem("is no path of Vault; write MOUNT/PATH#FIELD")
        version = options.get("version", "")
        if version and not (version.isascii() and version.isdecimal() and int(version) > 0):
            raise StoreProblem("a version of Vault is a whole number from 1 on")
        path = "/".join(pieces)
        mount, in_versions = self._mount(path)
        if not in_versions:
            if version:
                raise StoreProblem(f"the engine at {mount!r} keeps no versions; leave '?version=' out")
            answer = self._checked(self._ask(f"/v1/{_quoted(path)}"))
            return bytes(decoded(answer.body, _Plain, "Vault").data).decode()
        query = f"?version={version}" if version else ""
        return self._version(f"/v1/{_quoted(mount)}data/{_quoted(path.removeprefix(mount))}{query}")

    def _mount(self, path: str) -> tuple[str, bool]:
        """Where the engine is mounted, with a slash at the end, and whether it keeps versions."""
        answer = self._ask(f"/v1/sys/internal/ui/mounts/{_quoted(path)}")
        if answer.status == 404:  # so old a Vault that it has no other version
            return "", False
        mount = decoded(self._checked(answer).body, _MountAnswer, "Vault").data
        if mount.type not in _KEY_VALUE:
            raise StoreProblem(f"the engine at {mount.path[:100]!r} is no key-value engine")
        if not path.startswith(mount.path) or not mount.path.endswith("/"):
            raise StoreProblem("Vault answers with another mount than was asked for")
        return mount.path, (mount.options or {}).get("version") == "2"

    def _version(self, path: str) -> str:
        answer = self._ask(path)
        if answer.status == 404 and b'"metadata"' in answer.body:
            raise _gone(decoded(answer.body, _VersionAnswer, "Vault").data)
        found = decoded(self._checked(answer).body, _VersionAnswer, "Vault").data
        if bytes(found.data) == _NOTHING:
            raise _gone(found)
        return bytes(found.data).decode()

    def _ask(self, path: str) -> Answer:
        """An answer to a token that is accepted: one of a login may have been revoked, and then there is another."""
        server = self._known()
        token = self._login.token()
        answer = server.ask("GET", path, self._headers(token))
        if answer.status == _FORBIDDEN and self._login.forget(token):
            answer = server.ask("GET", path, self._headers(self._login.token()))
        return answer

    def _headers(self, token: str) -> dict[str, str]:
        return {**self._login.headers, "X-Vault-Token": token}

    def _checked(self, answer: Answer) -> Answer:
        return checked(answer, self._known().name)

    def _known(self) -> Server:
        if self._server is None:
            address = self._environ.get(ADDRESS, "")
            if not address:
                raise StoreProblem(f"{ADDRESS} is not set; it says where Vault is, as https://vault.example:8200")
            self._server = Server(address, ADDRESS, ca_file=self._environ.get("VAULT_CACERT", ""))
        return self._server


def _gone(found: _Version) -> StoreProblem:
    how = "destroyed" if found.metadata.destroyed else "deleted"
    return StoreProblem(f"this version of the secret was {how}")


def _quoted(path: str) -> str:
    return quote(path, safe="/")


if TYPE_CHECKING:
    _: type[SecretStore] = Vault
