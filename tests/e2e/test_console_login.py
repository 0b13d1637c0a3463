"""The console of a live server: who is elsewhere logs in, in every step as a browser does it."""

import asyncio
import http.cookiejar
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import pytest

from switchgear.auth.master_key import VARIABLE
from switchgear.auth.sessions import LOOPBACK_COOKIE, SECURE_COOKIE
from tests.console.stand import PASSWORD, hidden
from tests.e2e.live import LiveServer
from tests.e2e.test_changes import MASTER, command, config


async def when_known(log_in: Callable[[str], tuple[str, str]], token: str) -> tuple[str, str]:
    """Log in once the control process knows the new user, which takes up to a second."""
    for _ in range(3):
        try:
            return log_in(token)
        except HTTPError as error:
            token = hidden(error.read().decode(), "token")
            await asyncio.sleep(1)
    return log_in(token)


def answered(url: str, headers: Mapping[str, str]) -> tuple[int, str, str]:
    """Status, path and text of the page at which a request ends."""
    try:
        with urlopen(Request(url, headers=dict(headers)), timeout=20) as answer:
            return answer.status, urlsplit(str(answer.url)).path, answer.read().decode()
    except HTTPError as refused:
        return refused.code, urlsplit(str(refused.url)).path, refused.read().decode()


async def test_somebody_logs_in_and_out(tmp_path: Path) -> None:
    with LiveServer(tmp_path, config(1, tmp_path), {VARIABLE: MASTER}) as server:
        command(server, "users", "create", "kim", "--owner", typed=PASSWORD)
        cookies = http.cookiejar.CookieJar()
        browser = build_opener(HTTPCookieProcessor(cookies))

        def send(path: str, **form: str) -> tuple[str, str]:
            data = urlencode(form).encode() if form else None
            with browser.open(Request(server.url + path, data), timeout=20) as answer:
                return answer.url.removeprefix(server.url), answer.read().decode()

        token = hidden(send("/console/login?next=/console/account")[1], "token")
        form = {"user": "kim", "next": "/console/account"}
        with pytest.raises(HTTPError) as refused:
            send("/console/login", password="wrong", token=token, **form)
        assert refused.value.code == 401
        token = hidden(refused.value.read().decode(), "token")
        place, page = await when_known(
            lambda token: send("/console/login", password=PASSWORD, token=token, **form), token
        )
        assert place == "/console/account"
        assert "Logged in as kim" in page
        (session,) = [cookie.value for cookie in cookies if cookie.name == LOOPBACK_COOKIE]
        elsewhere = {"x-forwarded-for": "203.0.113.7", "cookie": f"{SECURE_COOKIE}={session}"}
        assert [answered(server.url + path, elsewhere)[:2] for path in ("/console", "/api/v1/users", "/metrics")] == [
            (200, "/console"),
            (200, "/api/v1/users"),
            (403, "/metrics"),
        ]
        place, _ = send("/console/logout", csrf=hidden(page, "csrf"))
        assert place == "/console/login"
        assert send("/console/account")[0].startswith("/console/login")


ELSEWHERE = (
    {"x-forwarded-for": "203.0.113.7"},
    {"forwarded": "for=203.0.113.7"},
    {"origin": "https://foreign.example"},
    {"host": "foreign.example"},
)


@pytest.mark.parametrize("header", ELSEWHERE, ids=" ".join)
def test_who_is_elsewhere_gets_no_metrics_and_is_asked_to_log_in_at_the_console(
    live: LiveServer, header: Mapping[str, str]
) -> None:
    forged = {**header, "x-switchgear-gateway-peer": "local"}
    status, _, refusal = answered(f"{live.url}/metrics", forged)
    assert (status, "own machine only" in refusal) == (403, True)
    status, path, page = answered(f"{live.url}/console", forged)
    assert (status, path) == (200, "/console/login")
    assert "sim/echo" not in page
    assert answered(f"{live.url}/metrics", {"host": "localhost"})[0] == 200
