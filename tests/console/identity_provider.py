"""A small OpenID Connect provider: it asks nobody anything, checks what its clients prove, and can be told to lie."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "switchgear", "the secret of this client"


@cache
def key_of_all() -> RSAKey:
    """What every provider signs with: a key takes longer to find than a test to run."""
    return RSAKey.generate_key(2048, parameters={"kid": "k1"})


class IdentityProvider:
    """Knows one person; ``lies`` are claims that replace the true ones in the next token."""

    def __init__(self) -> None:
        self.key = key_of_all()
        self.url = ""
        self.now = 0
        self.person: dict[str, object] = {"sub": "248289761001", "email": "ada@example.com", "email_verified": True}
        self.lies: dict[str, object] = {}
        self.signs_with: RSAKey = self.key
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def discovery() -> dict[str, str]:
            ends = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks"}
            return {"issuer": self.url, **{name: f"{self.url}{path}" for name, path in ends.items()}}

        @app.get("/jwks")
        def jwks() -> dict[str, object]:
            return {"keys": [self.key.as_dict(private=False)]}

        @app.get("/authorize")
        def authorize(request: Request) -> Response:
            asked = dict(request.query_params)
            self.asked.append(asked)
            code = f"code-{len(self.asked)}"
            self._codes[code] = asked
            return RedirectResponse(
                f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302
            )

        @app.post("/token")
        async def token(request: Request) -> Response:
            form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
            asked = self._codes.pop(form.get("code", ""), None)
            if asked is None or not self._proves(request, form, asked):
                return JSONResponse({"error": "invalid_grant"}, 400)
            return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": self._token(asked)})

        _ = (discovery, jwks, authorize, token)
        return app

    def _proves(self, request: Request, form: dict[str, str], asked: dict[str, str]) -> bool:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        basic = base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '%20')}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        return (
            asked["code_challenge_method"] == "S256"
            and challenge.decode().rstrip("=") == asked["code_challenge"]
            and request.headers.get("authorization", "") in (f"Basic {basic}", f"Basic {plain}")
            and form["redirect_uri"] == asked["redirect_uri"]
        )

    def _token(self, asked: dict[str, str]) -> str:
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": self.now,
            "exp": self.now + 300,
            "nonce": asked["nonce"],
            **self.person,
            **self.lies,
        }
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.signs_with)


@asynccontextmanager
async def identity_provider() -> AsyncGenerator[IdentityProvider]:
    """One that listens on this machine."""
    provider = IdentityProvider()
    server = uvicorn.Server(
        uvicorn.Config(provider.app(), host="127.0.0.1", port=0, log_level="error", lifespan="off", access_log=False)
    )
    serving = asyncio.get_running_loop().create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    provider.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.should_exit = True
        await serving


def query_of(url: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
