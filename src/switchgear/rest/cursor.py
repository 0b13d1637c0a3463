"""Cursors: where a page of a list ended, as a text that only the list it came from takes."""

import base64
import binascii
import hashlib
from typing import Annotated, Final

from msgspec import Meta, MsgspecError, Struct, json

from switchgear.rest.problem import Refused

MAX_LIMIT: Final = 200
STORABLE: Final = r"^[^\u0000]*$"
"""Of a filter: Postgres knows no text with a zero in it, and nothing is called so."""
Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="How many at most.")]
CursorText = Annotated[str, Meta(max_length=1024, description="`next` of the page before; empty: the first page.")]


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every list takes."""

    limit: Limit = 50
    cursor: CursorText = ""


class _Cursor(Struct, array_like=True, forbid_unknown_fields=True):
    of: str
    after: str


def cursor_text(of: str, after: str) -> str:
    """A cursor of the list ``of`` (its path and filters) behind the item ``after``."""
    return base64.urlsafe_b64encode(json.encode(_Cursor(_digest(of), after))).decode().rstrip("=")


def cursor_after(of: str, cursor: str) -> str:
    """The item behind which a page begins; empty for the first. Raises Refused for a cursor of another list."""
    if not cursor:
        return ""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Cursor)
    except (binascii.Error, ValueError, MsgspecError):
        found = None
    if found is None or found.of != _digest(of) or "\0" in found.after:
        raise unknown_cursor()
    return found.after


def number_after(of: str, cursor: str, first: int) -> int:
    """The same of a list whose items have numbers; ``first`` for the first page."""
    after = cursor_after(of, cursor)
    if not after:
        return first
    if not (after.isascii() and after.isdigit() and int(after) <= first):
        raise unknown_cursor()
    return int(after)


def unknown_cursor() -> Refused:
    """Why a cursor is refused that this list did not give."""
    return Refused(
        400, "invalid_cursor", "the cursor is none of this list: take `next` of a page with the same filters"
    )


def _digest(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()[:16]
