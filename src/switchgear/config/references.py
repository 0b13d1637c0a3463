"""``${NAME}`` in a configuration: values that come from the environment, or from a store of secrets.

A brace means something to YAML: in ``{api_key: ${KEY}}`` the reference would end the mapping. So before the text is
parsed, the braces and commas inside references are exchanged for private-use characters, one for one, which leaves
every line and column where it was; after it, they are put back.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

_REFERENCE_IN_TEXT: Final = re.compile(r"\$\{[^{}\r\n]*\}")
_REFERENCE: Final = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
    r"|\$\{(?P<store>[a-z][a-z0-9_]{0,31}):(?P<where>[^}]+)\}|\$\{"
)
_SPECIAL: Final = "{},[]"
_STAND_INS: Final = "\ue000\ue001\ue002\ue003\ue004"
_PROTECT: Final = str.maketrans(_SPECIAL, _STAND_INS)
_RESTORE: Final = str.maketrans(_STAND_INS, _SPECIAL)
RESERVED: Final = re.compile(f"[{_STAND_INS}]")


class BadReference(Exception):
    """A reference that cannot be resolved; the text says why and holds no value."""


def protect(text: str) -> str:
    """``text`` with every reference safe from the YAML parser."""
    return _REFERENCE_IN_TEXT.sub(lambda match: match[0].translate(_PROTECT), text)


def restore(text: str) -> str:
    """The opposite of :func:`protect`, for any piece of the text."""
    return text.translate(_RESTORE)


def has_reference(text: str) -> bool:
    """Whether resolving ``text`` would read the environment."""
    return any(match["name"] or match["store"] for match in _REFERENCE.finditer(text))


def stored_references(text: str) -> Iterator[str]:
    """The references to stores in ``text``, each as ``STORE:WHERE``."""
    for match in _REFERENCE.finditer(text):
        if match["store"] is not None:
            yield _named(match)


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """``text`` with ``${NAME}``, ``${NAME:-default}`` and ``${STORE:WHERE}`` replaced and ``$${`` turned into ``${``.

    What a store holds is in ``environ`` under ``STORE:WHERE``. An empty variable counts as absent.
    Raises BadReference for an absent one and for what is no reference.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        if match["store"] is not None:
            return _stored(_named(match), environ)
        if match["name"] is None:
            raise BadReference("'${' starts no reference; write ${NAME}, ${NAME:-default}, or '$${' for the text")
        found = environ.get(match["name"]) or match["default"]
        if found is None:
            raise BadReference(f"the environment variable {match['name']} is not set, or empty")
        return found

    return _REFERENCE.sub(value, text)


def _named(match: re.Match[str]) -> str:
    return f"{match['store']}:{match['where'].strip()}"


def _stored(reference: str, environ: Mapping[str, str]) -> str:
    found = environ.get(reference)
    if found is None:
        raise BadReference(f"no secret is to be had for ${{{reference}}}")
    return found
