"""Single sign-on against an identity provider that is there, and everything a false one could try."""

from collections.abc import AsyncGenerator
from typing import Final

import httpx
import pytest
from joserfc.jwk import RSAKey
from msgspec import Struct

from switchgear.app.database import ControlDatabase
from switchgear.app.single_sign_on import ConsoleSignOn
from switchgear.auth.oidc import CALLBACK, Registration, SingleSignOn
from switchgear.auth.tickets import Tickets
from switchgear.config import parse
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import secret_hex
from switchgear.upstream.tls import client_context
from tests.console.identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider, query_of
from tests.console.stand import SIGNING_KEY, URL, Stand, stand

COOKIE = "__Host-switchgear"
CONFIG = """
providers: {sim: {kind: simulator}}
console:
  public_url: https://gateway.example
  single_sign_on:
    issuer: https://login.example.com
    client_id: switchgear
    client_secret: nobody-looks
    roles: {platform: admin, people: viewer}
users: {ada: {email: Ada@example.com}, eve: {email: eve@example.com, disabled: true}, "42": {}}
"""


# The system's authorities take longer to read than these tests; nobody asks them here.
AUTHORITIES: Final = client_context()
WORKPLACE: Final = parse(CONFIG, "file", {})


class Signing(Struct):
    """A console, and the identity provider that it trusts."""

    here: Stand
    provider: IdentityProvider


def sign_on(issuer: str) -> SingleSignOn:
    known = Registration(
        issuer=issuer,
        client_id=CLIENT,
        client_secret=SECRET,
        scopes=("openid", "email"),
        redirect_url=f"{URL}{CALLBACK}",
    )
    return SingleSignOn(known, Tickets(SIGNING_KEY, FrozenClock()), FrozenClock(), secret_hex, AUTHORITIES)


@pytest.fixture
async def signing(database: ControlDatabase) -> AsyncGenerator[Signing]:
    async with identity_provider() as provider:
        here = stand(database, ConsoleSignOn(sign_on(provider.url), lambda: WORKPLACE))
        provider.now = here.clock.wall_ns() // 1_000_000_000
        yield Signing(here, provider)


async def to_provider(browser: httpx.AsyncClient, go_to: str = "/console") -> str:
    """Leave for the provider; where that sends the browser back to."""
    left = await browser.get("/console/login/sso", params={"next": go_to})
    async with httpx.AsyncClient(verify=AUTHORITIES) as outside:
        answer = await outside.get(left.headers["location"])
    return answer.headers["location"]


async def test_a_person_logs_in_where_they_do_elsewhere(signing: Signing) -> None:
    signing.provider.person["groups"] = ["platform", "unknown", "people", "platform"]
    async with signing.here.browser() as browser:
        answer = await browser.get(await to_provider(browser, "/console/account"))
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/account")
        session = await signing.here.sessions.find(browser.cookies[COOKIE])
    assert session is not None
    assert (session.user, session.method, session.roles) == ("ada", "sso", ("admin", "viewer"))


async def test_what_is_asked_has_state_nonce_and_a_challenge_that_are_new_every_time(signing: Signing) -> None:
    async with signing.here.browser() as browser:
        await to_provider(browser)
        await to_provider(browser)
    first, second = signing.provider.asked
    assert first["code_challenge_method"] == second["code_challenge_method"] == "S256"
    assert first["response_type"] == "code"
    for secret in ("state", "nonce", "code_challenge"):
        assert len(first[secret]) >= 32
        assert first[secret] != second[secret]


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"},
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["switchgear", "another-client"]},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": "eve@example.com"},
        {"email": "nobody@example.com"},
        {"email": None, "sub": "ada"},
    ],
    ids=str,
)
async def test_a_token_that_does_not_prove_a_user_of_this_installation_is_refused(
    signing: Signing, lies: dict[str, object]
) -> None:
    signing.provider.lies = lies
    await refused(signing)


async def refused(signing: Signing) -> None:
    async with signing.here.browser() as browser:
        answer = await browser.get(await to_provider(browser))
        assert answer.status_code in (401, 403)
        assert COOKIE not in browser.cookies


async def test_a_token_signed_by_another_key_is_refused(signing: Signing) -> None:
    signing.provider.signs_with = RSAKey.generate_key(2048, parameters={"kid": "k1"})
    await refused(signing)


async def test_a_user_without_an_address_is_known_by_the_subject(signing: Signing) -> None:
    signing.provider.lies = {"sub": "42", "email": None}
    async with signing.here.browser() as browser:
        assert (await browser.get(await to_provider(browser))).status_code == 303


@pytest.mark.parametrize("change", [{"state": "0" * 32}, {"state": ""}, {"code": "guessed"}, {"code": ""}], ids=str)
async def test_an_answer_that_was_changed_on_its_way_is_refused(signing: Signing, change: dict[str, str]) -> None:
    async with signing.here.browser() as browser:
        query = {**query_of(await to_provider(browser)), **change}
        assert (await browser.get(CALLBACK, params=query)).status_code == 401
        assert COOKIE not in browser.cookies


async def test_an_answer_to_another_browser_is_refused(signing: Signing) -> None:
    """An attacker would have their victim's browser finish a login that they began."""
    async with signing.here.browser() as attacker, signing.here.browser() as victim:
        back = await to_provider(attacker)
        assert (await victim.get(back)).status_code == 401
        await to_provider(victim)
        assert (await victim.get(back)).status_code == 401
        assert COOKIE not in victim.cookies


async def test_an_answer_counts_once(signing: Signing) -> None:
    async with signing.here.browser() as browser:
        back = await to_provider(browser)
        ticket = browser.cookies[f"{COOKIE}-sso"]
        assert (await browser.get(back)).status_code == 303
    async with signing.here.browser() as again:
        again.cookies.set(f"{COOKIE}-sso", ticket, domain="gateway.example")
        assert (await again.get(back)).status_code == 401


async def test_an_identity_provider_that_is_not_there_or_is_another_one_is_told(signing: Signing) -> None:
    with pytest.raises(ConfigError, match="does not answer as one"):
        await sign_on("http://127.0.0.1:9").begin("/console")
    with pytest.raises(ConfigError, match="calls itself"):
        await sign_on(f"{signing.provider.url}/").begin("/console")


async def test_no_single_sign_on_leads_to_another_site(signing: Signing) -> None:
    async with signing.here.browser() as browser:
        answer = await browser.get(await to_provider(browser, "//evil.example"))
        assert answer.headers["location"] == "/console"
