"""Logging in, and every attack on it that has a name."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from pyotp.totp import TOTP

from switchgear.app.database import ControlDatabase
from switchgear.auth.accounts import LOCK_AFTER, LOCK_SECONDS
from switchgear.auth.sessions import SESSION_SECONDS
from switchgear.auth.throttle import TRIES, WINDOW_SECONDS, Throttle
from switchgear.console.cookies import local_path
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import BadRequest, RateLimited, Unauthenticated
from tests.console.stand import PASSWORD, Stand, csrf_of, hidden, log_in, stand

COOKIE = "__Host-switchgear"


@pytest.fixture
async def here(database: ControlDatabase) -> Stand:
    made = stand(database)
    await made.login.set_password("ada", PASSWORD)
    return made


async def test_a_right_password_leads_in_and_nothing_else_does(here: Stand) -> None:
    async with here.browser() as browser:
        for user, password in (
            ("ada", "wrong"),
            ("bob", PASSWORD),
            ("", ""),
            ("ada", "x" * 5000),
            ("ada'--", PASSWORD),
        ):
            answer = await log_in(browser, user, password)
            assert answer.status_code == 401
            assert "wrong, or the account is locked" in answer.text
            assert COOKIE not in browser.cookies
        answer = await log_in(browser, "ada", go_to="/console/account")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/account")
        assert "Logged in as ada" in (await browser.get("/console/account")).text


async def test_a_cookie_is_bound_to_its_host_and_read_by_no_script(here: Stand) -> None:
    async with here.browser() as browser:
        answer = await log_in(browser, "ada")
    (cookie,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{COOKIE}=")]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
    assert not [attribute for attribute in attributes if attribute.startswith("domain")]


async def test_on_this_machine_a_cookie_needs_no_tls(here: Stand) -> None:
    async with here.browser("local", "http://localhost:4000") as browser:
        answer = await log_in(browser, "ada")
        assert not [line for line in answer.headers.get_list("set-cookie") if "secure" in line.lower()]
        assert "Logged in as ada" in (await browser.get("/console/account")).text


async def test_behind_a_proxy_of_a_control_process_a_cookie_needs_tls_whatever_is_said(here: Stand) -> None:
    async with here.browser("local", address="127.0.0.1") as browser:
        browser.headers["x-forwarded-for"] = "203.0.113.7"
        answer = await log_in(browser, "ada")
        (cookie,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{COOKIE}=")]
        assert "secure" in cookie.lower()
        assert "Logged in as ada" in (await browser.get("/console/account")).text


async def test_a_session_is_new_at_every_login_so_that_none_can_be_fixed_beforehand(here: Stand) -> None:
    async with here.browser() as browser:
        await log_in(browser, "ada")
        planted = browser.cookies[COOKIE]
    async with here.browser() as victim:
        victim.cookies.set(COOKIE, planted, domain="gateway.example")
        await log_in(victim, "ada")
        assert victim.cookies.get(COOKIE) != planted


async def test_a_session_that_ends_ends_everywhere(here: Stand) -> None:
    async with here.browser() as browser:
        await log_in(browser, "ada")
        stolen = browser.cookies[COOKIE]
        answer = await browser.post("/console/logout", data={"csrf": await csrf_of(browser)})
        assert answer.status_code == 303
    assert await here.sessions.find(stolen) is None


async def test_a_session_runs_out_and_a_new_password_ends_all_of_them(here: Stand) -> None:
    async with here.browser() as one, here.browser() as other:
        await log_in(one, "ada")
        await log_in(other, "ada")
        first, second = one.cookies[COOKIE], other.cookies[COOKIE]
    assert await here.sessions.find(first) is not None
    await here.login.set_password("ada", f"{PASSWORD} 2")
    assert [await here.sessions.find(first), await here.sessions.find(second)] == [None, None]
    third = (await here.login.with_password("ada", f"{PASSWORD} 2", "")).session
    here.clock.advance(SESSION_SECONDS - 1)
    assert await here.sessions.find(third) is not None
    here.clock.advance(1)
    assert await here.sessions.find(third) is None


async def test_a_forged_cookie_is_nobody_s(here: Stand) -> None:
    async with here.browser() as browser:
        await log_in(browser, "ada")
        cookie = browser.cookies[COOKIE]
    for forged in ("", "x", cookie[:-1], cookie.split(".")[0], f"{'0' * 64}.{cookie.partition('.')[2]}", "ä.ö"):
        assert await here.sessions.find(forged) is None


async def test_a_form_of_another_browser_logs_nobody_in(here: Stand) -> None:
    """Login CSRF: a foreign page would log its visitor in under the attacker's name."""
    async with here.browser() as attacker, here.browser() as victim:
        token = hidden((await attacker.get("/console/login")).text, "token")
        await victim.get("/console/login")
        for given in (token, ""):
            form = {"user": "ada", "password": PASSWORD, "token": given}
            answer = await victim.post("/console/login", data=form)
            assert answer.status_code == 403
            assert COOKIE not in victim.cookies


