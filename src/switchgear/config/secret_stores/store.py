"""What a store of secrets is, and what stands behind its colon: ``NAME``, ``NAME?version=3``, ``NAME#FIELD``."""

import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from switchgear.kernel.clock import Clock

T = TypeVar("T")
MAX_SECRET_BYTES: Final = 64 * 1024
_WHERE: Final = re.compile(
    r"(?P<name>[^?#]{1,2048})(?:\?(?P<option>[a-z]+)=(?P<value>[^#&]{1,256}))?(?:#(?P<field>.{1,256}))?"
)


class StoreProblem(Exception):
    """A secret that cannot be had; the text says why, and of what a store answered only its error codes."""


class SecretStore(Protocol):
    """One store. It is asked by several threads at once, and may take seconds to answer."""

    options: tuple[str, ...]
    """What may be said behind a ``?``."""
    needs_field: bool
    """Whether a secret always has fields, one of which must be named."""

    def read(self, name: str, options: Mapping[str, str]) -> str:
        """The secret ``name`` as text; one with fields as a JSON object. Raises StoreProblem."""
        ...


OpenStore = Callable[[Mapping[str, str], Clock], SecretStore]
"""Makes a store from the environment; nothing is asked, and nothing is complained of, before the first read."""


class Where(Struct, frozen=True):
    """Which secret of a store is meant."""

    name: str
    options: tuple[tuple[str, str], ...] = ()
    field: str | None = None

    @classmethod
    def parse(cls, text: str, store: SecretStore) -> "Where":
        """What ``text`` says. Raises StoreProblem for what ``store`` does not understand."""
        found = _WHERE.fullmatch(text)
        if found is None:
            raise StoreProblem("is not understood; write NAME, NAME?version=VERSION or NAME#FIELD")
        option, field = found["option"], found["field"]
        if option is not None and option not in store.options:
            known = f"it knows {', '.join(store.options)}" if store.options else "it knows none"
            raise StoreProblem(f"this store knows no {option!r} behind a '?'; {known}")
        if field is None and store.needs_field:
            raise StoreProblem("names no field; write it behind a '#'")
        return cls(found["name"], () if option is None else ((option, found["value"]),), field)

    def pick(self, text: str) -> str:
        """The value in what the store holds, without white space around it. Raises StoreProblem."""
        value = (text if self.field is None else _field(text, self.field)).strip()
        if not value:
            raise StoreProblem("is empty")
        if len(value.encode(errors="surrogatepass")) > MAX_SECRET_BYTES:
            raise StoreProblem(f"is longer than {MAX_SECRET_BYTES} bytes")
        return value


def decoded(body: bytes | str, kind: type[T], whose: str) -> T:
    """The JSON text ``body`` as ``kind``. Raises StoreProblem, which shows nothing of it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise StoreProblem(f"{whose} answers what is not understood, and not the JSON of its documentation") from None


def _field(text: str, name: str) -> str:
    try:
        fields = msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise StoreProblem("is no JSON object, and so has no fields; name none") from None
    if name not in fields:
        raise StoreProblem("has no such field")
    try:
        value = msgspec.json.decode(fields[name], type=str | int)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise StoreProblem("has a field of this name that is neither a text nor a whole number") from None
    return str(value)
