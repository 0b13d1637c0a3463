"""Cookies of the console, and what a request that changes something must show besides them."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from switchgear.auth.address import is_of_this_machine
from switchgear.auth.sessions import LOOPBACK_COOKIE, SECURE_COOKIE, SESSION_SECONDS, Session
from switchgear.kernel.errors import Forbidden

CSRF_HEADER: Final = "x-csrf-token"
HOME: Final = "/console"
_SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_MAX_PATH: Final = 1024


def is_local(request: Request) -> bool:
    """Whether the browser is on this machine and no proxy stands between: only then a cookie may do without TLS."""
    return is_of_this_machine(request.client.host if request.client is not None else "", request.headers)


def cookie_name(request: Request, suffix: str = "") -> str:
    """The name of a cookie for this browser: bound to its host by ``__Host-`` wherever there is TLS."""
    name = LOOPBACK_COOKIE if is_local(request) else SECURE_COOKIE
    return f"{name}-{suffix}" if suffix else name


def set_cookie(
    request: Request, response: Response, value: str, *, suffix: str = "", seconds: int = SESSION_SECONDS
) -> None:
    """Give the browser a cookie that no script reads and no other site sends along with what changes something."""
    response.set_cookie(
        cookie_name(request, suffix),
        value,
        max_age=seconds,
        path="/",
        secure=not is_local(request),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(request: Request, response: Response, suffix: str = "") -> None:
    """Have the browser forget a cookie."""
    set_cookie(request, response, "", suffix=suffix, seconds=0)


def require_same_site(request: Request) -> None:
    """Raise Forbidden for a request that another site's page sent."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("this was sent by a page of another site")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise Forbidden("this was sent by a page of another site")


def require_csrf(request: Request, session: Session, form: Mapping[str, str]) -> None:
    """Raise Forbidden when a request that changes something does not carry the session's token."""
    if request.method in _SAFE_METHODS:
        return
    require_same_site(request)
    given = request.headers.get(CSRF_HEADER) or form.get("csrf", "")
    if not session.is_token(given):
        raise Forbidden(f"a change by a logged-in browser needs the session's token in {CSRF_HEADER}")


def local_path(wanted: str) -> str:
    """``wanted`` where it is a path of the console, else the console's first page: no login leads to another site."""
    parts = urlsplit(wanted)
    is_path = not parts.scheme and not parts.netloc and wanted.isascii() and wanted.isprintable()
    within = parts.path == HOME or parts.path.startswith(f"{HOME}/")
    walks = "\\" in wanted or ".." in parts.path or len(wanted) > _MAX_PATH
    return wanted if is_path and within and not walks else HOME
