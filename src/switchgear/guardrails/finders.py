"""What can be found in texts by its form: personal data with checksums where they have one, and secrets.

Patterns are RE2's: the time of a search grows with the text alone, whatever pattern an operator writes. Each is written
so loosely that it misses no spelling; what looks alike and is not is told apart by a check behind it.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Final, Protocol, cast

import re2  # pyright: ignore[reportMissingTypeStubs]
from msgspec import Struct

from switchgear.guardrails.kinds import Kind

LONGEST_PATTERN: Final = 2000


class Match(Protocol):
    """One occurrence."""

    def group(self) -> str: ...


class Pattern(Protocol):
    """A compiled pattern, as far as it is used here."""

    def sub(self, replacement: Callable[[Match], str], text: str) -> str: ...
    def findall(self, text: str) -> list[str]: ...


class Finder(Struct, frozen=True):
    """A form, and what must be true of a text that has it."""

    pattern: Pattern
    is_one: Callable[[str], bool] | None = None


def compiled(pattern: str) -> Pattern:
    """A pattern of RE2, without look-around and back-references. Raises ValueError, with what is wrong with it."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"has {len(pattern)} characters, {LONGEST_PATTERN} are allowed")
    options = re2.Options()
    options.log_errors = False
    try:
        found = cast("Pattern", re2.compile(pattern, options))  # pyright: ignore[reportUnknownMemberType]
    except cast("type[Exception]", re2.error) as error:
        raise ValueError(_told(error)) from error
    if found.findall(""):
        raise ValueError("matches the empty text, and would be found everywhere")
    return found


def _told(error: Exception) -> str:
    reason: object = error.args[0] if error.args else "not valid"
    return f"is no pattern of RE2: {reason.decode() if isinstance(reason, bytes) else reason}"


def _is_card(text: str) -> bool:
    """ISO/IEC 7812-1, annex B: the sum with every second digit doubled, from the right, ends in 0."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 13616: with its first four characters behind the others and letters as numbers, it leaves 1 by 97."""
    letters = re.sub(r"[ -]", "", text).upper()
    number = "".join(str(int(each, 36)) for each in letters[4:] + letters[:4])
    return int(number) % 97 == 1


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_ssn(text: str) -> bool:
    """No area is 000, 666 or 900 and more, no group 00, no serial 0000 (Social Security Administration)."""
    area, group, serial = re.split(r"[- ]", text)
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


_PHONE_DIGITS: Final = range(7, 16)
"""ITU-T E.164 allows 15; shorter than seven are extensions and years."""
_NO_PHONE: Final = re.compile(
    r"(?:19|20)\d\d[ .\-/](?:0[1-9]|1[0-2])\b|\d\d[ .\-/]\d\d[ .\-/](?:19|20)\d\d\b|(?:(?:19|20)\d\d[ \-/]?){2}"
    r"|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$|\d{3}[\- ]\d\d[\- ]\d{4}$|\d{4}([ \-])\d{4}\1\d{4}"
)
"""Begin like one, and are dates, years, addresses, social security or card numbers."""


def _is_phone(text: str) -> bool:
    digits = sum(each.isdigit() for each in text.partition("x")[0])
    return digits in _PHONE_DIGITS and not _NO_PHONE.match(text)


_FORMS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "email": (r"[\pL\pN._%+\-]+@(?:[\pL\pN\-]+\.)+[\pL\pN\-]{2,63}",),
    "phone": (
        r"(?:\+|\b00)\d{1,3}(?:[ .\-/]?\(?\d{1,5}\)?){2,6}(?:x\d{1,6})?\b",
        r"(?:\b1[ .\-]?)?\(\d{2,5}\) ?\d{2,4}(?:[ .\-]?\d{2,5}){1,3}(?:x\d{1,6})?\b",
        r"\b\d{2,4}(?:[ .\-/]\d{2,4}){1,4}(?:x\d{1,6})?\b",
        r"\b\d{7,10}x\d{1,6}\b|\b0\d{1,4}[ \-/]\d{5,8}\b",
    ),
    "card": (r"\b\d(?:[ \-]?\d){11,18}\b",),
    "iban": (r"(?i)\b[A-Z]{2}\d{2}(?:[ \-]?[A-Z0-9]{4}){2,7}(?:[ \-]?[A-Z0-9]{1,3})?\b",),
    "ip_address": (
        r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
        r"(?i)\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b",
        r"(?i)\b(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}\b",
    ),
    "us_ssn": (r"\b\d{3}[- ]\d{2}[- ]\d{4}\b",),
    "secret": (
        r"\b(?:sk|pk|rk)-[A-Za-z0-9_\-]{20,}",
        r"\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bAIza[A-Za-z0-9_\-]{35}",
        r"\bgh[pousr]_[A-Za-z0-9]{36,}",
        r"\bgithub_pat_[A-Za-z0-9_]{60,}",
        r"\bglpat-[A-Za-z0-9_\-]{20,}",
        r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}",
        r"\bhf_[A-Za-z0-9]{30,}",
        r"\bey[A-Za-z0-9_\-]{10,}\.ey[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}",
        r"(?i)\bbearer +[A-Za-z0-9._~+/\-]{16,}=*",
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
    ),
}
_CHECKS: Final[Mapping[Kind, Callable[[str], bool]]] = {
    "phone": _is_phone,
    "card": _is_card,
    "iban": _is_iban,
    "ip_address": _is_address,
    "us_ssn": _is_ssn,
}


def finder(kind: Kind) -> Finder:
    """That which a configuration calls so."""
    return Finder(compiled("|".join(f"(?:{form})" for form in _FORMS[kind])), _CHECKS.get(kind))
