"""Logging in and out of the console, and the account's own page, over HTTP."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from msgspec import Struct

from switchgear.auth.login import HALFWAY_SECONDS, Login
from switchgear.auth.sessions import Session, Sessions
from switchgear.console.cookies import (
    HOME,
    cookie_name,
    drop_cookie,
    local_path,
    require_csrf,
    require_same_site,
    set_cookie,
)
from switchgear.console.login_page import (
    AccountPage,
    LoginPage,
    render_account,
    render_code,
    render_login,
    render_refusal,
)
from switchgear.kernel.errors import BadRequest, Forbidden, RateLimited, SwitchgearError, Unauthenticated
from switchgear.kernel.ids import secret_hex

_FORM_SECONDS: Final = 3600
_MAX_FORM_BYTES: Final = 16 * 1024
_HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


Page = Callable[[Request], Awaitable[Response]]


class Departure(Struct, frozen=True):
    """Where single sign-on sends a browser, and what that carries."""

    url: str
    ticket: str


class Arrival(Struct, frozen=True):
    """Who came back from single sign-on, as what, and where they wanted to go."""

    user: str
    roles: tuple[str, ...]
    go_to: str


class SingleSignOnDoor(Protocol):
    """What the console asks of single sign-on."""

    async def depart(self, go_to: str) -> Departure:
        """Raises SwitchgearError."""
        ...

    async def arrive(self, ticket: str, state: str, code: str) -> Arrival:
        """Raises Unauthenticated or Forbidden."""
        ...


class LoginPages:
    """The routes; ``client`` tells where a browser is, ``is_active`` whether somebody is a user."""

    def __init__(
        self,
        login: Login,
        sessions: Sessions,
        client: Callable[[Request], str],
        is_active: Callable[[str], bool],
        single_sign_on: SingleSignOnDoor | None = None,
    ) -> None:
        self._login = login
        self._sessions = sessions
        self._client = client
        self._is_active = is_active
        self._single_sign_on = single_sign_on

    def router(self) -> APIRouter:
        """All of them."""
        routes = APIRouter(include_in_schema=False)
        pages: list[tuple[str, str, Page]] = [
            ("GET", "/console/login", self._first_page),
            ("POST", "/console/login", self._with_password),
            ("POST", "/console/login/code", self._with_code),
            ("POST", "/console/logout", self._leave),
            ("GET", "/console/account", self._account),
            ("POST", "/console/account/password", self._change_password),
            ("POST", "/console/account/second-factor", self._begin_second_factor),
            ("POST", "/console/account/second-factor/confirm", self._confirm),
        ]
        if self._single_sign_on is not None:
            pages += [("GET", "/console/login/sso", self._depart), ("GET", "/console/login/sso/callback", self._arrive)]
        for method, path, page in pages:
            routes.add_api_route(path, _told(page), methods=[method])
        return routes

    async def session(self, request: Request) -> Session | None:
        """Who is logged in, by the request's cookie."""
        cookie = request.cookies.get(cookie_name(request))
        return None if cookie is None else await self._sessions.find(cookie)

    async def is_open_to(self, request: Request) -> bool:
        """Whether the browser is logged in as somebody who still is a user."""
        session = await self.session(request)
        return session is not None and self._is_active(session.user)

    async def _first_page(self, request: Request) -> Response:
        return self._ask(request, local_path(request.query_params.get("next", HOME)))

    async def _with_password(self, request: Request) -> Response:
        form = await _form(request)
        go_to = local_path(form.get("next", HOME))
        _require_form(request, form)
        try:
            user, password = form.get("user", ""), form.get("password", "")
            begun = await self._login.with_password(user, password, self._client(request))
        except (Unauthenticated, RateLimited) as error:
            return self._ask(request, go_to, error)
        if not begun.ticket:
            return self._enter(request, begun.session, go_to)
        token = secret_hex(16)
        response = _page(render_code(token, go_to))
        set_cookie(request, response, token, suffix="form", seconds=_FORM_SECONDS)
        set_cookie(request, response, begun.ticket, suffix="halfway", seconds=HALFWAY_SECONDS)
        return response

    async def _with_code(self, request: Request) -> Response:
        form = await _form(request)
        go_to = local_path(form.get("next", HOME))
        _require_form(request, form)
        ticket = request.cookies.get(cookie_name(request, "halfway"), "")
        try:
            session = await self._login.with_code(ticket, form.get("code", ""), self._client(request))
        except (Unauthenticated, RateLimited) as error:
            return self._ask(request, go_to, error)
        return self._enter(request, session, go_to)

    async def _leave(self, request: Request) -> Response:
        await self._changing(request)
        await self._sessions.end(request.cookies.get(cookie_name(request), ""))
        response = RedirectResponse("/console/login", 303, headers=dict(_HEADERS))
        drop_cookie(request, response)
        return response

    async def _account(self, request: Request) -> Response:
        session = await self.session(request)
        if session is None:
            return RedirectResponse("/console/login?next=/console/account", 303, headers=dict(_HEADERS))
        return await self._shown(session)

    async def _change_password(self, request: Request) -> Response:
        session, form = await self._changing(request)

        async def change() -> str:
            await self._login.set_password(session.user, form.get("new", ""))
            return ""

        failed = await self._after_password(request, session, form, change)
        if isinstance(failed, Response):
            return failed
        return self._ask(request, "/console/account")

    async def _begin_second_factor(self, request: Request) -> Response:
        session, form = await self._changing(request)
        made = await self._after_password(request, session, form, lambda: self._login.enrol(session.user))
        return made if isinstance(made, Response) else await self._shown(session, enrolment=made)

    async def _confirm(self, request: Request) -> Response:
        session, form = await self._changing(request)
        try:
            await self._login.confirm(session.user, form.get("code", ""))
        except BadRequest as error:
            return await self._shown(session, problem=error)
        return await self._shown(session, done="The second factor is in force.")

    async def _depart(self, request: Request) -> Response:
        assert self._single_sign_on is not None
        departure = await self._single_sign_on.depart(local_path(request.query_params.get("next", HOME)))
        response = RedirectResponse(departure.url, 303, headers=dict(_HEADERS))
        set_cookie(request, response, departure.ticket, suffix="sso", seconds=_FORM_SECONDS)
        return response

    async def _arrive(self, request: Request) -> Response:
        assert self._single_sign_on is not None
        said = request.query_params
        ticket = request.cookies.get(cookie_name(request, "sso"), "")
        try:
            arrival = await self._single_sign_on.arrive(ticket, said.get("state", ""), said.get("code", ""))
        except (Unauthenticated, Forbidden) as error:
            return self._ask(request, HOME, error)
        session = await self._sessions.begin(arrival.user, "sso", self._client(request), arrival.roles)
        response = self._enter(request, session, local_path(arrival.go_to))
        drop_cookie(request, response, "sso")
        return response

    async def _changing(self, request: Request) -> tuple[Session, Mapping[str, str]]:
        session = await self.session(request)
        form = await _form(request)
        if session is None:
            raise Unauthenticated("nobody is logged in")
        require_csrf(request, session, form)
        return session, form

    async def _after_password(
        self, request: Request, session: Session, form: Mapping[str, str], then: Callable[[], Awaitable[str]]
    ) -> str | Response:
        """What ``then`` gives once the password was given again; else the page that says why not."""
        try:
            await self._login.require_password(session.user, form.get("password", ""), self._client(request))
            return await then()
        except (Unauthenticated, RateLimited, BadRequest) as error:
            return await self._shown(session, problem=error)

    async def _shown(
        self, session: Session, *, enrolment: str = "", problem: SwitchgearError | None = None, done: str = ""
    ) -> Response:
        page = AccountPage(
            user=session.user,
            csrf=session.csrf,
            second_factor=await self._login.has_second_factor(session.user),
            enrolment=enrolment,
            problem="" if problem is None else problem.message,
            done=done,
        )
        return _page(render_account(page), 200 if problem is None else problem.status)

    def _ask(self, request: Request, go_to: str, problem: SwitchgearError | None = None) -> Response:
        token = secret_hex(16)
        page = LoginPage(
            token=token,
            go_to=go_to,
            single_sign_on=self._single_sign_on is not None,
            problem="" if problem is None else problem.message,
        )
        response = _page(render_login(page), 200 if problem is None else problem.status)
        set_cookie(request, response, token, suffix="form", seconds=_FORM_SECONDS)
        return response

    def _enter(self, request: Request, session: str, go_to: str) -> Response:
        response = RedirectResponse(go_to, 303, headers=dict(_HEADERS))
        set_cookie(request, response, session)
        drop_cookie(request, response, "form")
        drop_cookie(request, response, "halfway")
        return response


def _told(page: Page) -> Page:
    """``page``, with what cannot be granted told as a page too."""

    async def answer(request: Request) -> Response:
        try:
            return await page(request)
        except SwitchgearError as error:
            return _page(render_refusal(error.message), error.status)
        except OSError:
            return _page(render_refusal("The control database cannot be used now; try again in a moment."), 503)

    return answer


def _page(text: str, status: int = 200) -> Response:
    return HTMLResponse(text, status, headers=dict(_HEADERS))


def _require_form(request: Request, form: Mapping[str, str]) -> None:
    """Raise Forbidden for a form that this browser was not given: nobody is logged in under another's name."""
    require_same_site(request)
    given = request.cookies.get(cookie_name(request, "form"), "")
    if not given or not hmac.compare_digest(given.encode(), form.get("token", "").encode()):
        raise Forbidden("this form is not the one that this browser was given; open the login again")


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a form. Raises BadRequest."""
    if int(request.headers.get("content-length", "0") or 0) > _MAX_FORM_BYTES:
        raise BadRequest("this form is too large")
    body = await request.body()
    if len(body) > _MAX_FORM_BYTES:
        raise BadRequest("this form is too large")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
