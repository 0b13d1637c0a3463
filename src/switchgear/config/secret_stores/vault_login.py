"""How Vault is told who asks: a token, or a login by AppRole or as a Kubernetes service account.

See developer.hashicorp.com/vault/api-docs/auth/approle and /auth/kubernetes.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct, json

from switchgear.config.secret_stores.client import Answer, Server
from switchgear.config.secret_stores.files import read_credential
from switchgear.config.secret_stores.lent import Lent
from switchgear.config.secret_stores.store import StoreProblem, decoded
from switchgear.kernel.clock import Clock

_KUBERNETES_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 (a path)
_MEANINGS: Final = {
    400: "the request is not understood",
    403: "the token may not read this, or is no longer valid",
    404: "there is no such secret",
    412: "its node is not up to date yet",
    429: "too many requests, or a standby node",
    472: "a node that only recovers from disasters",
    473: "a performance standby node",
    500: "an error of its own",
    502: "an error of what stands behind it",
    503: "sealed, or down for maintenance",
}


class _Auth(Struct):
    client_token: str
    lease_duration: int = 0


class _LoginAnswer(Struct):
    auth: _Auth


class VaultLogin:
    """The token that requests carry; one of a login is kept for two thirds of its lease."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, server: Callable[[], Server]) -> None:
        self._environ = environ
        self._server = server
        self._lent = Lent(self._log_in, clock)
        namespace = environ.get("VAULT_NAMESPACE", "")
        self.headers = {"X-Vault-Request": "true", **({"X-Vault-Namespace": namespace} if namespace else {})}
        """What every request carries besides."""

    def token(self) -> str:
        """A token. Raises StoreProblem when there is none to be had."""
        given = self._environ.get("VAULT_TOKEN", "")
        if given:
            return fit_for_a_header(given, "VAULT_TOKEN")
        path = self._environ.get("VAULT_TOKEN_FILE", "")
        # An agent beside this process may write another one at any time.
        return fit_for_a_header(read_credential(path, "VAULT_TOKEN_FILE"), path) if path else self._lent.current()

    def forget(self, token: str) -> bool:
        """Whether another token may be had in the place of ``token``, which was refused."""
        if self._environ.get("VAULT_TOKEN") or self._environ.get("VAULT_TOKEN_FILE"):
            return False
        self._lent.forget(token)
        return True

    def _log_in(self) -> tuple[str, float]:
        mount, body = self._proof()
        mount = self._environ.get("VAULT_AUTH_MOUNT", "").strip("/") or mount
        server = self._server()
        answer = server.ask("POST", f"/v1/auth/{mount}/login", self.headers, json.encode(body))
        if answer.status in {400, 403}:
            raise StoreProblem(f"{server.name} refuses the login at auth/{mount} with {answer.status}")
        auth = decoded(checked(answer, server.name).body, _LoginAnswer, "Vault").auth
        # A lease of 0 has no end.
        return fit_for_a_header(auth.client_token, "the login"), auth.lease_duration or math.inf

    def _proof(self) -> tuple[str, Mapping[str, str]]:
        """Where to log in by default, and with what."""
        role_id = self._environ.get("VAULT_ROLE_ID", "")
        if role_id:
            secret_id = self._environ.get("VAULT_SECRET_ID", "")
            path = self._environ.get("VAULT_SECRET_ID_FILE", "")
            secret_id = read_credential(path, "VAULT_SECRET_ID_FILE") if path and not secret_id else secret_id
            return "approle", {"role_id": role_id, **({"secret_id": secret_id} if secret_id else {})}
        role = self._environ.get("VAULT_ROLE", "")
        if role:
            path = self._environ.get("VAULT_JWT_FILE", "") or _KUBERNETES_TOKEN
            return "kubernetes", {"role": role, "jwt": read_credential(path, "VAULT_JWT_FILE")}
        raise StoreProblem(
            "Vault needs to know who asks: set VAULT_TOKEN or VAULT_TOKEN_FILE, VAULT_ROLE_ID with VAULT_SECRET_ID, or "
            "VAULT_ROLE in a pod of Kubernetes"
        )


def checked(answer: Answer, name: str) -> Answer:
    """``answer`` itself. Raises StoreProblem unless Vault says that all is well."""
    if answer.status != 200:
        meaning = _MEANINGS.get(answer.status, "which means nothing here")
        raise StoreProblem(f"{name} answers {answer.status}: {meaning}")
    return answer


def fit_for_a_header(token: str, source: str) -> str:
    """``token`` itself. Raises StoreProblem when no header can carry it."""
    if not (token.isascii() and token.isprintable() and " " not in token and token):
        raise StoreProblem(f"what {source} holds is no token")
    return token