@pytest.mark.parametrize("path", ["/console/logout", "/console/account/password", "/console/account/second-factor"])
@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("", {}),
        ("0" * 64, {}),
        ("right", {"origin": "https://evil.example"}),
        ("right", {"origin": "null"}),
        ("right", {"sec-fetch-site": "cross-site"}),
        ("right", {"sec-fetch-site": "same-site"}),
    ],
)
async def test_a_change_needs_the_session_s_token_and_its_own_page(
    here: Stand, path: str, token: str, headers: dict[str, str]
) -> None:
    async with here.browser() as browser:
        await log_in(browser, "ada")
        given = await csrf_of(browser) if token == "right" else token
        answer = await browser.post(path, data={"csrf": given, "password": PASSWORD}, headers=headers)
        assert answer.status_code == 403
        assert await here.sessions.find(browser.cookies[COOKIE]) is not None


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/console/../..//evil.example", "javascript:alert(1)",
     "/console\n//evil.example", "console", "/consolevil", "http:/console", "///evil.example/console",
     "\t//evil.example", "/console/é", ""],
)  # fmt: skip
async def test_no_login_leads_to_another_site(here: Stand, wanted: str) -> None:
    assert local_path(wanted) == "/console"
    async with here.browser() as browser:
        page = (await browser.get("/console/login")).text
        form = {"user": "ada", "password": PASSWORD, "token": hidden(page, "token"), "next": wanted}
        assert (await browser.post("/console/login", data=form)).headers["location"] == "/console"


def test_a_login_may_lead_to_a_page_of_the_console() -> None:
    for wanted in ("/console", "/console/account", "/console/keys?team=support&limit=5"):
        assert local_path(wanted) == wanted


async def test_after_some_failures_the_account_is_locked_for_a_while_even_for_the_right_password(here: Stand) -> None:
    for _ in range(LOCK_AFTER):
        with pytest.raises(Unauthenticated):
            await here.login.with_password("ada", "wrong", "")
    with pytest.raises(Unauthenticated) as locked:
        await here.login.with_password("ada", PASSWORD, "")
    with pytest.raises(Unauthenticated) as unknown:
        await here.login.with_password("nobody", PASSWORD, "")
    assert locked.value.message == unknown.value.message
    here.clock.advance(LOCK_SECONDS)
    assert (await here.login.with_password("ada", PASSWORD, "")).session


async def test_many_guesses_at_once_are_not_more_than_as_many(here: Stand) -> None:
    guesses = (here.login.with_password("ada", f"guess number {number}", f"10.0.0.{number}") for number in range(12))
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert all(isinstance(answer, Unauthenticated) for answer in answers)
    with pytest.raises(Unauthenticated):
        await here.login.with_password("ada", PASSWORD, "")


async def test_a_success_in_time_forgets_the_failures(here: Stand) -> None:
    for _ in range(3):
        for _ in range(LOCK_AFTER - 1):
            with pytest.raises(Unauthenticated):
                await here.login.with_password("ada", "wrong", "")
        await here.login.with_password("ada", PASSWORD, "")


def test_an_address_that_fails_too_often_has_to_wait() -> None:
    clock = FrozenClock()
    throttle = Throttle(clock)
    for _ in range(TRIES):
        throttle.admit("203.0.113.7")
        throttle.failed("203.0.113.7")
    with pytest.raises(RateLimited) as refusal:
        throttle.admit("203.0.113.7")
    assert refusal.value.retry_after_seconds == WINDOW_SECONDS
    throttle.admit("203.0.113.8")
    clock.advance(WINDOW_SECONDS)
    throttle.admit("203.0.113.7")


