"""The console's login in an application of its own, with a browser that keeps cookies as browsers do."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI, Request
from msgspec import Struct

from switchgear.app.database import ControlDatabase
from switchgear.auth.accounts import Accounts
from switchgear.auth.login import Login, Parts
from switchgear.auth.master_key import VARIABLE, read_master_keys
from switchgear.auth.passwords import Passwords
from switchgear.auth.sealing import Sealer
from switchgear.auth.sessions import Sessions
from switchgear.auth.throttle import Throttle
from switchgear.auth.tickets import Tickets
from switchgear.console.login import LoginPages, SingleSignOnDoor
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import secret_hex

MASTER = "0123456789abcdef" * 4
SIGNING_KEY = bytes(range(32))
PASSWORD = "correct horse battery staple"
URL = "https://gateway.example"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Stand(Struct):
    """What a test of logging in holds."""

    app: FastAPI
    clock: FrozenClock
    login: Login
    sessions: Sessions
    accounts: Accounts
    tickets: Tickets
    inactive: set[str]

    @asynccontextmanager
    async def browser(
        self, peer: str = "remote", url: str = URL, address: str = ""
    ) -> AsyncGenerator[httpx.AsyncClient]:
        """One browser, at a gateway, or from ``address``; cookies that need TLS are kept only for a URL with it."""
        transport = httpx.ASGITransport(self.app, client=(address, 0))
        headers = {"x-switchgear-gateway-peer": peer, "x-switchgear-gateway-client": "203.0.113.7"}
        async with httpx.AsyncClient(transport=transport, base_url=url, headers=headers) as client:
            yield client


def stand(database: ControlDatabase, single_sign_on: SingleSignOnDoor | None = None) -> Stand:
    """A login whose database is ``database``."""
    clock = FrozenClock()
    accounts, inactive = Accounts(database), set[str]()
    tickets = Tickets(SIGNING_KEY, clock)
    sessions = Sessions(database, SIGNING_KEY, clock, secret_hex)
    login = Login(
        Parts(
            accounts=accounts,
            sessions=sessions,
            passwords=Passwords(QUICK),
            sealer=Sealer(read_master_keys({VARIABLE: MASTER})),
            throttle=Throttle(clock),
            tickets=tickets,
            clock=clock,
            is_active=lambda user: user not in inactive,
        )
    )

    def client(request: Request) -> str:
        return request.headers["x-switchgear-gateway-client"]

    pages = LoginPages(login, sessions, client, lambda user: user not in inactive, single_sign_on)
    app = FastAPI()
    app.include_router(pages.router())
    return Stand(app, clock, login, sessions, accounts, tickets, inactive)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


async def log_in(browser: httpx.AsyncClient, user: str, password: str = PASSWORD, go_to: str = "") -> httpx.Response:
    """Open the login and send it."""
    page = (await browser.get("/console/login", params={"next": go_to} if go_to else {})).text
    form = {"user": user, "password": password, "token": hidden(page, "token"), "next": hidden(page, "next")}
    return await browser.post("/console/login", data=form)


async def csrf_of(browser: httpx.AsyncClient) -> str:
    """The token that the account's page gives a browser that is logged in."""
    return hidden((await browser.get("/console/account")).text, "csrf")
