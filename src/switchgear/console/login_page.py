"""The console's login, its second step and the account's own page. Plain HTML, without a script."""

from html import escape
from typing import Final

from msgspec import Struct

from switchgear.console.page import STYLE

_FORMS: Final = """
.narrow { max-width: 380px; margin: 10vh auto 0 } .narrow .card { padding: 20px 24px; margin-top: 16px }
label { display: block; margin: 12px 0 4px; color: var(--soft) } .hint { color: var(--soft); word-break: break-all }
input { width: 100%; padding: 8px 10px; border: 1px solid var(--line); border-radius: 6px; font: inherit;
  background: var(--paper); color: var(--ink) }
button, a.button { display: block; width: 100%; margin-top: 16px; padding: 9px; border: 1px solid var(--line);
  border-radius: 6px; background: var(--ink); color: var(--paper); font: inherit; text-align: center;
  text-decoration: none; cursor: pointer }
a.button { background: none; color: var(--ink) }
"""


class LoginPage(Struct, frozen=True, kw_only=True):
    """What the first page shows."""

    token: str
    go_to: str
    single_sign_on: bool
    problem: str = ""


class AccountPage(Struct, frozen=True, kw_only=True):
    """What a user sees of their own account."""

    user: str
    csrf: str
    second_factor: bool
    enrolment: str = ""
    """The URL for an authenticator app, once a second factor was begun."""
    problem: str = ""
    done: str = ""


def render_login(page: LoginPage) -> str:
    """Name and password, or the identity provider."""
    sso = '<a class="button" href="/console/login/sso">Log in with single sign-on</a>' if page.single_sign_on else ""
    return _document(
        f"{_problem(page.problem)}"
        '<form class="card" method="post" action="/console/login">'
        f"{_hidden('token', page.token)}{_hidden('next', page.go_to)}"
        f"{_field('user', 'Name', 'text', 'username')}{_field('password', 'Password', 'password', 'current-password')}"
        f"<button>Log in</button>{sso}</form>"
    )


def render_code(token: str, go_to: str) -> str:
    """The code of an authenticator app."""
    return _document(
        '<form class="card" method="post" action="/console/login/code">'
        f"{_hidden('token', token)}{_hidden('next', go_to)}"
        f"{_field('code', 'Code of your authenticator app', 'text', 'one-time-code')}<button>Go on</button></form>"
    )


def render_account(page: AccountPage) -> str:
    """Another password, a second factor, the way out."""
    done = f'<div class="card ok">{escape(page.done)}</div>' if page.done else ""
    hidden = _hidden("csrf", page.csrf)
    return _document(
        f"{_problem(page.problem)}{done}"
        f'<form class="card" method="post" action="/console/account/password">{hidden}'
        f"{_field('password', 'Password', 'password', 'current-password')}"
        f"{_field('new', 'New password', 'password', 'new-password')}<button>Change the password</button></form>"
        f"{_second_factor(page, hidden)}"
        f'<form class="card" method="post" action="/console/logout">{hidden}'
        f'<span class="hint">Logged in as {escape(page.user)}</span><button>Log out</button></form>'
    )


def render_refusal(text: str) -> str:
    """What cannot be done, and the way back."""
    return _document(f'{_problem(text)}<a class="button" href="/console/login">Go to the login</a>')


def _second_factor(page: AccountPage, hidden: str) -> str:
    if page.enrolment:
        return (
            f'<form class="card" method="post" action="/console/account/second-factor/confirm">{hidden}'
            f'<p class="hint">Give this to your authenticator app: <code>{escape(page.enrolment)}</code></p>'
            f"{_field('code', 'The code that it shows', 'text', 'one-time-code')}<button>Confirm</button></form>"
        )
    said = "Replace the second factor" if page.second_factor else "Begin a second factor"
    return (
        f'<form class="card" method="post" action="/console/account/second-factor">{hidden}'
        f"{_field('password', 'Password', 'password', 'current-password')}<button>{said}</button></form>"
    )


def _document(inside: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Switchgear</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{STYLE}{_FORMS}</style></head><body><main class="narrow">'
        f"<header><h1>Switchgear</h1></header>{inside}</main></body></html>"
    )


def _problem(text: str) -> str:
    return f'<div class="card problem">{escape(text)}</div>' if text else ""


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def _field(name: str, label: str, kind: str, complete: str) -> str:
    return (
        f'<label for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" autocomplete="{complete}" required>'
    )