async def test_a_disabled_user_does_not_get_in(here: Stand) -> None:
    here.inactive.add("ada")
    with pytest.raises(Unauthenticated):
        await here.login.with_password("ada", PASSWORD, "")


async def test_a_weak_password_is_refused(here: Stand) -> None:
    for password in ("short", "x" * 11, "x" * 1025):
        with pytest.raises(BadRequest):
            await here.login.set_password("ada", password)
    with pytest.raises(BadRequest, match="is not the user's name"):
        await here.login.set_password("a-rather-long-name", "A-rather-long-name")


async def with_second_factor(here: Stand) -> TOTP:
    secret = parse_qs(urlsplit(await here.login.enrol("ada")).query)["secret"][0]
    totp = TOTP(secret)
    assert not await here.login.has_second_factor("ada")
    await here.login.confirm("ada", totp.at(now(here)))
    here.clock.advance(60)
    return totp


def now(here: Stand) -> int:
    return here.clock.wall_ns() // 1_000_000_000


async def test_with_a_second_factor_a_password_is_half_of_it(here: Stand) -> None:
    totp = await with_second_factor(here)
    async with here.browser() as browser:
        page = await log_in(browser, "ada", go_to="/console/account")
        assert COOKIE not in browser.cookies
        form = {"token": hidden(page.text, "token"), "next": hidden(page.text, "next"), "code": totp.at(now(here))}
        answer = await browser.post("/console/login/code", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/account")
        assert COOKIE in browser.cookies


async def test_a_code_works_once_and_only_in_its_time(here: Stand) -> None:
    totp = await with_second_factor(here)
    ticket = (await here.login.with_password("ada", PASSWORD, "")).ticket
    code = totp.at(now(here))
    for wrong in ("", "12345", "abcdef", totp.at(now(here) - 120), "１２３４５６"):
        with pytest.raises(Unauthenticated):
            await here.login.with_code(ticket, wrong, "")
    await here.accounts.succeeded("ada")
    assert await here.login.with_code(ticket, code, "")
    with pytest.raises(Unauthenticated):
        await here.login.with_code(ticket, code, "")
    here.clock.advance(30)
    with pytest.raises(Unauthenticated):
        await here.login.with_code(ticket, code, "")


async def test_a_code_that_is_given_twice_at_once_works_once(here: Stand) -> None:
    totp = await with_second_factor(here)
    ticket = (await here.login.with_password("ada", PASSWORD, "")).ticket
    code = totp.at(now(here))
    tries = (here.login.with_code(ticket, code, "") for _ in range(3))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in answers) == 1


async def test_a_second_factor_stays_in_force_until_a_new_one_has_shown_a_code(here: Stand) -> None:
    totp = await with_second_factor(here)
    await here.login.enrol("ada")
    ticket = (await here.login.with_password("ada", PASSWORD, "")).ticket
    with pytest.raises(BadRequest, match="not the code of the moment"):
        await here.login.confirm("ada", totp.at(now(here)))
    assert await here.login.with_code(ticket, totp.at(now(here)), "")


async def test_codes_cannot_be_guessed_in_a_row(here: Stand) -> None:
    totp = await with_second_factor(here)
    ticket = (await here.login.with_password("ada", PASSWORD, "")).ticket
    for number in range(LOCK_AFTER):
        with pytest.raises(Unauthenticated):
            await here.login.with_code(ticket, f"{number:06}", "")
    with pytest.raises(Unauthenticated):
        await here.login.with_code(ticket, totp.at(now(here)), "")


async def test_half_a_login_runs_out_and_cannot_be_forged(here: Stand) -> None:
    totp = await with_second_factor(here)
    ticket = (await here.login.with_password("ada", PASSWORD, "")).ticket
    for forged in ("", ticket[:-1], "0" * 40, ticket.replace(ticket[:4], "ffff", 1)):
        with pytest.raises(Unauthenticated):
            await here.login.with_code(forged, totp.at(now(here)), "")
    here.clock.advance(301)
    with pytest.raises(Unauthenticated):
        await here.login.with_code(ticket, totp.at(now(here)), "")


async def test_what_is_kept_of_passwords_and_second_factors_gives_neither_away(here: Stand) -> None:
    totp = await with_second_factor(here)
    account = await here.accounts.find("ada")
    assert account is not None
    assert account.password_hash.startswith("$argon2id$")
    assert PASSWORD not in repr(account)
    assert totp.secret not in repr(account)
