"""Models that are on their way out: replies warn of them, and once they are gone another one may answer.

The standard headers say it to programs (``deprecation``, RFC 9745; ``sunset``, RFC 8594), one of our own to people.
"""

from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from msgspec import Struct

from switchgear.kernel.call import Call
from switchgear.kernel.errors import ModelRetired

WARNING: Final = b"x-switchgear-model-warning"
REDIRECT: Final = b"x-switchgear-model-redirect"
_MOST_REDIRECTS: Final = 8
_NANOSECONDS: Final = 1_000_000_000


class Lifecycle(Struct, frozen=True, kw_only=True):
    """What is declared of a model's end; moments are nanoseconds of wall time."""

    is_deprecated: bool = False
    is_retired: bool = False
    deprecated_ns: int | None = None
    """Since when, or from when on, it is deprecated; None: not known."""
    retired_ns: int | None = None
    redirect_to: str = ""


class Called(Struct, frozen=True):
    """A name that was called, as far as its end is concerned."""

    name: str
    lifecycle: Lifecycle | None


def heed(call: Call, name: str, lifecycle: Lifecycle, find: Callable[[str], Called]) -> str:
    """The name that answers a call of ``name``: itself with a warning, or where it redirects to once it is retired.

    Warnings go into the call's notices and findings. Raises ModelRetired.
    """
    now_ns = call.started_wall_ns
    called = Called(name, lifecycle)
    for _ in range(_MOST_REDIRECTS):
        found = called.lifecycle
        if found is None or not _has_ended(found, now_ns):
            if found is not None:
                _warn(call, called.name, found, now_ns)
            return called.name
        call.notices += _dated(found)
        if not found.redirect_to:
            raise ModelRetired(
                f"model {called.name!r} is retired; GET /v1/models lists those that are not", param="model"
            )
        text = f"model {called.name} is retired; {found.redirect_to} answered in its place"
        call.notices += ((WARNING, text.encode()), (REDIRECT, found.redirect_to.encode()))
        call.findings += (text,)
        called = find(found.redirect_to)
    raise ModelRetired(f"model {name!r} is retired, and those that it redirects to are too", param="model")


def successor(name: str, lifecycle: Lifecycle, now_ns: int, find: Callable[[str], Called]) -> str:
    """Where a policy that leads to ``name`` leads now: to it, or to what it redirects to; empty when all have ended."""
    called = Called(name, lifecycle)
    for _ in range(_MOST_REDIRECTS):
        found = called.lifecycle
        if found is None or not _has_ended(found, now_ns):
            return called.name
        if not found.redirect_to:
            return ""
        called = find(found.redirect_to)
    return ""


def _has_ended(lifecycle: Lifecycle, now_ns: int) -> bool:
    return lifecycle.is_retired or (lifecycle.retired_ns is not None and lifecycle.retired_ns <= now_ns)


def _warn(call: Call, name: str, lifecycle: Lifecycle, now_ns: int) -> None:
    """A model whose end is only announced has its dates told, and no warning yet."""
    call.notices += _dated(lifecycle)
    begun = lifecycle.deprecated_ns is not None and lifecycle.deprecated_ns <= now_ns
    if not lifecycle.is_deprecated and not begun:
        return
    end = "" if lifecycle.retired_ns is None else f" and will be retired on {_day(lifecycle.retired_ns)}"
    instead = f"; use {lifecycle.redirect_to}" if lifecycle.redirect_to else ""
    text = f"model {name} is deprecated{end}{instead}"
    call.notices += ((WARNING, text.encode()),)
    call.findings += (text,)


def _dated(lifecycle: Lifecycle) -> tuple[tuple[bytes, bytes], ...]:
    told: list[tuple[bytes, bytes]] = []
    if lifecycle.deprecated_ns is not None:
        told.append((b"deprecation", b"@%d" % (lifecycle.deprecated_ns // _NANOSECONDS)))
    if lifecycle.retired_ns is not None:
        told.append((b"sunset", formatdate(lifecycle.retired_ns // _NANOSECONDS, usegmt=True).encode()))
    return tuple(told)


def _day(moment_ns: int) -> str:
    """RFC 8594's date without its time."""
    return formatdate(moment_ns // _NANOSECONDS, usegmt=True)[5:16]
