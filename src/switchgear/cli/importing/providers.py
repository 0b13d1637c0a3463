"""The providers of the new file: one for each vendor, address and key that the entries name."""

import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct, structs

from switchgear.cli.importing.section import variable

_NOT_IN_A_NAME: Final = re.compile(r"[^A-Z0-9]+")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SECRET_HEADER: Final = re.compile(r"auth|key|token|secret|cookie|password|credential|signature", re.IGNORECASE)
_RANDOM: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/_=.-]{16,}")


class Secret(Struct, frozen=True):
    """A secret as an entry has it: never written down, only referred to."""

    value: str


Setting = str | Secret


class Wanted(Struct, frozen=True):
    """What an entry needs of a provider."""

    kind: str
    base_url: str = ""
    api_key: Secret | None = None
    headers: tuple[tuple[str, Setting], ...] = ()
    options: tuple[tuple[str, Setting], ...] = ()
    name: str = ""
    """Which name it must have; empty: any."""


class Providers:
    """Gives each distinct need a provider, with a name, and each secret in clear a variable."""

    def __init__(self, taken_names: set[str], taken_variables: set[str]) -> None:
        """``taken_names`` are prefixes of aliases; ``taken_variables`` are those that the file refers to already."""
        self._taken_names = taken_names
        self._taken_variables = taken_variables
        self._needs: dict[Wanted, str] = {}
        """Needs, whatever the name, and the first provider for each."""
        self._wanted: dict[str, Wanted] = {}
        self._variables: dict[str, str] = {}
        self.to_set: dict[str, str] = {}
        """Variables that stand for secrets in clear, each with where it is used."""

    def name_of(self, wanted: Wanted) -> str:
        """The provider for ``wanted``, made when there is none."""
        need = structs.replace(wanted, name="")
        name = self._needs.get(need) if not wanted.name or not self.is_free(wanted.name) else None
        if name is None:
            name = self._fresh_name(wanted.name or wanted.kind, reserved=not wanted.name)
            self._needs.setdefault(need, name)
            self._wanted[name] = wanted
        return name

    def is_free(self, name: str) -> bool:
        """Whether a provider may be called ``name`` yet."""
        return _NAME.fullmatch(name) is not None and name not in self._wanted

    def tree(self) -> dict[str, object]:
        """The providers as the new file has them."""
        return {name: self._entry(name, wanted) for name, wanted in self._wanted.items()}

    def reference(self, secret: Secret, suggestion: str, place: str) -> str:
        """How ``secret`` is referred to: by the variable it named itself, or one that is made for it."""
        named = variable(secret.value)
        if named:
            return f"${{{named}}}"
        made = self._variables.get(secret.value)
        if made is None:
            made = self._variables[secret.value] = self._fresh_variable(suggestion)
            self.to_set[made] = place
        return f"${{{made}}}"

    def _entry(self, name: str, wanted: Wanted) -> dict[str, object]:
        entry: dict[str, object] = {"kind": wanted.kind}
        if wanted.base_url:
            entry["base_url"] = wanted.base_url
        if wanted.api_key is not None:
            entry["api_key"] = self.reference(wanted.api_key, f"{name}_API_KEY", f"providers.{name}.api_key")
        for part, settings in (("headers", wanted.headers), ("options", wanted.options)):
            if settings:
                entry[part] = {key: self._setting(name, part, key, value) for key, value in settings}
        return entry

    def _setting(self, name: str, part: str, key: str, value: Setting) -> str:
        if isinstance(value, str):
            return value
        return self.reference(value, f"{name}_{key}", f"providers.{name}.{part}.{key}")

    def _fresh_name(self, wanted: str, *, reserved: bool) -> str:
        name, number = wanted, 1
        while name in self._wanted or (reserved and name in self._taken_names):
            number += 1
            name = f"{wanted}-{number}"
        return name

    def _fresh_variable(self, suggestion: str) -> str:
        base = _NOT_IN_A_NAME.sub("_", suggestion.upper()).strip("_") or "SECRET"
        base = base if not base[0].isdigit() else f"_{base}"
        name, number = base, 1
        while name in self._taken_variables:
            number += 1
            name = f"{base}_{number}"
        self._taken_variables.add(name)
        return name


def header_setting(name: str, value: str) -> Setting:
    """A header's value, as a secret unless it is plainly none."""
    hidden = bool(variable(value)) or _SECRET_HEADER.search(name) is not None or _RANDOM.search(value) is not None
    return Secret(value) if hidden else value.replace("${", "$${")


def carriable_url(url: str) -> bool:
    """Whether an address may stand in a configuration: no credentials and no query in it."""
    if "${" in url:
        return True
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    spoken = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii() and url.isprintable()
    return spoken and "@" not in parts.netloc and not parts.query and not parts.fragment and " " not in url
