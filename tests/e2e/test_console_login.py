"""The console of a live server: who is elsewhere logs in, in every step as a browser does it."""

import asyncio
import http.cookiejar
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from switchgear.auth.master_key import VARIABLE
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


async def test_somebody_logs_in_and_out(tmp_path: Path) -> None:
    with LiveServer(tmp_path, config(1, tmp_path), {VARIABLE: MASTER}) as server:
        command(server, "users", "create", "kim", "--owner", typed=PASSWORD)
        browser = build_opener(HTTPCookieProcessor(http.cookiejar.CookieJar()))

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
        place, _ = send("/console/logout", csrf=hidden(page, "csrf"))
        assert place == "/console/login"
        assert send("/console/account")[0].startswith("/console/login")
