"""Single sign-on by OpenID Connect Core 1.0: the code flow with PKCE (RFC 7636), state and nonce.

What the browser carries between leaving and coming back is a signed ticket that names all three, so that an answer is
taken only where the question was asked. The identity token is checked as §3.1.3.7 demands: signature by the issuer's
keys, issuer, audience, time, nonce.
"""

import hmac
import ssl
from collections.abc import Mapping
from typing import Final, Protocol, Self, cast

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from msgspec import Struct

from switchgear.auth.key_text import SecretHex
from switchgear.auth.tickets import Tickets
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import ConfigError, Unauthenticated
from switchgear.upstream.tls import client_context, require_verification

CALLBACK: Final = "/console/login/sso/callback"
TICKET_SECONDS: Final = 600
_PURPOSE: Final = "single sign-on"
_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""Never ``none``, and never one whose key a client could know."""
_LEEWAY_SECONDS: Final = 60
_TIMEOUT_SECONDS: Final = 10.0
_REFUSAL: Final = "The login at the identity provider did not come to an end that counts here; begin again."

Claims = Mapping[str, object]


class _Client(Protocol):
    """The part of authlib's client that is used; the library has no types of its own."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *failure: object) -> None: ...

    def create_authorization_url(self, url: str, **more: str) -> tuple[object, str]: ...

    async def fetch_token(self, url: str, *, code: str, code_verifier: str) -> Mapping[str, object]: ...


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked of the identity provider, and where the browser goes afterwards."""

    state: str
    nonce: str
    verifier: str
    go_to: str


class Begin(Struct, frozen=True, kw_only=True):
    """Where the browser goes, and what it carries."""

    url: str
    ticket: str


class Registration(Struct, frozen=True, kw_only=True):
    """How this installation is known to its identity provider."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...]
    redirect_url: str

    def __repr__(self) -> str:
        return f"Registration({self.issuer!r}, {self.client_id!r})"


class SingleSignOn:
    """One identity provider, asked for its addresses and keys when they are needed first."""

    def __init__(
        self,
        registration: Registration,
        tickets: Tickets,
        clock: Clock,
        secret_hex: SecretHex,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``tls`` defaults to the system's certificate authorities; ConfigError when it would not verify."""
        self._tls = client_context() if tls is None else require_verification(tls)
        self._registration = registration
        self._tickets = tickets
        self._clock = clock
        self._secret_hex = secret_hex
        self._addresses: Mapping[str, str] | None = None

    async def begin(self, go_to: str) -> Begin:
        """Send a browser to the identity provider. Raises ConfigError when that does not answer as one."""
        addresses = await self._discovered()
        asked = Asked(
            state=self._secret_hex(16), nonce=self._secret_hex(16), verifier=self._secret_hex(32), go_to=go_to
        )
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                addresses["authorization_endpoint"],
                state=asked.state,
                nonce=asked.nonce,
                code_verifier=asked.verifier,
            )
        return Begin(url=str(url), ticket=self._tickets.write(_PURPOSE, asked, TICKET_SECONDS))

    async def finish(self, ticket: str, state: str, code: str) -> tuple[Claims, str]:
        """The claims of who came back, and where they wanted to go.

        Raises Unauthenticated for an answer that nobody asked for, or that proves nothing.
        """
        asked = self._tickets.read(_PURPOSE, ticket, Asked)
        if asked is None or not code or not hmac.compare_digest(asked.state.encode(), state.encode()):
            raise Unauthenticated(_REFUSAL)
        addresses = await self._discovered()
        try:
            async with self._client() as client:
                token = await client.fetch_token(addresses["token_endpoint"], code=code, code_verifier=asked.verifier)
            claims = await self._verified(str(token.get("id_token", "")), asked.nonce)
        except (OAuthError, JoseError, httpx.HTTPError, ValueError, KeyError):
            raise Unauthenticated(_REFUSAL) from None
        return claims, asked.go_to

    async def _verified(self, id_token: str, nonce: str) -> Claims:
        published = await self._fetch((await self._discovered())["jwks_uri"])
        keys = KeySet.import_key_set(cast("KeySetSerialization", published))
        token = jwt.decode(id_token, keys, algorithms=_ALGORITHMS)
        rules = jwt.JWTClaimsRegistry(
            now=self._clock.wall_ns() // 1_000_000_000,
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._registration.issuer},
            aud={"essential": True, "value": self._registration.client_id},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        rules.validate(token.claims)
        audience = token.claims["aud"]
        if isinstance(audience, list) and token.claims.get("azp") != self._registration.client_id:
            raise Unauthenticated(_REFUSAL)
        return cast("Claims", token.claims)

    async def _discovered(self) -> Mapping[str, str]:
        if self._addresses is None:
            issuer = self._registration.issuer
            try:
                found = await self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                needed = ("authorization_endpoint", "token_endpoint", "jwks_uri", "issuer")
                addresses = {name: str(found[name]) for name in needed}
            except (httpx.HTTPError, ValueError, KeyError) as error:
                raise ConfigError(f"the identity provider {issuer} does not answer as one: {error!r}") from None
            if addresses["issuer"] != issuer:
                raise ConfigError(f"{issuer} calls itself {addresses['issuer'][:200]!r}; write it as it does")
            self._addresses = addresses
        return self._addresses

    async def _fetch(self, url: str) -> dict[str, object]:
        async with httpx.AsyncClient(
            timeout=_TIMEOUT_SECONDS, follow_redirects=False, trust_env=False, verify=self._tls
        ) as client:
            answer = await client.get(url)
            answer.raise_for_status()
            return cast("dict[str, object]", answer.json())

    def _client(self) -> _Client:
        known = self._registration
        made: object = AsyncOAuth2Client(
            client_id=known.client_id,
            client_secret=known.client_secret,
            scope=" ".join(known.scopes),
            redirect_uri=known.redirect_url,
            code_challenge_method="S256",
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            verify=self._tls,
        )
        return cast("_Client", made)
