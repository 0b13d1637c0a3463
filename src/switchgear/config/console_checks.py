"""Whether single sign-on can come back."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown
from switchgear.config.written import Written


class ConsoleChecks:
    """Finds what is wrong with the console's settings."""

    def __init__(self, config: Config, written: Written) -> None:
        self._console = config.console
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        console, written = self._console, self._written
        if console.public_url is not None and not _is_address(console.public_url, with_path=False):
            said = shown(written.value(console, "public_url", console.public_url))
            yield written.at(console, "public_url", f"{said} is no address like https://gateway.example.com")
        sso = console.single_sign_on
        if sso is None:
            return
        if console.public_url is None:
            text = "single sign-on needs 'public_url': where the identity provider sends browsers back"
            yield written.at(console, "single_sign_on", text)
        if not _is_address(sso.issuer, with_path=True):
            said = shown(written.value(sso, "issuer", sso.issuer))
            yield written.at(sso, "issuer", f"{said} is no address like https://login.example.com")
        if "openid" not in sso.scopes:
            yield written.at(sso, "scopes", "without 'openid' nobody is identified; add it")


def _is_address(text: str, *, with_path: bool) -> bool:
    """An address with TLS, or of this machine."""
    parts = urlsplit(text)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    scheme = parts.scheme == "https" or (parts.scheme == "http" and local)
    plain = not parts.query and not parts.fragment and "@" not in parts.netloc
    return scheme and bool(parts.hostname) and plain and (with_path or parts.path in ("", "/"))
